"""Every public method of python-onedrive's module, unmodified, against the drive server (Python 2.7).

`DRIVE_SERVER=http://127.0.0.1:PORT python_onedrive_api.py CONFIG FOLDER`

CONFIG is a configuration file with tokens, FOLDER an empty folder for local files. The script fails at
the first method that does not do what its documentation says, and prints each method that did.
"""

import io
import os
import sys

from onedrive import api_v5

HOSTS = [
    "https://apis.live.net",
    "https://login.live.com",
    "https://cid-{user_id}.users.storage.live.com",
]


def point_at(server):
    """The library's URLs are public attributes of its classes."""
    for owner in api_v5.OneDriveAuth, api_v5.OneDriveAPIWrapper:
        for name, value in list(vars(owner).items()):
            for host in HOSTS:
                if isinstance(value, unicode) and value.startswith(host):  # noqa: F821
                    setattr(owner, name, value.replace(host, server.decode("ascii")))


def check(method, fact):
    assert fact, method
    print(method)


def raises(error, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except error as raised:
        return raised
    raise AssertionError("nothing raised: %r %r" % (arguments, keywords))


def drive(api, folder):
    """The methods for the drive and its files."""
    local = os.path.join(folder, "local.txt")
    with open(local, "wb") as written:
        written.write(b"0123456789")

    free, total = api.get_quota()
    check("get_quota", 0 < free <= total)
    user = api.get_user_data()
    check("get_user_data", user["id"] and user["name"])
    check("get_user_id", api.get_user_id() == user["id"])
    root = api.info()
    check("info", root["id"] == "folder." + user["id"] and root["type"] == "folder")
    check("__call__", api("me/skydrive")["id"] == root["id"])
    raw = api.request(api._api_url("me", dict(), pass_empty_values=False), raw=True)
    check("request", b'"id"' in raw)

    made = api.mkdir("Docs", metadata=dict(description="of tests"))
    check("mkdir", made["name"] == "Docs" and made["description"] == "of tests")
    docs = made["id"]
    put = api.put(local, docs)
    check("put a path", put["name"] == "local.txt" and put["source"])
    named = api.put(("b.txt", io.BytesIO(b"bytes")), docs, overwrite=True, downsize=False)
    check("put a file object", api.get(named["id"]) == b"bytes")
    error = raises(api_v5.ProtocolError, api.put, local, docs, overwrite=False)
    check("put without overwriting", "resource_already_exists" in str(error))
    chosen = api.put(local, docs, overwrite="ChooseNewName")
    check("put under another name", chosen["name"] != "local.txt")
    check("get", api.get(put["id"]) == b"0123456789")
    check("get a range", api.get(put["id"], byte_range="2-4") == b"234")

    names = lambda objects: sorted(it["name"] for it in objects)  # noqa: E731
    check("listdir", len(api.listdir(docs)) == 3)
    check("listdir a page", len(api.listdir(docs, limit=1, offset=2)) == 1)
    check("listdir by type", names(api.listdir(type_filter="folder")) == ["Docs"])
    check("listdir by types", names(api.listdir(docs, type_filter=["photo"])) == [])

    check("resolve_path", api.resolve_path("Docs/local.txt") == put["id"])
    check("resolve_path of a list", api.resolve_path(["local.txt"], docs) == put["id"])
    check("resolve_path in pages", api.resolve_path("Docs\\b.txt", listdir_limit=1) == named["id"])
    check("resolve_path to an object", api.resolve_path("Docs", objects=True)["id"] == docs)
    missing = raises(api_v5.DoesNotExists, api.resolve_path, "Docs/none/x")
    check("resolve_path of nothing", missing.args == (docs, ["none", "x"]))

    changed = api.info_update(put["id"], dict(name="renamed.txt", description="d e"))
    check("info_update", changed["name"] == "renamed.txt" and changed["description"] == "d e")
    for kind, key in [("shared_read_link", "link"), ("shared_edit_link", "link"), ("embed", "embed_html")]:
        check("link " + kind, api.link(put["id"], kind)[key])

    copied = api.copy(put["id"], "me/skydrive")
    check("copy", copied["id"] != put["id"] and copied["parent_id"] == root["id"])
    moved = api.move(copied["id"], api.mkdir("Other")["id"])
    check("move", moved["id"] == copied["id"])

    comment = api.comment_add(put["id"], u"nic\xe9 file")
    check("comment_add", comment["message"] == u"nic\xe9 file")
    check("comments", [it["id"] for it in api.comments(put["id"])] == [comment["id"]])
    api.comment_delete(comment["id"])
    check("comment_delete", api.comments(put["id"]) == [])

    api.delete(put["id"])
    error = raises(api_v5.ProtocolError, api.info, put["id"])
    check("delete", error.code == 404)


def bits(api):
    """The upload by fragments."""
    chunks = []
    content = b"".join(b"%07d\n" % number for number in range(30000))
    docs = api.resolve_path("Docs")
    options = dict(frag_bytes=100000, chunk_callback=lambda **state: chunks.append(state))
    made = api.put_bits(("bits.bin", io.BytesIO(content)), folder_id=docs, **options)
    check("put_bits by id", api.get(made) == content and len(chunks) == 3)
    made = api.put_bits(("bits.bin", io.BytesIO(content)), folder_path="Docs/In", **options) \
        if api.mkdir("In", docs) else None
    check("put_bits by path", api.get(made) == content)
    raw = api.put_bits(("raw.bin", io.BytesIO(content)), raw_id=True)
    check("put_bits raw", "!" in raw and not raw.startswith("file."))
    options = dict(bits_api_fallback=dict(threshold=10, frag_bytes=100000))
    made = api.put(("large.bin", io.BytesIO(content)), docs, **options)
    check("put falls back to BITS", api.get(made["id"]) == content)


def sign_in(api, path):
    """The methods for sign-in and the configuration file."""
    url = api.auth_user_get_url()
    check("auth_user_get_url", "client_id=some-app" in url and "response_type=code" in url)
    error = raises(api_v5.AuthenticationError, api.auth_user_process_url, "http://x/?error=denied")
    check("auth_user_process_url of an error", "denied" in str(error))
    granted = api.auth_get_token()
    check("auth_get_token", set(granted) == {"wl.skydrive", "wl.skydrive_update", "wl.offline_access"})
    api.sync()
    again = api_v5.PersistentOneDriveAPI.from_conf(path)
    check("from_conf", again.auth_access_token == api.auth_access_token)
    check("sync", again.get_user_id() == api.get_user_id())


if __name__ == "__main__":
    point_at(os.environ["DRIVE_SERVER"])
    client = api_v5.PersistentOneDriveAPI.from_conf(sys.argv[1])
    drive(client, sys.argv[2])
    bits(client)
    sign_in(client, sys.argv[1])

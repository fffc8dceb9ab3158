"""Calls every public function of acdcli.api as a program does. All hosts are those of the cloud."""

import builtins
import functools
import io
import json
import os
import sys
import webbrowser
from urllib.parse import parse_qs, urlparse

import requests
from acdcli.api import account, client, content, metadata, oauth, trash
from acdcli.api.backoff_req import BackOffRequest
from acdcli.api.common import RequestError, is_valid_id

PICTURE = sys.argv[1]
CACHE = os.environ["ACD_CLI_CACHE_PATH"]

# The pauses between requests.
BackOffRequest._wait = lambda self: None

expected, called = set(), set()


def watch(cls):
    """Records which public functions of a class return."""
    for name, function in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        label = f"{cls.__name__}.{name}"
        if isinstance(function, property):
            expected.add(label)
            getter = record(label, function.fget)
            setattr(cls, name, property(getter))
        elif isinstance(function, classmethod):
            expected.add(label)
            setattr(cls, name, classmethod(record(label, function.__func__)))
        elif callable(function) and not isinstance(function, type):
            expected.add(label)
            setattr(cls, name, record(label, function))


def record(label, function):
    @functools.wraps(function)
    def recorded(*args, **kwargs):
        result = function(*args, **kwargs)
        called.add(label)
        return result

    return recorded


def fails(code, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except RequestError as error:
        assert error.status_code == code, (function, error)
        return str(error)
    raise AssertionError(f"{function} did not fail")


for watched in (
    account.AccountMixin, content.ContentMixin, metadata.MetadataMixin, trash.TrashMixin,
    client.ACDClient, BackOffRequest, oauth.OAuthHandler, oauth.LocalOAuthHandler,
    oauth.AppspotOAuthHandler,
):
    watch(watched)


def sign_in(url):
    """The user, who agrees on the page that the library opens."""
    global answer
    if url == oauth.AppspotOAuthHandler.APPSPOT_URL:
        data = requests.post(url, data={"decision": "allow", "account": "drivedal"})
        assert data.status_code == 200, data.text
        with open(os.path.join(appspot_folder, "oauth_data"), "w") as file:
            file.write(data.text)
        answer = ""
        return
    assert parse_qs(urlparse(url).query)["redirect_uri"] == ["http://localhost"], url
    page = requests.get(url, allow_redirects=False)
    assert page.status_code == 302, (page.status_code, page.text)
    answer = page.headers["Location"]


answer = ""
webbrowser.open_new_tab = sign_in
builtins.input = lambda prompt="": answer

# Login with Amazon, then the token service of the library.
os.makedirs(CACHE, exist_ok=True)
with open(os.path.join(CACHE, "client_data"), "w") as file:
    json.dump({"CLIENT_ID": "app", "CLIENT_SECRET": "secret"}, file)
acd = client.ACDClient(CACHE, CACHE)
handler = acd.handler
assert isinstance(handler, oauth.LocalOAuthHandler)
info = handler.get_access_token_info()
assert set(info) >= {"exp", "aud", "user_id", "app_id", "iat"}, info
first = handler.get_auth_token()
handler.oauth_data["exp_time"] = 0
handler.write_oauth_data()
assert handler.get_auth_token() != first and handler.exp_time > 0
appspot_folder = os.path.join(CACHE, "appspot")
os.makedirs(appspot_folder)
appspot = oauth.create_handler(appspot_folder)
assert isinstance(appspot, oauth.AppspotOAuthHandler)
before = appspot.get_auth_token()
appspot.refresh_auth_token()
assert appspot.get_auth_token() != before
base = oauth.OAuthHandler(CACHE)
for abstract in ("refresh_auth_token", "check_oauth_file_exists"):
    try:
        getattr(base, abstract)()
    except NotImplementedError:
        called.add(f"OAuthHandler.{abstract}")

# Account.
assert acd.metadata_url == "https://cdws.us-east-1.amazonaws.com/drive/v1/", acd.metadata_url
assert acd.content_url == "https://content-na.drive.amazonaws.com/cdproxy/", acd.content_url
stored = json.load(open(os.path.join(CACHE, "endpoint_data")))
assert stored["metadataUrl"] == acd.metadata_url and stored["exp_time"] > 0, stored
assert acd.get_account_info()["status"] == "ACTIVE"
quota = acd.get_quota()
assert acd.fs_sizes() == (quota["quota"], quota["available"])

# Nodes and content.
root = acd.get_root_id()
assert is_valid_id(root)
folder = acd.create_folder("folder", root)["id"]
other = acd.create_folder("other")["id"]
os.chdir(CACHE)
data = bytes(range(256)) * 2000
with open("local.bin", "wb") as file:
    file.write(data)
progress = []
node = acd.upload_file("local.bin", folder, read_callbacks=[lambda part: progress.append(part)])
assert b"".join(progress) == data and node["contentProperties"]["size"] == len(data)
fails(409, acd.upload_file, "local.bin", folder)
fails(409, acd.upload_file, "local.bin", other, deduplication=True)
stream = lambda data: io.BufferedReader(io.BytesIO(data))
streamed = acd.upload_stream(stream(b"streamed"), "s.txt", folder)
empty = acd.create_file("empty.txt", folder)
assert empty["description"] == "" and empty["contentProperties"]["size"] == 0
assert acd.upload_stream(stream(b""), "nothing", folder)["contentProperties"]["size"] == 0
acd.overwrite_stream(stream(b"newer"), streamed["id"])
assert bytes(acd.download_chunk(streamed["id"], 1, 3)) == b"ewe"
assert acd.response_chunk(streamed["id"], 0, 5).content == b"newer"
acd.overwrite_file(empty["id"], "local.bin")
acd.download_file(node["id"], "copy.bin", length=len(data))
assert open("copy.bin", "rb").read() == data
with open("part.bin.__incomplete", "wb") as file:
    file.write(data[:300_000])
acd.download_file(node["id"], "part.bin", length=len(data), write_callbacks=[])
assert open("part.bin", "rb").read() == data
with open("chunked.bin", "wb") as file:
    acd.chunked_download(streamed["id"], file, length=5)
assert acd.clear_file(empty["id"])["contentProperties"]["size"] == 0

# Pictures.
photo = acd.upload_file(PICTURE, folder)
assert photo["contentProperties"]["image"]["width"] == 400, photo
acd.download_thumbnail(photo["id"], "thumbnail.jpg", max_dim=64)
assert open("thumbnail.jpg", "rb").read(3) == b"\xff\xd8\xff"
fails(400, acd.download_thumbnail, node["id"], "none.jpg")
[asset] = acd.get_metadata(photo["id"], assets=True)["assets"]
assert [found["id"] for found in acd.get_asset_list()] == [asset["id"]]
assert acd.get_metadata(asset["id"])["kind"] == "ASSET"

# Lists and metadata.
assert {n.get("name") for n in acd.get_folder_list()} == {None, "folder", "other"}
assert {n["name"] for n in acd.get_file_list()} >= {"local.bin", "s.txt"}
assert len(acd.get_node_list(filters="kind:FILE", tempLink="true")) == 5
assert len(acd.list_children(folder)) == 5
assert requests.get(acd.get_metadata(streamed["id"])["tempLink"]).content == b"newer"
assert acd.update_metadata(streamed["id"], {"description": "d"})["description"] == "d"
assert acd.rename_node(streamed["id"], "t.txt")["name"] == "t.txt"
assert acd.move_node(streamed["id"], other)["parents"] == [other]
assert acd.move_node_from(streamed["id"], other, folder)["parents"] == [folder]
assert acd.add_child(other, streamed["id"])["parents"] == [folder, other]
assert acd.remove_child(folder, streamed["id"])["parents"] == [other]
assert acd.set_available(streamed["id"])["status"] == "AVAILABLE"
# A folder that contains itself.
inner = acd.create_folder("inner", folder)["id"]
assert acd.add_child(inner, folder)["parents"] == [root, inner]
assert [n["id"] for n in acd.list_children(inner)] == [folder]
assert acd.remove_child(inner, folder)["parents"] == [root]

# Properties.
owner = acd.get_owner_id()
for n in range(10):
    assert acd.add_property(node["id"], owner, f"k{n}", "v")["key"] == f"k{n}"
fails(400, acd.add_property, node["id"], owner, "k10", "v")
assert "<UnknownOperationException/>" in fails(404, acd.add_property, node["id"], "", "k", "v")
assert acd.list_properties(node["id"], "somebody") == {}
acd.delete_property(node["id"], owner, "k0")
assert len(acd.list_properties(node["id"], owner)) == 9
acd.delete_properties(node["id"], owner)
assert acd.list_properties(node["id"], owner) == {}

# Trash and changes.
assert acd.move_to_trash(node["id"])["status"] == "TRASH"
acd.move_to_trash(other)
assert {n["id"] for n in acd.get_trashed_files()} >= {node["id"]}
assert [n["id"] for n in acd.get_trashed_folders()] == [other]
assert {n["id"] for n in acd.list_trash()} >= {node["id"], other}
assert acd.restore(node["id"])["status"] == "AVAILABLE"
changes = list(acd._iter_changes_lines(acd.get_changes()))
assert changes[0].reset and changes[-1].checkpoint
assert acd.purge(other)["status"] == "PURGED"
later = acd.get_changes(changes[-1].checkpoint, include_purged=True)
[later] = acd._iter_changes_lines(later)
assert other in later.purged_nodes and not later.reset
usage = str(acd.get_account_usage())
assert usage.startswith("Documents:") and "Photos:" in usage, usage

missing = expected - called
assert not missing, f"not called: {sorted(missing)}"
print(f"{len(called)} functions")

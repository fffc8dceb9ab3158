"""What O365, unmodified, does with the drive server: `o365.py TEST URL TOKEN`.

Each function is a test; an assertion or exception fails it.
"""

import pathlib
import sys
import tempfile

import requests
from O365 import MSGraphProtocol
from O365.connection import Connection
from O365.drive import Storage

# Names that clients get wrong in URLs.
NAMES = [
    "plain.txt",
    "it's + & @ = ; , !.txt",
    "späce ünï 日本.txt",
    "emoji 😀.txt",
    "e\u0301 decomposed.txt",
    "100%.txt",
    "(par) [br] {cu}.txt",
    "$x~y.txt",
]


def storage(url, token):
    """The library's entry, with a token at hand instead of a sign-in."""

    class Protocol(MSGraphProtocol):
        _protocol_url = url

    connection = Connection(("client", "secret"))
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    connection.oauth_request = lambda url, method, **options: connection._internal_request(
        session, url, method, **options
    )
    connection.naive_session = session
    return Storage(parent=None, con=connection, protocol=Protocol(), main_resource="me")


def put(folder, name, content, **options):
    with tempfile.TemporaryDirectory() as local:
        path = pathlib.Path(local, "local")
        path.write_bytes(content)
        item = folder.upload_file(path, item_name=name, **options)
    assert item, f"{name} was not uploaded"
    assert (item.name, item.size) == (name, len(content)), (item.name, item.size)
    return item


def get(item):
    with tempfile.TemporaryDirectory() as local:
        assert item.download(local, name="local.bin"), f"{item.name} was not downloaded"
        return pathlib.Path(local, "local.bin").read_bytes()


def keeps_every_name(drive):
    folder = drive.get_root_folder().create_child_folder("Folder A")
    for name in NAMES:
        item = put(folder, name, name.encode())
        assert get(item) == name.encode(), name
        found = drive.get_item_by_path(f"/Folder A/{name}")
        assert found.object_id == item.object_id, name
    assert sorted(item.name for item in folder.get_items()) == sorted(NAMES)


def uploads_in_fragments(drive):
    content = bytes(range(256)) * 4 * 4096 + b"end"
    root = drive.get_root_folder()
    item = put(root, "large.bin", content, upload_in_chunks=True, chunk_size=5 * 327680)
    assert get(item) == content
    dated = put(
        root,
        "dated.bin",
        content,
        upload_in_chunks=True,
        file_created_date_time="2020-01-02T03:04:05Z",
        file_last_modified_date_time="2021-02-03T04:05:06Z",
    )
    assert dated.size == len(content)
    put(root, "empty", b"")


def lists_in_pages_orders_and_filters(drive):
    root = drive.get_root_folder()
    folder = root.create_child_folder("many")
    for n in range(7):
        put(folder, f"{n}.txt", b"x" * n)
    folder.create_child_folder("sub")
    assert len(list(folder.get_items(batch=3))) == 8
    assert len(list(folder.get_items(limit=4))) == 4
    names = [item.name for item in folder.get_items(order_by="name desc")]
    assert names == sorted(names, reverse=True), names
    assert [item.name for item in folder.get_child_folders()] == ["sub"]
    one = folder.new_query().equals("name", "3.txt")
    assert [item.name for item in folder.get_items(query=one)] == ["3.txt"]
    some = folder.new_query().select("name", "id")
    assert len(list(folder.get_items(query=some))) == 8
    assert [item.name for item in drive.search("5.txt")] == ["5.txt"]
    assert {item.name for item in drive.get_recent()} == {f"{n}.txt" for n in range(7)}
    assert list(drive.get_shared_with_me()) == []


def copies_moves_renames_and_deletes(drive):
    root = drive.get_root_folder()
    source, target = root.create_child_folder("from"), root.create_child_folder("to")
    item = put(source, "a.txt", b"content")
    copying = item.copy(target, name="copy.txt")
    for _ in copying.check_status(delay=0.05):
        pass
    assert get(copying.get_item()) == b"content"
    assert item.move(target)
    assert item.update(name="b.txt")
    assert sorted(item.name for item in target.get_items()) == ["b.txt", "copy.txt"]
    assert list(source.get_items()) == []
    assert item.delete()
    assert target.delete()
    assert [folder.name for folder in root.get_items()] == ["from"]


def shares_with_links_and_people(drive):
    item = put(drive.get_root_folder(), "shared.txt", b"shared")
    link = item.share_with_link("view", "anonymous")
    assert link.share_link.startswith("http"), link.share_link
    assert item.share_with_invite("ann@example.org", send_email=False)
    permissions = item.get_permissions()
    # The link, the invitation and the owner.
    assert len(permissions) == 3, permissions
    invited = next(one for one in permissions if one.permission_type == "invitation")
    assert invited.update_roles("edit")
    assert invited.delete()
    assert len(item.get_permissions()) == 2


def knows_the_drive(drive):
    assert drive.refresh()
    assert drive.get_special_folder("documents").name == "Documents"
    item = put(drive.get_root_folder(), "f.txt", b"x")
    assert [version.name for version in item.get_versions()] == ["1.0"]
    assert item.get_thumbnails()["value"] == []
    assert item.get_parent().name == "root"


def main():
    test, url, token = sys.argv[1:]
    drive = storage(url, token).get_default_drive(request_drive=True)
    globals()[test](drive)


if __name__ == "__main__":
    main()

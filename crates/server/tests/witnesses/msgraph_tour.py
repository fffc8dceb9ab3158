"""A tour of msgraph-sdk, unmodified, through the drive server: `msgraph_tour.py STEP URL`.

Each function is a step; an exception fails it. A step uses a folder of its own in anna's drive, so that
steps can run in any order and side by side.
"""

import asyncio
import io
import sys

from kiota_abstractions.api_error import APIError
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.drives.item.items.item.children.children_request_builder import (
    ChildrenRequestBuilder,
)
from msgraph.generated.drives.item.items.item.copy.copy_post_request_body import CopyPostRequestBody
from msgraph.generated.drives.item.items.item.create_link.create_link_post_request_body import (
    CreateLinkPostRequestBody,
)
from msgraph.generated.drives.item.items.item.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.drives.item.items.item.invite.invite_post_request_body import (
    InvitePostRequestBody,
)
from msgraph.generated.models.column_definition import ColumnDefinition
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_item_uploadable_properties import DriveItemUploadableProperties
from msgraph.generated.models.drive_recipient import DriveRecipient
from msgraph.generated.models.field_value_set import FieldValueSet
from msgraph.generated.models.folder import Folder
from msgraph.generated.models.item_reference import ItemReference
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.text_column import TextColumn
from msgraph.generated.sites.item.lists.item.items.items_request_builder import ItemsRequestBuilder
from msgraph.generated.sites.sites_request_builder import SitesRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.models.large_file_upload_session import LargeFileUploadSession
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask
from msgraph_core.tasks.page_iterator import PageIterator

STEP, URL = sys.argv[1], sys.argv[2].rstrip("/")

# A picture of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)


class Token(AccessTokenProvider):
    def __init__(self, token):
        self.token = token

    async def get_authorization_token(self, uri, additional_authentication_context={}):
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def client(name="anna"):
    provider = BaseBearerTokenAuthenticationProvider(Token(f"drivedal-dev-{name}.business"))
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{URL}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def query(builder, name, **parameters):
    kind = getattr(builder, f"{name}RequestBuilderGetQueryParameters")
    return RequestConfiguration(query_parameters=kind(**parameters))


class Place:
    """The folder of the step."""

    async def open(self):
        self.graph = client()
        self.drive = (await self.graph.me.drive.get()).id
        self.items = self.graph.drives.by_drive_id(self.drive).items
        return self

    def at(self, name=""):
        path = f"root:/{STEP}/{name}".rstrip("/")
        return self.items.by_drive_item_id(f"{path}:")

    async def put(self, name, content=b"hello"):
        return await self.at(name).content.put(content)

    async def names(self, name=""):
        page = await self.at(name).children.get()
        return sorted(item.name for item in page.value)


async def here():
    return await Place().open()


async def marketing(graph):
    groups = await graph.groups.get()
    return next(group for group in groups.value if group.display_name == "Marketing")


async def site(graph, path="marketing"):
    return await graph.sites.by_site_id(f"root:/sites/{path}").get()


async def me():
    user = await client().me.get()
    assert user.user_principal_name == "anna@contoso.example", user


async def my_drive():
    drive = await client().me.drive.get()
    assert drive.drive_type == "business" and drive.quota.total > 0, drive


async def users_filtered():
    configuration = query(
        UsersRequestBuilder, "Users", filter="startswith(displayName,'Bob')", select=["displayName"]
    )
    users = await client().users.get(request_configuration=configuration)
    assert [user.display_name for user in users.value] == ["Bob Brown"], users


async def user_by_address():
    user = await client().users.by_user_id("bob@contoso.example").get()
    assert user.display_name == "Bob Brown", user


async def member_of():
    groups = await client().me.member_of.get()
    assert [group.display_name for group in groups.value] == ["Marketing"], groups


async def groups():
    group = await marketing(client())
    assert group.mail == "marketing@contoso.example", group


async def group_members():
    graph = client()
    group = await marketing(graph)
    members = await graph.groups.by_group_id(group.id).members.get()
    names = [member.display_name for member in members.value]
    assert names == ["Anna Adams", "Bob Brown"], names


async def group_drives():
    graph = client()
    group = await marketing(graph)
    drives = await graph.groups.by_group_id(group.id).drives.get()
    assert [drive.name for drive in drives.value] == ["Documents", "Reports"], drives


async def organization():
    organizations = await client().organization.get()
    domains = organizations.value[0].verified_domains
    assert domains[0].name == "contoso.example", organizations


async def photo():
    graph = client()
    await graph.me.photo.content.put(PIXEL)
    assert await graph.me.photo.content.get() == PIXEL
    assert (await graph.me.photo.get()).width == 1


async def sites_searched():
    configuration = query(SitesRequestBuilder, "Sites", search="handbook")
    sites = await client().sites.get(request_configuration=configuration)
    assert [found.name for found in sites.value] == ["handbook"], sites


async def site_by_path():
    graph = client()
    found = await site(graph)
    again = await graph.sites.by_site_id(found.id).get()
    assert again.display_name == "Marketing" and again.id == found.id, again


async def site_lists():
    graph = client()
    lists = await graph.sites.by_site_id((await site(graph)).id).lists.get()
    assert [one.display_name for one in lists.value] == ["Documents", "Reports"], lists


async def reports(graph, name):
    """Returns the list Reports, and the id of the item of a new file in it."""
    found = await site(graph)
    drives = await graph.sites.by_site_id(found.id).drives.get()
    drive = next(drive for drive in drives.value if drive.name == "Reports")
    file = graph.drives.by_drive_id(drive.id).items.by_drive_item_id(f"root:/{name}:")
    created = await file.content.put(b"report")
    item = graph.drives.by_drive_id(drive.id).items.by_drive_item_id(created.id)
    lists = graph.sites.by_site_id(found.id).lists
    return lists.by_list_id("Reports"), (await item.list_item.get()).id


async def list_items():
    graph = client()
    reports_list, item = await reports(graph, "items.txt")
    configuration = query(ItemsRequestBuilder, "Items", expand=["fields"])
    items = await reports_list.items.get(request_configuration=configuration)
    found = next(one for one in items.value if one.id == item)
    assert found.fields.additional_data["FileLeafRef"] == "items.txt", found


async def list_fields():
    graph = client()
    reports_list, item = await reports(graph, "fields.txt")
    fields = reports_list.items.by_list_item_id(item).fields
    await fields.patch(FieldValueSet(additional_data={"Title": "A report"}))
    assert (await fields.get()).additional_data["Title"] == "A report"


async def list_columns():
    graph = client()
    reports_list, _ = await reports(graph, "columns.txt")
    await reports_list.columns.post(ColumnDefinition(name="Status", text=TextColumn()))
    columns = await reports_list.columns.get()
    assert "Status" in [column.name for column in columns.value], columns


async def content_put():
    place = await here()
    item = await place.put("a.txt")
    assert item.size == 5 and item.name == "a.txt", item


async def content_get():
    place = await here()
    await place.put("a.txt", b"bytes")
    assert await place.at("a.txt").content.get() == b"bytes"


async def content_replaced():
    place = await here()
    first = await place.put("a.txt", b"first")
    second = await place.put("a.txt", b"second")
    assert first.id == second.id and first.e_tag != second.e_tag, second


async def folder_created():
    place = await here()
    await place.put("a.txt")
    folder = DriveItem(name="sub", folder=Folder())
    created = await place.at().children.post(folder)
    assert created.folder.child_count == 0, created
    assert await place.names() == ["a.txt", "sub"]


async def folder_conflict():
    place = await here()
    await place.put("sub/a.txt")
    behavior = {"@microsoft.graph.conflictBehavior": "rename"}
    folder = DriveItem(name="sub", folder=Folder(), additional_data=behavior)
    created = await place.at().children.post(folder)
    assert created.name == "sub 1", created


async def children_selected():
    place = await here()
    await place.put("a.txt")
    configuration = query(ChildrenRequestBuilder, "Children", select=["name"], top=1)
    page = await place.at().children.get(request_configuration=configuration)
    assert page.value[0].name == "a.txt" and page.value[0].size is None, page


async def children_pages():
    place = await here()
    for number in range(5):
        await place.put(f"{number}.txt")
    configuration = query(ChildrenRequestBuilder, "Children", top=2)
    first = await place.at().children.get(request_configuration=configuration)
    seen = []

    def see(item):
        seen.append(item.name)
        return True

    await PageIterator(first, place.graph.request_adapter).iterate(see)
    assert seen == [f"{number}.txt" for number in range(5)], seen


async def upload(place, name):
    properties = DriveItemUploadableProperties(
        additional_data={"@microsoft.graph.conflictBehavior": "replace"}
    )
    body = CreateUploadSessionPostRequestBody(item=properties)
    return await place.at(name).create_upload_session.post(body)


async def upload_large():
    place = await here()
    session = await upload(place, "large.bin")
    content = bytes(range(256)) * 4096 * 7
    large = LargeFileUploadSession(
        upload_url=session.upload_url, expiration_date_time=session.expiration_date_time
    )
    adapter = place.graph.request_adapter
    task = LargeFileUploadTask(large, adapter, io.BytesIO(content), DriveItem, 320 * 1024 * 4)
    try:
        await task.upload()
    except APIError as error:
        # msgraph-core 1.5 sends the last fragment a second time, when the session has ended.
        assert error.response_status_code == 404, error
    assert (await place.at("large.bin").get()).size == len(content)
    assert await place.at("large.bin").content.get() == content


async def special_folder():
    place = await here()
    special = place.graph.drives.by_drive_id(place.drive).special
    folder = await special.by_drive_item_id("documents").get()
    assert folder.name == "Documents" and folder.folder is not None, folder


async def refused(status, request):
    try:
        await request
    except ODataError as error:
        assert error.response_status_code == status, error
        return error
    raise AssertionError("the request succeeded")


async def renamed():
    place = await here()
    item = await place.put("a.txt")
    changed = await place.items.by_drive_item_id(item.id).patch(DriveItem(name="b.txt"))
    assert changed.name == "b.txt" and await place.names() == ["b.txt"], changed


async def moved():
    place = await here()
    item = await place.put("a.txt")
    await place.put("sub/other.txt")
    folder = await place.at("sub").get()
    target = DriveItem(parent_reference=ItemReference(id=folder.id))
    await place.items.by_drive_item_id(item.id).patch(target)
    assert await place.names("sub") == ["a.txt", "other.txt"]


async def copied():
    place = await here()
    item = await place.put("a.txt", b"copy me")
    folder = await place.at().get()
    body = CopyPostRequestBody(
        name="b.txt", parent_reference=ItemReference(drive_id=place.drive, id=folder.id)
    )
    await place.items.by_drive_item_id(item.id).copy.post(body)
    assert await place.at("b.txt").content.get() == b"copy me"


async def deleted():
    place = await here()
    item = await place.put("a.txt")
    await place.items.by_drive_item_id(item.id).delete()
    await refused(404, place.at("a.txt").get())


async def error_has_a_code():
    place = await here()
    error = await refused(404, place.at("missing.txt").get())
    assert error.error.code == "itemNotFound", error


async def changes(place, builder):
    """Returns the names in all pages of a change feed, and its link."""
    names, page = [], await builder.get()
    while True:
        names += [item.name for item in page.value if not item.deleted]
        if page.odata_delta_link:
            return names, page.odata_delta_link
        page = await builder.with_url(page.odata_next_link).get()


async def delta_pages():
    place = await here()
    await place.put("a.txt")
    names, _ = await changes(place, place.items.by_drive_item_id("root").delta)
    assert "a.txt" in names and STEP in names, names


async def delta_changes():
    place = await here()
    await place.put("a.txt")
    folder = place.items.by_drive_item_id((await place.at().get()).id).delta
    _, link = await changes(place, folder)
    await place.put("b.txt")
    names, _ = await changes(place, folder.with_url(link))
    assert "b.txt" in names and "a.txt" not in names, names


async def searched():
    place = await here()
    await place.put("needle-42.txt")
    search = place.graph.drives.by_drive_id(place.drive).search_with_q("needle-42")
    found = await search.get()
    assert [item.name for item in found.value] == ["needle-42.txt"], found


async def batch():
    place = await here()
    await place.put("a.txt")
    requests = [
        BatchRequestItem(request_information=place.graph.me.drive.to_get_request_information()),
        BatchRequestItem(request_information=place.at("a.txt").to_get_request_information()),
    ]
    content = BatchRequestContent({request.id: request for request in requests})
    responses = await BatchRequestBuilder(place.graph.request_adapter).post(content)
    statuses = [responses.get_response_by_id(request.id).status for request in requests]
    assert statuses == [200, 200], statuses


async def link_created():
    place = await here()
    item = await place.put("a.txt")
    body = CreateLinkPostRequestBody(type="view", scope="anonymous")
    created = await place.items.by_drive_item_id(item.id).create_link.post(body)
    assert created.link.web_url.startswith("http") and created.link.type == "view", created


async def invite(place):
    item = place.items.by_drive_item_id((await place.put("a.txt")).id)
    body = InvitePostRequestBody(
        recipients=[DriveRecipient(email="bob@contoso.example")],
        roles=["read"],
        require_sign_in=True,
    )
    return item, await item.invite.post(body)


async def invited():
    _, granted = await invite(await here())
    assert granted.value[0].roles == ["read"], granted


async def permissions_listed():
    item, granted = await invite(await here())
    identifier = granted.value[0].id
    listed = await item.permissions.get()
    assert identifier in [permission.id for permission in listed.value], listed
    await item.permissions.by_permission_id(identifier).delete()
    listed = await item.permissions.get()
    assert identifier not in [permission.id for permission in listed.value], listed


async def versions_listed():
    place = await here()
    item = await place.put("a.txt", b"first")
    await place.put("a.txt", b"second")
    versions = await place.items.by_drive_item_id(item.id).versions.get()
    assert versions.value[0].size == 6, versions


asyncio.run(globals()[STEP]())

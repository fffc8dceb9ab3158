"""Shares a folder with msgraph-sdk for Python, unmodified: `graph_sharing.py TEST URL OWNER GUEST`.

OWNER and GUEST are access tokens. Each function is a test; an assertion or exception fails it.
"""

import asyncio
import base64
import datetime
import sys

import httpx
from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.drives.item.items.item.create_link.create_link_post_request_body import (
    CreateLinkPostRequestBody,
)
from msgraph.generated.drives.item.items.item.invite.invite_post_request_body import (
    InvitePostRequestBody,
)
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_recipient import DriveRecipient
from msgraph.generated.models.folder import Folder
from msgraph.generated.models.item_reference import ItemReference
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.permission import Permission
from msgraph.generated.models.remote_item import RemoteItem
from msgraph.generated.shares.item.permission.grant.grant_post_request_body import (
    GrantPostRequestBody,
)
from msgraph.graph_request_adapter import options
from msgraph_core import GraphClientFactory


class StaticToken(AuthenticationProvider):
    """Adds a token at hand, instead of a sign-in."""

    def __init__(self, token):
        self.token = token

    async def authenticate_request(self, request, additional_authentication_context=None):
        request.headers.add("authorization", f"Bearer {self.token}")


class User:
    """A client of one account."""

    def __init__(self, url, token):
        http = httpx.AsyncClient(trust_env=False, timeout=30)
        client = GraphClientFactory.create_with_default_middleware(client=http, options=options)
        adapter = GraphRequestAdapter(StaticToken(token), client=client)
        adapter.base_url = f"{url.rstrip('/')}/v1.0"
        self.graph = GraphServiceClient(request_adapter=adapter)
        self.drive = None

    async def open(self):
        self.drive = (await self.graph.me.drive.get()).id
        return self

    def item(self, item="root", drive=None):
        return self.graph.drives.by_drive_id(drive or self.drive).items.by_drive_item_id(item)

    async def folder(self, name):
        return await self.item().children.post(DriveItem(name=name, folder=Folder()))

    async def address(self):
        return (await self.graph.me.get()).user_principal_name


def recipient(address):
    return DriveRecipient(email=address)


async def refused(status, request):
    try:
        await request
    except ODataError as error:
        assert error.response_status_code == status, error
        return
    raise AssertionError(f"the request succeeded, not {status}")


async def invites_accepts_writes_and_revokes(owner, guest):
    folder = await owner.folder("Plans")
    shared = guest.item(folder.id, owner.drive)
    await refused(403, shared.get())
    body = InvitePostRequestBody(
        recipients=[recipient(await guest.address())],
        roles=["write"],
        require_sign_in=True,
        send_invitation=False,
    )
    granted = (await owner.item(folder.id).invite.post(body)).value[0]
    assert granted.roles == ["write"], granted
    assert granted.granted_to_v2.user.display_name, granted
    assert (await shared.get()).name == "Plans"
    reference = ItemReference(drive_id=owner.drive)
    remote = RemoteItem(id=folder.id, parent_reference=reference)
    shortcut = DriveItem(name="Plans of the owner", remote_item=remote)
    shortcut = await guest.item().children.post(shortcut)
    assert shortcut.remote_item.id == folder.id, shortcut
    target = guest.item(shortcut.remote_item.id, shortcut.remote_item.parent_reference.drive_id)
    created = await target.children.post(DriveItem(name="inner", folder=Folder()))
    await guest.item(f"{created.id}:/a.txt:", owner.drive).content.put(b"written")
    assert await owner.item(f"{folder.id}:/inner/a.txt:").content.get() == b"written"
    permissions = owner.item(folder.id).permissions
    one = permissions.by_permission_id(granted.id)
    assert (await one.patch(Permission(roles=["read"]))).roles == ["read"]
    await refused(403, target.children.post(DriveItem(name="more", folder=Folder())))
    listed = (await permissions.get()).value
    assert {role for permission in listed for role in permission.roles} == {"read", "owner"}, listed
    await one.delete()
    await refused(403, target.get())


async def creates_redeems_and_extends_links(owner, guest):
    folder = await owner.folder("Plans")
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    body = CreateLinkPostRequestBody(
        type="view", scope="organization", expiration_date_time=later
    )
    link = await owner.item(folder.id).create_link.post(body)
    assert link.link.scope == "organization", link
    assert abs(link.expiration_date_time - later) < datetime.timedelta(seconds=2), link
    encoded = base64.urlsafe_b64encode(link.link.web_url.encode()).decode().rstrip("=")
    share = guest.graph.shares.by_shared_drive_item_id(f"u!{encoded}")
    await refused(403, share.drive_item.get())
    configuration = RequestConfiguration()
    configuration.headers.add("prefer", "redeemSharingLink")
    assert (await share.drive_item.get(configuration)).id == folder.id
    assert (await guest.item(folder.id, owner.drive).get()).name == "Plans"
    assert (await share.get()).name == "Plans"
    grant = GrantPostRequestBody(recipients=[recipient("carl@example.org")], roles=["read"])
    own = owner.graph.shares.by_shared_drive_item_id(f"u!{encoded}")
    granted = (await own.permission.grant.post(grant)).value[0]
    assert granted.id == link.id, granted
    assert len(granted.granted_to_identities_v2) == 2, granted


async def main():
    test, url, owner, guest = sys.argv[1:]
    users = [await User(url, token).open() for token in (owner, guest)]
    await globals()[test](*users)


asyncio.run(main())

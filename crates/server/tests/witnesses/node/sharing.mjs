// Shares a folder with @microsoft/microsoft-graph-client, unmodified: `sharing.mjs TEST URL OWNER GUEST`.
// OWNER and GUEST are access tokens. Each function of `tests` is a test; an exception fails it.
//
// DRIVEDAL_NODE_CLIENTS is the folder with the packages of package.json.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.DRIVEDAL_NODE_CLIENTS, '/'));
const { Client } = require('@microsoft/microsoft-graph-client');

const [, , test, url, ...tokens] = process.argv;

/** Returns a client of an account. The library sends a token over HTTPS only. */
function connect(token) {
  const baseUrl = `https://localhost:${new URL(url).port}/`;
  const authProvider = (done) => done(null, token);
  return Client.init({ baseUrl, authProvider, customHosts: new Set(['localhost']) });
}

/** Asserts that a request fails with a status. */
async function refused(statusCode, request) {
  await assert.rejects(request, (error) => error.statusCode === statusCode);
}

const tests = {
  async invites_accepts_writes_and_revokes(owner, guest) {
    const drive = (await owner.api('/me/drive').get()).id;
    const folder = await owner.api('/me/drive/root/children').post({ name: 'Plans', folder: {} });
    const shared = `/drives/${drive}/items/${folder.id}`;
    await refused(404, guest.api(shared).get());
    const { userPrincipalName: email } = await guest.api('/me').get();
    const invited = await owner.api(`${shared}/invite`).post({
      recipients: [{ email }],
      roles: ['write'],
      requireSignIn: true,
      sendInvitation: false,
    });
    const [permission] = invited.value;
    assert.equal(permission.grantedTo.user.email, email);
    const shortcut = await guest.api('/me/drive/root/children').post({
      name: 'Plans of the owner',
      remoteItem: { id: folder.id, parentReference: { driveId: drive } },
    });
    assert.equal(shortcut.remoteItem.id, folder.id);
    const withMe = await guest.api('/me/drive/sharedWithMe').get();
    assert.deepEqual(withMe.value.map((item) => item.name), ['Plans']);
    await guest.api(`${shared}:/a.txt:/content`).put('written');
    const file = await owner.api('/me/drive/root:/Plans/a.txt').get();
    assert.equal(file.size, 7);
    const inherited = await owner.api(`/me/drive/items/${file.id}/permissions`).get();
    assert.equal(inherited.value[0].inheritedFrom.id, folder.id);
    await owner.api(`${shared}/permissions/${permission.id}`).delete();
    await refused(404, guest.api(shared).get());
  },

  async creates_links_with_password_and_expiry(owner, guest) {
    const folder = await owner.api('/me/drive/root/children').post({ name: 'Plans', folder: {} });
    const item = `/me/drive/items/${folder.id}`;
    const expirationDateTime = new Date(Date.now() + 24 * 3600 * 1000).toISOString();
    const link = await owner.api(`${item}/createLink`).post({ type: 'view', expirationDateTime });
    assert.equal(Date.parse(link.expirationDateTime), Date.parse(expirationDateTime));
    const token = `u!${Buffer.from(link.link.webUrl).toString('base64url')}`;
    assert.equal((await guest.api(`/shares/${token}/driveItem`).get()).id, folder.id);
    assert.equal((await guest.api(`/shares/${token}`).get()).name, 'Plans');
    await refused(403, guest.api(`/shares/${token}/driveItem`).patch({ name: 'Mine' }));
    const locked = await owner.api(`${item}/createLink`).post({ type: 'edit', password: 'hunter2' });
    assert.equal(locked.hasPassword, true);
    await refused(404, guest.api(`/shares/${locked.shareId}/driveItem`).get());
    await owner.api(`${item}/permissions/${link.id}`).delete();
    await refused(404, guest.api(`/shares/${token}/driveItem`).get());
  },
};

await tests[test](...tokens.map(connect));

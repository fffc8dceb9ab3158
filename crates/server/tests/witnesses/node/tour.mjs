// The features of @microsoft/microsoft-graph-client, unmodified: `tour.mjs STEP URL TOKEN GUEST`.
// Each function of `steps` is a test; an exception fails it. TOKEN is an access token of an account
// with an empty drive, GUEST that of another account.
//
// DRIVEDAL_NODE_CLIENTS is the folder with the packages of package.json.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const require = createRequire(join(process.env.DRIVEDAL_NODE_CLIENTS, '/'));
const graph = require('@microsoft/microsoft-graph-client');

const [, , step, url, ...tokens] = process.argv;

/** Returns a client of an account. The library sends a token over HTTPS only. */
function connect(token) {
  const baseUrl = `https://localhost:${new URL(url).port}/`;
  const authProvider = (done) => done(null, token);
  return graph.Client.init({ baseUrl, authProvider, customHosts: new Set(['localhost']) });
}

/** Uploads a file, and returns its item. */
const put = (client, path, content) => client.api(`/me/drive/root:/${path}:/content`).put(content);

/** Returns the names of a listing. */
const names = (listing) => listing.value.map((item) => item.name);

const steps = {
  async user(client) {
    const me = await client.api('/me').select('displayName,userPrincipalName').get();
    assert.ok(me.userPrincipalName.includes('@'));
    assert.equal(me.id, undefined);
  },
  async drive(client) {
    const drive = await client.api('/me/drive').get();
    assert.equal(drive.quota.state, 'normal');
    const drives = await client.api('/me/drives').get();
    assert.deepEqual(drives.value.map((one) => one.id), [drive.id]);
  },
  async text_is_uploaded_and_downloaded(client) {
    await put(client, 'a.txt', 'hello');
    const stream = await client.api('/me/drive/root:/a.txt:/content').getStream();
    assert.equal(await text(Readable.fromWeb(stream)), 'hello');
  },
  async bytes_are_uploaded_and_downloaded(client) {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    await put(client, 'a.bin', bytes);
    const request = client.api('/me/drive/root:/a.bin:/content');
    const buffer = await request.responseType(graph.ResponseType.ARRAYBUFFER).get();
    assert.deepEqual(new Uint8Array(buffer), bytes);
  },
  async a_stream_is_uploaded(client) {
    const request = client.api('/me/drive/root:/s.txt:/content');
    // Node.js requires the option, which the library does not set.
    const streamed = request.header('content-length', '6').option('duplex', 'half');
    const item = await streamed.putStream(Readable.from([Buffer.from('stream')]));
    assert.equal(item.size, 6);
  },
  async a_raw_response_has_its_status(client) {
    await put(client, 'a.txt', 'hello');
    const request = client.api('/me/drive/root:/a.txt');
    const response = await request.responseType(graph.ResponseType.RAW).get();
    assert.equal(response.status, 200);
    assert.equal((await response.json()).name, 'a.txt');
  },
  async folders_are_created(client) {
    const folder = { name: 'f', folder: {}, '@microsoft.graph.conflictBehavior': 'rename' };
    await client.api('/me/drive/root/children').post(folder);
    assert.equal((await client.api('/me/drive/root/children').post(folder)).name, 'f 1');
  },
  async an_error_has_status_code_and_request_id(client) {
    await assert.rejects(client.api('/me/drive/root:/missing').get(), (error) => {
      assert.ok(error instanceof graph.GraphError);
      assert.equal(error.statusCode, 404);
      assert.equal(error.code, 'itemNotFound');
      assert.ok(error.requestId);
      return true;
    });
  },
  async children_are_selected_sorted_and_paged(client) {
    for (const name of ['b', 'c', 'a']) await put(client, name, name);
    const query = client.api('/me/drive/root/children').select(['name']).orderby('name desc').top(2);
    const page = await query.get();
    assert.deepEqual(names(page), ['c', 'b']);
    assert.deepEqual(names(await client.api(page['@odata.nextLink']).get()), ['a']);
  },
  async children_are_filtered_and_counted(client) {
    for (const name of ['b', 'c', 'a']) await put(client, name, name);
    const children = client.api('/me/drive/root/children');
    assert.deepEqual(names(await children.filter("name eq 'b'").get()), ['b']);
    const counted = await client.api('/me/drive/root/children').count(true).get();
    assert.equal(counted['@odata.count'], 3);
  },
  async children_are_expanded(client) {
    await put(client, 'd/a.txt', 'a');
    const folder = await client.api('/me/drive/root:/d').expand('children($select=name)').get();
    assert.deepEqual(folder.children.map((item) => item.name), ['a.txt']);
  },
  async a_page_iterator_reads_all_pages(client) {
    for (let at = 0; at < 5; at += 1) await put(client, `${at}`, 'x');
    const page = await client.api('/me/drive/root/children').top(2).get();
    const found = [];
    const each = (item) => found.push(item.name) > 0;
    await new graph.PageIterator(client, page, each).iterate();
    assert.deepEqual(found, ['0', '1', '2', '3', '4']);
  },
  async a_batch_has_dependent_requests(client) {
    const content = new graph.BatchRequestContent();
    const post = new Request('https://localhost/me/drive/root/children', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'f', folder: {} }),
    });
    content.addRequest({ id: '1', request: post });
    const get = new Request('https://localhost/me/drive/root:/f', { method: 'GET' });
    content.addRequest({ id: '2', request: get, dependsOn: ['1'] });
    const response = await client.api('/$batch').post(await content.getContent());
    const all = new graph.BatchResponseContent(response);
    assert.equal(all.getResponseById('1').status, 201);
    assert.equal((await all.getResponseById('2').json()).name, 'f');
  },
  async a_large_file_is_uploaded_in_fragments(client) {
    const bytes = new Uint8Array(700 * 1024).fill(7);
    const options = { path: '/', fileName: 'large.bin', rangeSize: 320 * 1024 };
    const file = new graph.FileUpload(bytes, 'large.bin', bytes.length);
    const task = await graph.OneDriveLargeFileUploadTask.createTaskWithFileObject(
      client, file, options);
    const uploaded = await task.upload();
    assert.equal(uploaded.responseBody.size, bytes.length);
  },
  async a_large_stream_is_uploaded_in_fragments(client) {
    const bytes = Buffer.alloc(700 * 1024, 7);
    const stream = new PassThrough();
    stream.end(bytes);
    const file = new graph.StreamUpload(stream, 'large.bin', bytes.length);
    const session = await graph.LargeFileUploadTask.createUploadSession(
      client, '/me/drive/root:/large.bin:/createUploadSession', { item: { name: 'large.bin' } });
    const task = new graph.LargeFileUploadTask(client, file, session, { rangeSize: 320 * 1024 });
    const uploaded = await task.upload();
    assert.equal(uploaded.responseBody.size, bytes.length);
  },
  async an_upload_session_is_cancelled(client) {
    const file = new graph.FileUpload(new Uint8Array(10), 'a.bin', 10);
    const session = await graph.LargeFileUploadTask.createUploadSession(
      client, '/me/drive/root:/a.bin:/createUploadSession', {});
    const task = new graph.LargeFileUploadTask(client, file, session);
    await task.cancel();
    await assert.rejects(task.getStatus(), (error) => error.statusCode === 404);
  },
  async an_item_is_renamed_and_moved(client) {
    const file = await put(client, 'a.txt', 'a');
    const folder = await client.api('/me/drive/root/children').post({ name: 'f', folder: {} });
    const change = { name: 'b.txt', parentReference: { id: folder.id } };
    const moved = await client.api(`/me/drive/items/${file.id}`).patch(change);
    assert.equal(moved.name, 'b.txt');
    assert.equal((await client.api('/me/drive/root:/f/b.txt').get()).id, file.id);
  },
  async a_stale_change_is_refused(client) {
    const file = await put(client, 'a.txt', 'a');
    await put(client, 'a.txt', 'b');
    const request = client.api(`/me/drive/items/${file.id}`).header('if-match', file.eTag);
    await assert.rejects(request.patch({ name: 'b' }), (error) => error.statusCode === 412);
  },
  async an_item_is_copied(client) {
    const file = await put(client, 'a.txt', 'a');
    const request = client.api(`/me/drive/items/${file.id}/copy`);
    const response = await request.responseType(graph.ResponseType.RAW).post({ name: 'b.txt' });
    assert.equal(response.status, 202);
    const monitor = await (await fetch(response.headers.get('location'))).json();
    assert.equal(monitor.status, 'completed');
    assert.equal((await client.api('/me/drive/root:/b.txt').get()).id, monitor.resourceId);
  },
  async an_item_is_deleted(client) {
    const file = await put(client, 'a.txt', 'a');
    await client.api(`/me/drive/items/${file.id}`).delete();
    await assert.rejects(
      client.api(`/me/drive/items/${file.id}`).get(), (error) => error.statusCode === 404);
  },
  async changes_are_listed_since_a_delta(client) {
    const first = await client.api('/me/drive/root/delta').get();
    await put(client, 'a.txt', 'a');
    const changes = await client.api(first['@odata.deltaLink']).get();
    assert.ok(names(changes).includes('a.txt'));
  },
  async items_are_searched(client) {
    await put(client, 'report.txt', 'a');
    const found = await client.api("/me/drive/root/search(q='report')").orderby('name').get();
    assert.deepEqual(names(found), ['report.txt']);
  },
  async microsoft_search_finds_items(client) {
    await put(client, 'report.txt', 'a');
    const request = { entityTypes: ['driveItem'], query: { queryString: 'report' } };
    const found = await client.api('/search/query').post({ requests: [request] });
    assert.equal(found.value[0].hitsContainers[0].hits[0].resource.name, 'report.txt');
  },
  async versions_are_listed_and_restored(client) {
    const file = await put(client, 'a.txt', 'one');
    await put(client, 'a.txt', 'two');
    const versions = await client.api(`/me/drive/items/${file.id}/versions`).get();
    assert.deepEqual(versions.value.map((one) => one.id), ['2.0', '1.0']);
    await client.api(`/me/drive/items/${file.id}/versions/1.0/restoreVersion`).post({});
    const stream = await client.api(`/me/drive/items/${file.id}/content`).getStream();
    assert.equal(await text(Readable.fromWeb(stream)), 'one');
  },
  async a_link_is_created_and_opened(client, guest) {
    const file = await put(client, 'a.txt', 'a');
    const create = client.api(`/me/drive/items/${file.id}/createLink`);
    const permission = await create.post({ type: 'view', scope: 'anonymous' });
    const request = guest.api(`/shares/${permission.shareId}/driveItem`);
    const shared = await request.header('prefer', 'redeemSharingLink').get();
    assert.equal(shared.id, file.id);
  },
  async permissions_are_granted_changed_and_removed(client, guest) {
    const file = await put(client, 'a.txt', 'a');
    const item = `/me/drive/items/${file.id}`;
    const { userPrincipalName: email } = await guest.api('/me').get();
    const body = { recipients: [{ email }], roles: ['read'], requireSignIn: true };
    const [permission] = (await client.api(`${item}/invite`).post(body)).value;
    const path = `${item}/permissions/${permission.id}`;
    assert.deepEqual((await client.api(path).patch({ roles: ['write'] })).roles, ['write']);
    await client.api(path).delete();
    const left = await client.api(`${item}/permissions`).get();
    assert.ok(left.value.every((one) => one.id !== permission.id));
  },
  async a_special_folder_is_opened(client) {
    const folder = await client.api('/me/drive/special/documents').get();
    assert.equal(folder.specialFolder.name, 'documents');
    assert.deepEqual(names(await client.api('/me/drive/special/documents/children').get()), []);
  },
};

await steps[step](...tokens.map(connect));

// Signs in to the drive server with MSAL and azure-identity for Node.js, unmodified, and with a real
// browser: `flows.mjs TEST URL`. Each exported function is a test; an exception fails it.
//
// DRIVEDAL_NODE_CLIENTS is the folder with the packages of package.json. The folder DRIVEDAL_NODE_KEY
// has the certificate `cert.pem`, its key `key.pem`, and both in `both.pem`.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.DRIVEDAL_NODE_CLIENTS, '/'));
const { ConfidentialClientApplication, PublicClientApplication } = require('@azure/msal-node');

const [, , test, url] = process.argv;
const LOGIN = `https://localhost:${new URL(url).port}`;
const TENANT = 'contoso.example';
const DEFAULT = 'https://graph.microsoft.com/.default';
const SCOPES = ['Files.ReadWrite', 'User.Read'];
const ANNA = 'anna@contoso.example';

async function graph(path, token) {
  const response = await fetch(`${LOGIN}/v1.0${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = await response.text();
  assert.equal(response.status, 200, body);
  return JSON.parse(body);
}

/** Returns the options of an application at the server. */
function auth(clientId, more = {}, tenant = TENANT) {
  const authority = `${LOGIN}/${tenant}`;
  return { auth: { clientId, authority, knownAuthorities: [new URL(LOGIN).host], ...more } };
}

async function checkApp(token) {
  const user = await graph(`/users/${ANNA}`, token);
  assert.equal(user.userPrincipalName, ANNA);
}

/** Checks the tokens of a user, the account in the cache, silent acquisition and refresh. */
async function checkUser(app, result) {
  assert.equal((await graph('/me', result.accessToken)).userPrincipalName, ANNA);
  assert.equal(result.account.username, ANNA);
  const silent = await app.acquireTokenSilent({ scopes: SCOPES, account: result.account });
  assert.equal(silent.accessToken, result.accessToken, 'from the cache');
  const forced = { scopes: SCOPES, account: result.account, forceRefresh: true };
  const fresh = await app.acquireTokenSilent(forced);
  assert.notEqual(fresh.accessToken, result.accessToken);
  await graph('/me/drive', fresh.accessToken);
}

/** Sends the form of a sign-in page, as a browser does. Returns the redirect. */
async function decide(page, fields) {
  const body = new URLSearchParams({ account: ANNA, password: 'pw', decision: 'allow', ...fields });
  return fetch(page, { method: 'POST', body, redirect: 'manual' });
}

const tests = {
  async client_secret() {
    const app = new ConfidentialClientApplication(auth('web', { clientSecret: 'secret' }));
    const first = await app.acquireTokenByClientCredential({ scopes: [DEFAULT] });
    await checkApp(first.accessToken);
    const again = await app.acquireTokenByClientCredential({ scopes: [DEFAULT] });
    assert.equal(again.accessToken, first.accessToken, 'from the cache');
    const wrong = new ConfidentialClientApplication(auth('web', { clientSecret: 'no' }));
    await assert.rejects(
      wrong.acquireTokenByClientCredential({ scopes: [DEFAULT] }),
      /AADSTS7000215/,
    );
  },

  async client_certificate() {
    const folder = process.env.DRIVEDAL_NODE_KEY;
    const certificate = new X509Certificate(readFileSync(join(folder, 'cert.pem')));
    const clientCertificate = {
      thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''),
      privateKey: readFileSync(join(folder, 'key.pem'), 'utf8'),
    };
    const app = new ConfidentialClientApplication(auth('web', { clientCertificate }));
    await checkApp((await app.acquireTokenByClientCredential({ scopes: [DEFAULT] })).accessToken);
  },

  async device_code() {
    const app = new PublicClientApplication(auth('desktop'));
    let entered;
    const result = await app.acquireTokenByDeviceCode({
      scopes: SCOPES,
      deviceCodeCallback: (codes) => {
        entered = decide(codes.verificationUri, { user_code: codes.userCode });
      },
    });
    assert.equal((await entered).status, 200);
    await checkUser(app, result);
  },

  async code_with_pkce() {
    const { CryptoProvider } = require('@azure/msal-node');
    const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
    const app = new ConfidentialClientApplication(auth('web', { clientSecret: 'secret' }));
    const redirectUri = 'http://localhost:9/';
    const page = await app.getAuthCodeUrl({
      scopes: SCOPES,
      redirectUri,
      responseMode: 'query',
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
    });
    const redirect = new URL((await decide(page, {})).headers.get('location'));
    const code = redirect.searchParams.get('code');
    const request = { code, scopes: SCOPES, redirectUri, codeVerifier: verifier };
    await checkUser(app, await app.acquireTokenByCode(request));
    await assert.rejects(app.acquireTokenByCode(request), /AADSTS54005/);
  },

  async on_behalf_of() {
    const web = new ConfidentialClientApplication(auth('web', { clientSecret: 'secret' }));
    const redirectUri = 'http://localhost:9/';
    const scopes = ['api://api/read'];
    const page = await web.getAuthCodeUrl({ scopes, redirectUri, responseMode: 'query' });
    const redirect = new URL((await decide(page, {})).headers.get('location'));
    const code = redirect.searchParams.get('code');
    const user = await web.acquireTokenByCode({ code, scopes, redirectUri });
    const api = new ConfidentialClientApplication(auth('api', { clientSecret: 'secret' }));
    const request = { oboAssertion: user.accessToken, scopes: SCOPES };
    const result = await api.acquireTokenOnBehalfOf(request);
    assert.equal((await graph('/me', result.accessToken)).userPrincipalName, ANNA);

    const { OnBehalfOfCredential } = require('@azure/identity');
    const credential = new OnBehalfOfCredential({
      tenantId: TENANT,
      clientId: 'api',
      clientSecret: 'secret',
      userAssertionToken: user.accessToken,
      authorityHost: LOGIN,
      disableInstanceDiscovery: true,
    });
    await graph('/me', (await credential.getToken(SCOPES)).token);
  },

  async azure_identity() {
    const { ClientSecretCredential, ClientCertificateCredential } = require('@azure/identity');
    const options = { authorityHost: LOGIN, disableInstanceDiscovery: true };
    const secret = new ClientSecretCredential(TENANT, 'web', 'secret', options);
    await checkApp((await secret.getToken(DEFAULT)).token);
    const file = join(process.env.DRIVEDAL_NODE_KEY, 'both.pem');
    const certificate = new ClientCertificateCredential(TENANT, 'web', file, options);
    await checkApp((await certificate.getToken(DEFAULT)).token);
  },

  async azure_identity_device_code() {
    const { DeviceCodeCredential } = require('@azure/identity');
    let entered;
    const credential = new DeviceCodeCredential({
      tenantId: TENANT,
      clientId: 'desktop',
      authorityHost: LOGIN,
      disableInstanceDiscovery: true,
      userPromptCallback: (codes) => {
        entered = decide(codes.verificationUri, { user_code: codes.userCode });
      },
    });
    const { token } = await credential.getToken(SCOPES);
    assert.equal((await entered).status, 200);
    assert.equal((await graph('/me', token)).userPrincipalName, ANNA);
  },

  async browser_code_with_pkce() {
    await withBrowser(async (page) => {
      const app = new PublicClientApplication(auth('desktop'));
      const result = await app.acquireTokenInteractive({
        scopes: SCOPES,
        openBrowser: async (address) => {
          await click(page, address);
          // MSAL requests the response mode `form_post`, whose form a script would send.
          await page.getByRole('button', { name: 'Continue' }).click();
        },
        successTemplate: 'done',
      });
      await checkUser(app, result);
    });
  },

  async browser_device_code() {
    await withBrowser(async (page) => {
      const app = new PublicClientApplication(auth('desktop'));
      let clicked;
      const result = await app.acquireTokenByDeviceCode({
        scopes: SCOPES,
        deviceCodeCallback: (codes) => {
          clicked = click(page, codes.verificationUri, codes.userCode);
        },
      });
      await clicked;
      assert.match(await page.content(), /The program is signed in/);
      await checkUser(app, result);
    });
  },
};

/** Signs in on a page, with the mouse and the keyboard. */
async function click(page, address, userCode) {
  await page.goto(address);
  if (userCode) await page.getByLabel('Code').fill(userCode);
  await page.getByLabel(ANNA).check();
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Allow' }).click();
  assert.match(await page.content(), /AADSTS50126/);
  await page.getByLabel(ANNA).check();
  await page.getByLabel('Password').fill('pw');
  await page.getByRole('button', { name: 'Allow' }).click();
}

/** Runs Chromium without scripts in an empty profile. The server's authority is its only exception. */
async function withBrowser(use) {
  const { chromium } = require('playwright-core');
  const browser = await chromium.launch({
    executablePath: process.env.DRIVEDAL_CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
    await use(await context.newPage());
  } finally {
    await browser.close();
  }
}

// MSAL waits for the browser without a limit.
const LIMIT = 90_000;
const limit = setTimeout(() => {
  console.error(`${test}: no result within ${LIMIT} ms`);
  process.exit(1);
}, LIMIT);
await tests[test]();
clearTimeout(limit);

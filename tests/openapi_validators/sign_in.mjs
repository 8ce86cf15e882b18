// Signs in from Swagger UI, which examples/openapi.rs serves, in headless Chromium: node sign_in.mjs PATH_OF_THE_BUILT_EXAMPLE
// The issuer is that of tests/mcp_clients, which like Logto issues tokens for an API only to those who name its indicator.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { open } from '../chromium/browser.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const [example, shot] = process.argv.slice(2);
const children = [];
const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});
const start = (command, args, cwd, until) => new Promise((resolve, reject) => {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  createInterface({ input: child.stdout }).on('line', (line) => { const [, found] = line.match(until) ?? []; if (found) resolve(found); });
  child.on('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
});
const profile = mkdtempSync(join(tmpdir(), 'sign-in-'));
let browser;
const end = (code) => {
  for (const child of children) { child.removeAllListeners('exit'); child.kill('SIGKILL'); }
  browser?.kill();
  rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  process.exit(code);
};
setTimeout(() => { console.error('no end within 120 seconds'); end(1); }, 120_000);

const port = await freePort();
const issuer = `http://127.0.0.1:${port}/oidc`;
const origin = await start(example, [join(here, 'node_modules/swagger-ui-dist'), issuer, 'mcp-client'], here, /^# Serving (http\S+) until/);
const redirect = `${origin}/oauth2-redirect.html`;
await start(process.execPath, ['issuer.mjs', '--port', port, '--path', '/oidc', '--redirect', redirect], join(here, '../mcp_clients'), /^issuer (\S+)/);

browser = await open({ profile, url: origin, flags: ['--disable-popup-blocking', '--no-proxy-server'] });
const { value } = browser;
/** Waits until an expression is true. */
const until = async (expression) => {
  while (!await value(expression)) await new Promise((done) => setTimeout(done, 50));
};
const click = async (element) => { await until(`!!(${element})`); await value(`(${element}).click()`); };
const operation = (id) => `document.querySelector('#operations-default-${id}')`;
const button = (text) => `[...document.querySelectorAll('.dialog-ux button')].find((button) => button.textContent === '${text}')`;

const signIn = async (id) => {
  await click(`${operation(id)}?.querySelector('.authorization__btn')`);
  await click(`document.querySelector('.dialog-ux .scopes input')`);
  await click(button('Authorize'));
  await until(`!!(${button('Logout')}) || !!document.querySelector('.dialog-ux .errors')`);
  assert.equal(await value(`document.querySelector('.dialog-ux .errors')?.innerText ?? ''`), '');
};
const close = () => click(`document.querySelector('.dialog-ux .close-modal')`);
/** The status that the page shows for a request that it has sent, and whether it sent a token. */
const tryOut = async (id) => {
  if (!await value(`!!${operation(id)}.querySelector('.execute')`)) {
    await click(`${operation(id)}.querySelector('.opblock-summary-control')`);
    await click(`${operation(id)}.querySelector('.try-out__btn')`);
  } else {
    await click(`${operation(id)}.querySelector('.btn-clear')`);
  }
  await click(`${operation(id)}.querySelector('.execute')`);
  const status = `${operation(id)}.querySelector('.live-responses-table .response .response-col_status')`;
  await until(`!!(${status})`);
  return [await value(`parseInt((${status}).innerText)`), await value(`${operation(id)}.innerText.includes('Authorization: Bearer ')`)];
};

try {
  await until(`!!(${operation('list_products')})`);
  assert.deepEqual(await tryOut('list_products'), [200, false], 'optional: no token is needed');
  await signIn('list_orders');
  await close();
  assert.deepEqual(await tryOut('list_products'), [403, true], 'a token without the scope');
  await click(`${operation('list_orders')}.querySelector('.authorization__btn')`);
  await click(button('Logout'));
  await close();
  await signIn('list_products');
  await close();
  assert.deepEqual(await tryOut('list_products'), [200, true], 'a token with the scope that the document names');
  if (shot) await browser.shoot(shot);
  console.log('sign-in from Swagger UI: 200 without a token, 403 with another scope, 200 with the one that is named');
  // What still runs would write into the profile while it is removed.
  await browser.close();
  end(0);
} catch (error) {
  console.error(error);
  if (shot) await browser.shoot(shot);
  end(1);
}

// Opens the page of an audit in headless Chromium and uses it. See README.md.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [page, shots] = process.argv.slice(2);
assert(page && shots, 'page.mjs PAGE FOLDER');
const url = pathToFileURL(resolve(page)).href;
mkdirSync(shots, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), 'audit-page-'));

// The protocol goes over two pipes: no port is opened.
const browser = spawn(
  'chromium',
  ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${profile}`,
    '--no-first-run', '--disable-background-networking', 'about:blank'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
const deadline = setTimeout(() => {
  console.error('no end within 90 seconds');
  browser.kill('SIGKILL');
  process.exit(1);
}, 90_000);

let last = 0;
const waiting = new Map();
const requests = [];
const errors = [];
const hear = ({ id, result, error, method, params }) => {
  if (id) {
    const { done, fail } = waiting.get(id);
    waiting.delete(id);
    return error ? fail(new Error(JSON.stringify(error))) : done(result);
  }
  if (method === 'Network.requestWillBeSent') requests.push(params.request.url);
  if (method === 'Runtime.exceptionThrown') errors.push(JSON.stringify(params.exceptionDetails));
  if (method === 'Runtime.consoleAPICalled' && params.type === 'error') errors.push(JSON.stringify(params.args));
  if (method === 'Log.entryAdded' && params.entry.level !== 'info') errors.push(params.entry.text);
};
let rest = '';
browser.stdio[4].setEncoding('utf8');
browser.stdio[4].on('data', (data) => {
  const messages = (rest + data).split('\0');
  rest = messages.pop();
  messages.forEach((message) => hear(JSON.parse(message)));
});
const ask = (method, params = {}, sessionId) =>
  new Promise((done, fail) => {
    last += 1;
    waiting.set(last, { done, fail });
    browser.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
  });

const { targetId } = await ask('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
const send = (method, params) => ask(method, params, sessionId);
const value = async (expression) => {
  const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true });
  assert(!exceptionDetails, JSON.stringify(exceptionDetails));
  return result.value;
};
const size = (width, height) =>
  send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
const shoot = async (name) => {
  const { data } = await send('Page.captureScreenshot', { format: 'png' });
  writeFileSync(join(shots, `${name}.png`), Buffer.from(data, 'base64'));
};
// As a person does: into the box, and key by key.
const type = async (box, text) => {
  await value(`document.getElementById('${box}').focus(); document.getElementById('${box}').select()`);
  await send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Delete', windowsVirtualKeyCode: 46 });
  for (const key of text) await send('Input.insertText', { text: key });
};
const visible = (selector) =>
  value(`[...document.querySelectorAll('${selector}')].filter((e) => e.offsetParent !== null).length`);

for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await send(`${domain}.enable`);
await size(1280, 900);
await send('Page.navigate', { url });
while ((await value('document.readyState')) !== 'complete') await new Promise((done) => setTimeout(done, 20));

const routes = await value(`document.querySelectorAll('#matrix tbody tr').length`);
const roles = await value(`document.querySelectorAll('#matrix thead th.c').length`);
assert(routes === 12 && roles === 10, `${routes} routes, ${roles} columns`);
assert.equal(await value(`document.getElementById('shown').textContent`), '12 of 12 routes');
await shoot('desktop');

await type('routes', 'payments');
assert.equal(await visible('#matrix tbody tr'), 2);
assert.equal(await value(`document.getElementById('shown').textContent`), '2 of 12 routes');
assert((await visible('#findings > li')) > 0);
await type('routes', 'POST approval');
assert.equal(await visible('#matrix tbody tr'), 1, 'every word counts');
await type('routes', 'no such route');
assert.equal(await visible('#matrix tbody tr'), 0);
assert.equal(await visible('#none'), 1);
await type('routes', '');
assert.equal(await visible('#matrix tbody tr'), 12);

await type('roles', 'owner');
assert.equal(await visible('#matrix thead th.c'), 1);
assert.equal(await visible('#matrix tbody tr:first-child td'), 1);
await shoot('filtered');
await type('roles', '');
assert.equal(await visible('#matrix thead th.c'), 10);

// Headings stay while the matrix scrolls both ways.
await value(`document.querySelector('.scroll').scrollTo(300, 200)`);
const sticks = await value(`(() => {
  const box = document.querySelector('.scroll').getBoundingClientRect();
  const head = document.querySelector('thead th.r').getBoundingClientRect();
  const row = document.querySelectorAll('tbody th.r')[6].getBoundingClientRect();
  return Math.abs(head.top - box.top) < 2 && Math.abs(head.left - box.left) < 2 && Math.abs(row.left - box.left) < 2;
})()`);
assert(sticks, 'the headings scrolled away');
await shoot('scrolled');

const reasons = await visible('td.n small');
await value(`document.getElementById('why').click()`);
assert.equal(reasons, 0);
assert((await visible('td.n small')) > 20, 'the reasons are shown');
await shoot('reasons');
await value(`document.getElementById('why').click()`);

await size(390, 844);
assert.equal(await value('document.documentElement.scrollWidth'), 390, 'nothing is wider than a phone');
const labels = await value(`getComputedStyle(document.querySelector('tbody td'), '::before').content`);
assert.equal(labels, '"any user"', 'each cell names its role');
await shoot('phone');
await value('window.scrollTo(0, 900)');
await shoot('phone-scrolled');

const { data: paper } = await send('Page.printToPDF', { landscape: true, printBackground: true });
writeFileSync(join(shots, 'paper.pdf'), Buffer.from(paper, 'base64'));

assert.deepEqual(errors, [], 'errors in the console');
assert.deepEqual(requests, [url], 'requests beside the file');
console.log(`${routes} routes, ${roles} columns: filters, headings, reasons, phone and paper; no error, no request`);
clearTimeout(deadline);
const ended = new Promise((done) => browser.on('exit', done));
await ask('Browser.close').catch(() => {});
await ended;
rmSync(profile, { recursive: true, force: true });

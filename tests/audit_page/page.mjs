// Opens the page of an audit in headless Chromium and uses it. See README.md.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { open } from '../chromium/browser.mjs';

const [page, shots] = process.argv.slice(2);
assert(page && shots, 'page.mjs PAGE FOLDER');
const url = pathToFileURL(resolve(page)).href;
mkdirSync(shots, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), 'audit-page-'));

const requests = [];
const hear = (method, params, errors) => {
  if (method === 'Network.requestWillBeSent') requests.push(params.request.url);
  if (method === 'Log.entryAdded' && params.entry.level !== 'info') errors.push(params.entry.text);
};
const browser = await open({ profile, hear });
const { send, value, size, errors } = browser;
const shoot = (name) => browser.shoot(join(shots, `${name}.png`));
const deadline = setTimeout(() => {
  console.error('no end within 90 seconds');
  browser.kill();
  process.exit(1);
}, 90_000);
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
await browser.close();
rmSync(profile, { recursive: true, force: true });

// Headless Chromium, driven by its DevTools protocol over two pipes: no port is opened.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/**
 * Starts a browser with a page of its own. `errors` are the page's exceptions and what it wrote as errors; `hear` receives every
 * event, with its method, its parameters and `errors`.
 */
export async function open({ profile, flags = [], url = 'about:blank', hear = () => {} }) {
  const browser = spawn(
    'chromium',
    ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${profile}`,
      '--no-first-run', '--disable-background-networking', ...flags, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  let last = 0;
  let rest = '';
  const waiting = new Map();
  const errors = [];
  const receive = ({ id, result, error, method, params }) => {
    if (method === 'Runtime.exceptionThrown') errors.push(JSON.stringify(params.exceptionDetails));
    if (method === 'Runtime.consoleAPICalled' && params.type === 'error') errors.push(JSON.stringify(params.args));
    if (!id) return hear(method, params, errors);
    const { done, fail } = waiting.get(id);
    waiting.delete(id);
    return error ? fail(new Error(JSON.stringify(error))) : done(result);
  };
  browser.stdio[4].setEncoding('utf8');
  browser.stdio[4].on('data', (data) => {
    const messages = (rest + data).split('\0');
    rest = messages.pop();
    messages.forEach((message) => receive(JSON.parse(message)));
  });
  const ask = (method, params = {}, sessionId) =>
    new Promise((done, fail) => {
      last += 1;
      waiting.set(last, { done, fail });
      browser.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
  const { targetId } = await ask('Target.createTarget', { url });
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
  const send = (method, params) => ask(method, params, sessionId);
  /** The value of an expression in the page, a promise's included. */
  const value = async (expression) => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    assert(!exceptionDetails, JSON.stringify(exceptionDetails));
    return result.value;
  };
  const shoot = async (file) => {
    const { data } = await send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(data, 'base64'));
  };
  const size = (width, height) =>
    send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  const close = async () => {
    const ended = new Promise((done) => browser.on('exit', done));
    await ask('Browser.close').catch(() => {});
    await ended;
  };
  return { send, value, shoot, size, close, errors, kill: () => browser.kill('SIGKILL') };
}

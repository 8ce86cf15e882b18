// A small API with a permission feed that answers as a test says, and a watch of it whose delays take no time.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { watchPermissions } from '../dist/permissions.js';

export const SILENCE = 44_444;

/** Real timers, for tests that wait for a condition. */
const later = globalThis.setTimeout;

/** What a feed says where token and subject agree, with differences. */
export const state = (more = {}) => ({
  status: 'known', token: ['read'], held: ['read'], lost: [], gained: [], remediation: 'none', expires_at: 1, ...more,
});

export const frame = (event, data, { id = '', retry } = {}) =>
  `${retry === undefined ? '' : `retry: ${retry}\n`}${id && `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export const stream = (response, ...frames) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  frames.forEach((frame) => response.write(frame));
  return response;
};

export const json = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
};

export const until = async (condition, what) => {
  for (let turn = 0; turn < 2000; turn += 1) {
    if (condition()) return;
    await new Promise((done) => later(done, 5));
  }
  throw new Error(`never: ${what}`);
};

/** The answers are used in order, the last one again and again. Each is given the response and the request. */
export async function api(t, answers, options = {}) {
  const seen = { requests: [], closed: 0, delays: [], states: [], told: [], ends: [], errors: [], undecided: 0, tokens: 0 };
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    seen.requests.push({ method, url, headers });
    response.on('close', () => (seen.closed += 1));
    const answer = answers[Math.min(seen.requests.length, answers.length) - 1];
    answer(response, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  // Each delay but that of silence is noted, and over at once.
  globalThis.setTimeout = (run, delay, ...rest) => {
    if (new Error().stack.split('\n')[2]?.includes('permissions.js')) {
      if (delay !== SILENCE || options.silent) {
        if (delay !== SILENCE) seen.delays.push(delay);
        return later(run, delay === SILENCE ? options.silent : 0, ...rest);
      }
    }
    return later(run, delay, ...rest);
  };
  const on = {};
  for (const name of ['none', 'refresh', 'reconsent', 'request_scope', 'authenticate', 'retry']) {
    on[name] = (cause) => (seen.told.push([name, cause]), options.act?.(name, cause, seen));
  }
  const watch = watchPermissions({
    url: `http://127.0.0.1:${server.address().port}/permissions`,
    getToken: async () => `token-${(seen.tokens += 1)}`,
    on,
    onState: (said) => seen.states.push(said),
    onUndecided: () => (seen.undecided += 1),
    onEnd: (ended) => seen.ends.push(ended),
    onError: (error) => seen.errors.push(error),
    silence: SILENCE,
    pollEvery: 30_000,
    ...options.watch,
  });
  t.after(() => {
    watch.close();
    server.closeAllConnections();
    server.close();
    globalThis.setTimeout = later;
  });
  return { seen, watch };
}

export const names = (seen) => seen.told.map(([name]) => name);

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, frame, json, names, state, stream, until } from './api.mjs';

const sameToken = { watch: { getToken: async () => 'same' } };

test('the token is in the header alone, and the routes are in the query', async (t) => {
  const watch = { may: ['POST /orders', 'GET /a&b=c'] };
  const { seen } = await api(t, [(response) => stream(response, frame('state', state({ may: {} })))], { watch });
  await until(() => seen.states.length === 1, 'a state');
  const [{ method, url, headers }] = seen.requests;
  assert.equal(method, 'GET');
  assert.equal(url, '/permissions/events?may=POST%20%2Forders&may=GET%20%2Fa%26b%3Dc');
  assert.equal(headers.authorization, 'Bearer token-1');
  assert.equal(headers.accept, 'text/event-stream');
  assert.equal(headers['last-event-id'], undefined);
  assert.deepEqual(seen.told, []);
});

test('each remediation has its callback, with what was lost and gained', async (t) => {
  for (const remediation of ['none', 'reconsent', 'authenticate']) {
    await t.test(remediation, async (t) => {
      const said = state({ lost: ['a'], gained: ['b'], remediation });
      const { seen } = await api(t, [(response) => stream(response, frame('state', state()), frame('change', said))]);
      await until(() => seen.told.length === 1, 'a callback');
      assert.deepEqual(seen.told, [[remediation, said]]);
      assert.equal(seen.states.length, 2);
      assert.equal(seen.requests.length, 1, 'a person must act: the stream goes on');
    });
  }
  for (const remediation of ['refresh', 'request_scope']) {
    await t.test(remediation, async (t) => {
      const said = state({ lost: ['a'], remediation });
      const answers = [
        (response) => stream(response, frame('state', state()), frame('change', said, { id: 'x' })),
        (response) => stream(response, frame('state', state())),
      ];
      const { seen } = await api(t, answers);
      await until(() => seen.states.length === 3, 'a state for the new token');
      assert.deepEqual(names(seen), [remediation]);
      assert.deepEqual(seen.requests.map((each) => each.headers.authorization), ['Bearer token-1', 'Bearer token-2']);
      assert.equal(seen.requests[1].headers['last-event-id'], undefined, 'another token has another state');
      assert.deepEqual(seen.delays, [0], 'the new token is shown at once');
      await until(() => seen.closed === 1, 'the first stream ends');
    });
  }
});

test('a difference is told once for each token, and again when it comes back', async (t) => {
  const lost = frame('change', state({ lost: ['a'], remediation: 'none' }));
  const answers = [
    (response) => stream(response, lost, lost).end(),
    (response) => stream(response, lost, frame('change', state()), lost),
  ];
  const { seen } = await api(t, answers, sameToken);
  await until(() => seen.states.length === 5, 'all states');
  assert.deepEqual(names(seen), ['none', 'none']);
});

test('refreshes that change nothing are spread out', async (t) => {
  const lost = frame('state', state({ lost: ['a'], remediation: 'refresh' }));
  const { seen } = await api(t, [(response) => stream(response, lost)]);
  await until(() => seen.told.length >= 8, 'several refreshes');
  assert.deepEqual(seen.delays.slice(0, 3), [0, 0, 0]);
  for (const [index, delay] of seen.delays.slice(3, 7).entries()) {
    const most = 1000 * 2 ** (index + 1);
    assert(delay >= most / 2 && delay <= most, `${delay} of ${most}`);
  }
});

test('a refresh that returns the same token is not repeated', async (t) => {
  const lost = frame('state', state({ lost: ['a'], remediation: 'refresh' }), { id: 'x' });
  const { seen } = await api(t, [(response) => stream(response, lost)], sameToken);
  await until(() => seen.states.length === 2, 'a second stream');
  assert.deepEqual(names(seen), ['refresh']);
  assert.equal(seen.requests.length, 2);
});

test('a callback that rejects is called again', async (t) => {
  const lost = frame('state', state({ lost: ['a'], remediation: 'refresh' }), { id: 'x' });
  const act = (name, cause, seen) => (seen.told.length === 1 ? Promise.reject(new Error('offline')) : undefined);
  const { seen } = await api(t, [(response) => stream(response, lost)], { ...sameToken, act });
  await until(() => seen.requests.length === 3, 'a third stream');
  assert.deepEqual(names(seen), ['refresh', 'refresh']);
  assert.deepEqual(seen.errors.map((error) => error.message), ['offline']);
  assert.deepEqual(seen.requests.map((each) => each.headers['last-event-id']), [undefined, undefined, 'x']);
  assert(seen.delays[0] >= 500, 'after a delay');
});

test('a broken stream is taken up again with the last id, and half an event is none', async (t) => {
  const answers = [
    (response) => {
      stream(response, frame('state', state(), { id: 'seven' }), 'id: eight\nevent: change\ndata: {"lost":');
      setImmediate(() => response.destroy());
    },
    (response) => stream(response, ':\n\n'),
  ];
  const { seen } = await api(t, answers, sameToken);
  await until(() => seen.requests.length === 2, 'a second connection');
  assert.equal(seen.requests[1].headers['last-event-id'], 'seven');
  assert.equal(seen.states.length, 1);
});

test('connection errors are tried again with growing, spread delays up to the longest', async (t) => {
  const { seen } = await api(t, [(response) => response.destroy()], { watch: { maxDelay: 8000 } });
  await until(() => seen.errors.length >= 6, 'errors');
  const most = [1000, 2000, 4000, 8000, 8000, 8000];
  seen.delays.slice(0, 6).forEach((delay, index) => assert(delay >= most[index] / 2 && delay <= most[index], `${delay}`));
});

test('a rejected token ends in the callback of its remediation, until a new sign-in', async (t) => {
  const problem = { title: 'Unauthorized', status: 401, error: 'invalid_token', remediation: 'authenticate' };
  const answers = [(response) => json(response, 401, problem), (response) => stream(response, frame('state', state()))];
  const { seen, watch } = await api(t, answers);
  await until(() => seen.told.length === 1, 'a callback');
  assert.deepEqual(seen.ends, [{ reason: 'invalid_token', remediation: 'authenticate' }]);
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(seen.requests.length, 1, 'nothing is asked before');
  watch.reconnect();
  await until(() => seen.states.length === 1, 'a state');
  assert.equal(seen.requests[1].headers.authorization, 'Bearer token-2');
});

test('a token that is to be refreshed is refreshed', async (t) => {
  const answers = [
    (response) => json(response, 401, { error: 'invalid_token', remediation: 'refresh' }),
    (response) => stream(response, frame('state', state())),
  ];
  const { seen } = await api(t, answers);
  await until(() => seen.states.length === 1, 'a state');
  assert.deepEqual(names(seen), ['refresh']);
});

test('503 and 429 wait for as long as they say', async (t) => {
  const answers = [
    (response) => json(response, 503, { remediation: 'retry' }, { 'retry-after': '30' }),
    (response) => json(response, 429, undefined, { 'retry-after': '7' }),
    (response) => json(response, 503, {}, { 'retry-after': '99999999' }),
    (response) => stream(response, frame('state', state())),
  ];
  const { seen } = await api(t, answers);
  await until(() => seen.states.length === 1, 'a state');
  assert.deepEqual(seen.delays, [30_000, 7000, 3_600_000]);
  assert.deepEqual([seen.told, seen.ends], [[], []]);
});

test('the last event says why, and when to come back', async (t) => {
  const answers = [
    (response) => stream(response, frame('state', state()), frame('end', { reason: 'closing', remediation: 'retry' }, { retry: 20_000 })),
    (response) => stream(response, frame('end', { reason: 'suspended', remediation: 'authenticate' })),
  ];
  const { seen } = await api(t, answers);
  await until(() => seen.ends.length === 2, 'two ends');
  assert(seen.delays[0] >= 10_000 && seen.delays[0] <= 20_000, `${seen.delays[0]}`);
  assert.deepEqual(names(seen), ['retry', 'authenticate']);
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(seen.requests.length, 2);
});

test('while nothing can be said the stream stays', async (t) => {
  const undecided = frame('undecided', { status: 'undecided', retry_after: 1 });
  const { seen } = await api(t, [(response) => stream(response, undecided, frame('state', state()))]);
  await until(() => seen.states.length === 1, 'a state');
  assert.deepEqual([seen.undecided, seen.requests.length], [1, 1]);
});

test('a stream without a byte is given up', async (t) => {
  const { seen } = await api(t, [(response) => stream(response).flushHeaders()], { ...sameToken, silent: 20 });
  await until(() => seen.requests.length >= 2, 'another stream');
  assert.equal(seen.errors[0].message, 'silence');
});

test('streams that do not get through are replaced by polling, and tried again', async (t) => {
  const tagged = (response, request) =>
    request.headers['if-none-match'] === '"t"'
      ? json(response, 304, undefined, { etag: '"t"' })
      : json(response, 200, state(), { etag: '"t"' });
  const answer = (response, request) =>
    request.url.startsWith('/permissions/events') ? stream(response).end() : tagged(response, request);
  const { seen } = await api(t, [answer], sameToken);
  await until(() => seen.requests.filter((each) => each.url.includes('events')).length >= 3, 'a third stream');
  const kinds = seen.requests.map((each) => each.url.includes('events'));
  assert.deepEqual(kinds.slice(0, 3), [true, true, false]);
  assert.equal(kinds.indexOf(true, 2), 2 + 21, 'after some polls');
  assert.equal(seen.states.length, 1, 'what has not changed is not told again');
  assert(seen.delays.slice(2, 20).every((delay) => delay >= 15_000 && delay <= 30_000));
});

for (const [what, answer] of [
  ['not found', (response) => json(response, 404, {})],
  ['not allowed', (response) => json(response, 405, {})],
  ['not acceptable', (response) => json(response, 406, {})],
  ['answered otherwise', (response) => json(response, 200, state())],
]) {
  test(`a stream that is ${what} is replaced by polling at once`, async (t) => {
    const said = state({ lost: ['a'], remediation: 'none' });
    const { seen } = await api(t, [answer, (response) => json(response, 200, said, { etag: 'W/"t"' })], sameToken);
    await until(() => seen.requests.length >= 3, 'polls');
    assert.deepEqual(seen.requests.slice(0, 3).map((each) => each.url), ['/permissions/events', '/permissions', '/permissions']);
    assert.equal(seen.requests[2].headers['if-none-match'], '"t"');
    assert.deepEqual(names(seen), ['none']);
  });
}

test('polling tells what cannot be said, and rejected tokens', async (t) => {
  const answers = [
    (response) => json(response, 404, {}),
    (response) => json(response, 200, { status: 'undecided', retry_after: 60 }, { 'retry-after': '60' }),
    (response) => json(response, 401, { error: 'invalid_token', remediation: 'authenticate' }),
  ];
  const { seen } = await api(t, answers);
  await until(() => seen.ends.length === 1, 'an end');
  assert.equal(seen.undecided, 1);
  assert.equal(seen.delays[1], 60_000);
});

test('what is no JSON, an endless event and a callback that fails are errors, not the end', async (t) => {
  const answers = [
    (response) => stream(response, 'event: state\ndata: {"lost\n\n'),
    (response) => stream(response, `data: ${'x'.repeat(300 * 1024)}`),
    (response) => stream(response, frame('state', state({ lost: ['a'] }))),
    (response) => stream(response, frame('state', state())),
  ];
  const act = () => {
    throw new Error('of the application');
  };
  const { seen } = await api(t, answers, { act });
  await until(() => seen.requests.length === 4 && seen.states.length === 2, 'a fourth stream');
  assert.deepEqual(seen.errors.map((error) => error.name), ['SyntaxError', 'Error', 'Error']);
});

test('no token is an error that is tried again', async (t) => {
  let asked = 0;
  const getToken = async () => {
    asked += 1;
    if (asked < 3) throw new Error('no token');
    return 'token';
  };
  const { seen } = await api(t, [(response) => stream(response, frame('state', state()))], { watch: { getToken } });
  await until(() => seen.states.length === 1, 'a state');
  assert.deepEqual([asked, seen.errors.length, seen.requests.length], [3, 2, 1]);
});

test('nothing comes after close, and the connection ends', async (t) => {
  const { seen, watch } = await api(t, [(response) => stream(response, frame('state', state()))]);
  await until(() => seen.states.length === 1, 'a state');
  watch.close();
  await until(() => seen.closed === 1, 'the end of the connection');
  await new Promise((done) => setTimeout(done, 50));
  assert.deepEqual([seen.requests.length, seen.errors, seen.ends], [1, [], []]);
});

// Starts the issuer, asks it for every kind of token and turns every control once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';

const ORDERS = 'https://api.example.com/orders';
const ACME = 'urn:logto:organization:acme';

const child = spawn(process.execPath, [fileURLToPath(new URL('issuer.mjs', import.meta.url))], {
  stdio: ['pipe', 'pipe', 'pipe'],
});
let noise = '';
child.stderr.on('data', (chunk) => { noise += chunk; });
const exited = once(child, 'exit');
const lines = [];
const ready = once(createInterface({ input: child.stdout }).on('line', (line) => lines.push(line)), 'line');
const started = await Promise.race([ready, exited.then(() => undefined)]);
assert(started, `the issuer did not start: ${noise}`);
const { issuer, control } = JSON.parse(lines[0]);

const json = async (response) => ({ status: response.status, body: await response.json() });
const post = async (path, form, client = 'worker') => json(await fetch(issuer + path, {
  method: 'POST',
  headers: { authorization: `Basic ${btoa(`${client}:${client}-secret`)}` },
  body: new URLSearchParams(form),
}));
const token = (form, client) => post('/token', { grant_type: 'client_credentials', ...form }, client);
const turn = async (name, method = 'POST') => (await json(await fetch(control + name, { method }))).body;
const jwks = async () => (await json(await fetch(`${issuer}/jwks`))).body;
const verify = async (jwt, set) => jwtVerify(jwt, createLocalJWKSet(set ?? await jwks()), {
  issuer, typ: 'at+jwt', algorithms: ['ES384'],
});
/** The claims of a verified token, without those that differ each time. */
const claims = async ({ status, body }) => {
  assert.equal(status, 200, JSON.stringify(body));
  const { payload: { jti, iat, exp, ...rest } } = await verify(body.access_token);
  assert.equal(typeof jti, 'string');
  assert.equal(exp - iat, 3600);
  return rest;
};
const machine = (id, rest) => ({ sub: id, client_id: id, iss: issuer, ...rest });

const cases = {
  'discovery names the issuer and its endpoints': async () => {
    const { body } = await json(await fetch(`${issuer}/.well-known/openid-configuration`));
    assert.equal(body.issuer, issuer);
    assert.equal(body.jwks_uri, `${issuer}/jwks`);
    assert.equal(body.token_endpoint, `${issuer}/token`);
    assert.equal(body.introspection_endpoint, `${issuer}/token/introspection`);
    assert.equal(body.revocation_endpoint, `${issuer}/token/revocation`);
    const oauth = await json(await fetch(`${issuer}/.well-known/oauth-authorization-server`));
    assert.equal(oauth.body.issuer, issuer);
  },
  'one public ES384 key, with an ETag that answers 304': async () => {
    const response = await fetch(`${issuer}/jwks`);
    assert.match(response.headers.get('content-type'), /^application\/jwk-set\+json/);
    const { keys: [key, ...others] } = await response.json();
    assert.deepEqual(others, []);
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    assert.deepEqual([key.kty, key.crv, key.alg, key.use], ['EC', 'P-384', 'ES384', 'sig']);
    // Not with `fetch`, which adds `cache-control: no-cache` and so always gets a 200.
    const [again] = await once(get(`${issuer}/jwks`, { headers: { 'if-none-match': response.headers.get('etag') } }), 'response');
    assert.equal(again.resume().statusCode, 304);
    assert.equal(again.headers['cache-control'], 'no-cache, max-age=0, must-revalidate');
  },
  'model 1: global API resource': async () => {
    const scope = 'read:orders write:orders';
    assert.deepEqual(await claims(await token({ resource: ORDERS, scope })), machine('worker', { scope, aud: ORDERS }));
  },
  'model 2: organization permission': async () => {
    const scope = 'read:members invite:members';
    const expected = machine('worker', { scope, aud: ACME });
    assert.deepEqual(await claims(await token({ organization_id: 'acme', scope })), expected);
    assert.deepEqual(await claims(await token({ resource: ACME, scope })), expected);
  },
  'model 3: organization-level API resource': async () => {
    const answer = await token({ resource: ORDERS, organization_id: 'acme', scope: 'read:orders' });
    const expected = machine('worker', { organization_id: 'acme', scope: 'read:orders', aud: ORDERS });
    assert.deepEqual(await claims(answer), expected);
  },
  'scopes not held are left out': async () => {
    const scope = 'read:orders read:invoices nonsense';
    assert.equal((await claims(await token({ resource: ORDERS, scope }))).scope, 'read:orders');
    assert.equal('scope' in await claims(await token({ resource: ORDERS })), false);
    assert.equal('scope' in await claims(await token({ resource: ORDERS, scope }, 'stranger')), false);
    const member = await token({ organization_id: 'acme', scope: 'read:members' }, 'stranger');
    assert.deepEqual(await claims(member), machine('stranger', { scope: '', aud: ACME }));
  },
  'unknown resource, bad client, organization named twice': async () => {
    assert.equal((await token({ resource: 'https://other.example.com' })).body.error, 'invalid_target');
    assert.equal((await token({}, 'nobody')).body.error, 'invalid_client');
    const twice = new URLSearchParams({ grant_type: 'client_credentials', organization_id: 'acme' });
    twice.append('organization_id', 'globex');
    assert.equal((await post('/token', twice)).body.error, 'invalid_request');
  },
  'opaque: introspected, survives a rotation, revoked': async () => {
    const { body: { access_token: opaque, token_type: type } } = await token({});
    assert.equal(type, 'Bearer');
    assert.match(opaque, /^[\w-]{43,}$/);
    await turn('/rotate');
    const { body: { iat, exp, ...rest } } = await post('/token/introspection', { token: opaque }, 'stranger');
    assert.deepEqual(rest, machine('worker', { active: true, token_type: 'Bearer' }));
    assert.equal(exp - iat, 3600);
    const revoked = await fetch(`${issuer}/token/revocation`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('worker:worker-secret')}` },
      body: new URLSearchParams({ token: opaque }),
    });
    assert.equal(revoked.status, 200);
    assert.deepEqual((await post('/token/introspection', { token: opaque })).body, { active: false });
  },
  'introspection refuses a JWT': async () => {
    const { body: { access_token: jwt } } = await token({ resource: ORDERS });
    const { status, body } = await post('/token/introspection', { token: jwt });
    assert.deepEqual([status, body.error], [400, 'unsupported_token_type']);
  },
  'rotation with overlap, then without': async () => {
    const old = (await token({ resource: ORDERS })).body.access_token;
    const { signing, published } = await turn('/rotate');
    const next = (await token({ resource: ORDERS })).body.access_token;
    assert.equal(decodeProtectedHeader(next).kid, signing);
    assert.notEqual(decodeProtectedHeader(old).kid, signing);
    assert.deepEqual((await jwks()).keys.map(({ kid }) => kid), published);
    await verify(old);
    await verify(next);
    const alone = await turn('/rotate-without-overlap');
    assert.deepEqual((await jwks()).keys.map(({ kid }) => kid), [alone.signing]);
    await assert.rejects(verify(next), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await verify((await token({ resource: ORDERS })).body.access_token);
  },
  'down refuses, up answers at the same port with the same keys': async () => {
    const before = await jwks();
    for (const _ of [1, 2]) assert.deepEqual(await turn('/down'), { listening: false });
    await assert.rejects(fetch(`${issuer}/jwks`), (error) => error.cause?.code === 'ECONNREFUSED');
    for (const _ of [1, 2]) assert.deepEqual(await turn('/up'), { listening: true });
    assert.deepEqual(await jwks(), before);
  },
  'requests are counted by path': async () => {
    assert.deepEqual(await turn('/reset-requests'), {});
    const { headers: { etag } } = (await once(get(`${issuer}/jwks`), 'response'))[0].resume();
    (await once(get(`${issuer}/jwks?again`, { headers: { 'if-none-match': etag } }), 'response'))[0].resume();
    await token({});
    const expected = { '/oidc/jwks': 2, '/oidc/jwks 304': 1, '/oidc/token': 1 };
    assert.deepEqual(await turn('/requests', 'GET'), expected);
    assert.equal((await fetch(`${control}/nonsense`)).status, 404);
  },
  'exits when its stdin closes, having said one line': async () => {
    child.stdin.end();
    assert.deepEqual(await exited, [0, null]);
    assert.equal(lines.length, 1);
    assert.equal(noise.replace(/^oidc-provider WARNING: Unsupported runtime.*\n/, ''), '');
  },
};

let passed = 0;
let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n${error.stack}`);
  }
}
child.kill();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

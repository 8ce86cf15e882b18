// Clients with bound tokens against examples/bound_tokens.rs: node run.mjs PATH_OF_THE_BUILT_EXAMPLE FOLDER_OF_NGINX_AND_ENVOY
// Ends with `N passed, N failed`; the exit status is 1 if one failed. Everything stays on 127.0.0.1.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Agent, fetch } from 'undici';
import { envoy, nginx } from './proxies.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const [example, programs] = process.argv.slice(2);
const folder = mkdtempSync(`${tmpdir()}/token-clients-`);
const children = [];
let [passed, failed] = [0, 0];

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

function check(what, found, expected) {
  const holds = JSON.stringify(found) === JSON.stringify(expected);
  if (holds) passed += 1; else failed += 1;
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${holds ? '' : `: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`}`);
}

/** Starts a program and waits for a line of it. */
function start(command, args, until, env = {}) {
  const child = spawn(command, args, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  children.push(child);
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => { if (line.startsWith(until)) resolve(); });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
  });
}

/** Starts a program that prints nothing, and waits until it listens. */
async function startProxy(command, args, port) {
  const ended = start(command, args, '\0').catch((error) => { console.log(String(error)); return 'ended'; });
  for (let tries = 0; tries < 300; tries++) {
    const listens = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
    });
    if (listens) return;
    if (await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 100); })]) === 'ended') break;
  }
  throw new Error(`${command} does not serve`);
}

const file = (name) => `${folder}/${name}`;
// No certificate authority: a server may not show the certificate of one as its own.
writeFileSync(file('openssl.cnf'), '[req]\ndistinguished_name = dn\n[dn]\n');
for (const name of ['server', 'client', 'other']) {
  execFileSync('openssl', ['req', '-x509', '-config', file('openssl.cnf'), '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)], { stdio: 'ignore' });
}

/** How a client connects: with which version of HTTP, and with which certificate. Keeps what was sent and answered. */
function connection({ http2 = false, certificate } = {}) {
  const own = certificate && { cert: readFileSync(file(`${certificate}.pem`)), key: readFileSync(file(`${certificate}.key`)) };
  const dispatcher = new Agent({ allowH2: http2, connect: { ca: readFileSync(file('server.pem')), ...own } });
  const exchanges = [];
  const send = async (url, init) => {
    const response = await fetch(url, { ...init, dispatcher });
    const body = await response.text();
    const headers = init.headers instanceof Headers ? Object.fromEntries(init.headers) : init.headers;
    exchanges.push({ url: String(url), method: init.method, headers, status: response.status, body, answered: Object.fromEntries(response.headers) });
    return new Response(body, { status: response.status, headers: [...response.headers] });
  };
  return { send, exchanges, close: () => dispatcher.close() };
}

const scope = 'read:orders';
const parameters = (resource) => new URLSearchParams({ resource, scope });

/** oauth4webapi: the application calls again after a nonce challenge, with the same handle. */
async function withOauth4webapi(issuer, resource, at, times) {
  const client = { client_id: 'dpop-client' };
  const options = { [oauth.customFetch]: at.send };
  const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options));
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  const onceMore = async (action) => {
    try { return await action(); } catch (error) { if (!oauth.isDPoPNonceError(error)) throw error; return action(); }
  };
  const { access_token: token } = await onceMore(async () => oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretPost('secret'), parameters(resource), { ...options, DPoP })));
  for (let n = 0; n < times; n++) {
    await onceMore(() => oauth.protectedResourceRequest(token, 'GET', new URL(`${resource}/orders?n=${n}`), new Headers(), null, { ...options, DPoP }));
  }
  return token;
}

/** openid-client: calls again by itself. */
async function withOpenidClient(issuer, resource, at, times) {
  const config = await openid.discovery(new URL(issuer), 'dpop-client', 'secret', openid.ClientSecretPost('secret'), { [openid.customFetch]: at.send });
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('Ed25519'));
  const { access_token: token } = await openid.clientCredentialsGrant(config, parameters(resource), { DPoP });
  for (let n = 0; n < times; n++) {
    await openid.fetchProtectedResource(config, token, new URL(`${resource}/orders?n=${n}`), 'GET', null, undefined, { DPoP });
  }
  return token;
}

async function tokenOf(kind, issuer, resource, certificate) {
  const at = connection({ certificate });
  const options = { [oauth.customFetch]: at.send };
  const client = { client_id: `${kind}-client` };
  const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options));
  const answer = await oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretPost('secret'), parameters(resource), options));
  await at.close();
  return answer.access_token;
}

/** What a resource server makes of a token that is sent as Bearer. */
async function call(resource, token, { http2 = false, certificate, headers = {}, path = '/orders' } = {}) {
  const at = connection({ http2, certificate });
  await at.send(resource + path, { method: 'GET', headers: { authorization: `Bearer ${token}`, ...headers } });
  await at.close();
  const [{ status, answered, body }] = at.exchanges;
  return { status, challenge: answered['www-authenticate'] ?? '', body };
}

async function checkProofs(where, issuer, resource, client, http2) {
  const what = `${where}, HTTP/${http2 ? 2 : 1.1}, ${client === withOauth4webapi ? 'oauth4webapi' : 'openid-client'}`;
  const at = connection({ http2 });
  const token = await client(issuer, resource, at, 3);
  const calls = at.exchanges.filter(({ url }) => url.startsWith(`${resource}/`));
  check(`${what}: one nonce challenge, then every proof passes`, calls.map(({ status }) => status), [401, 200, 200, 200]);
  const [challenge, first] = calls;
  check(`${what}: the challenge asks for a nonce`, /^DPoP algs="[^"]+", error="use_dpop_nonce"/.test(challenge.answered['www-authenticate']) && challenge.answered['dpop-nonce'] !== undefined, true);
  const version = first.answered['x-protocol'] ?? first.body.split(' ')[1].replace(',', '');
  check(`${what}: the version of HTTP`, version, http2 ? (where === 'own TLS' || where === 'NGINX' ? 'HTTP/2.0' : 'HTTP/2') : 'HTTP/1.1');
  check(`${what}: the token is known as bound`, first.body.endsWith('bound\n') && !first.body.includes('not bound'), true);

  // A thief who saw a whole request: the token, the proof, and the same URL.
  await at.send(first.url, { method: 'GET', headers: first.headers });
  const { status, answered } = at.exchanges.at(-1);
  check(`${what}: the same proof again is a replay`, [status, answered['www-authenticate'].includes('error="invalid_dpop_proof"')], [401, true]);
  await at.send(`${resource}/bound`, { method: 'GET', headers: calls.at(-1).headers });
  check(`${what}: a proof for another URL is none`, at.exchanges.at(-1).status, 401);
  const stolen = await call(resource, token, { http2 });
  check(`${what}: the token as Bearer is rejected`, [stolen.status, stolen.challenge.includes('error="invalid_token"')], [401, true]);
  await at.close();
}

async function checkCertificates(where, issuer, resource, forged) {
  const token = await tokenOf('mtls', issuer, resource, 'client');
  for (const http2 of [false, true]) {
    const what = `${where}, HTTP/${http2 ? 2 : 1.1}`;
    const own = await call(resource, token, { http2, certificate: 'client', path: '/bound' });
    check(`${what}: the certificate of the token`, [own.status, own.body.includes('mtls-client')], [200, true]);
    for (const [name, certificate] of [['another certificate', 'other'], ['no certificate', undefined]]) {
      const refused = await call(resource, token, { http2, certificate });
      check(`${what}: ${name}`, [refused.status, refused.challenge.includes('error="invalid_token"')], [401, true]);
      const believed = await call(resource, token, { http2, certificate, headers: forged });
      check(`${what}: ${name}, and a forged header`, believed.status, 401);
    }
  }
  const bearer = await tokenOf('bearer', issuer, resource);
  check(`${where}: a token that is bound to nothing`, (await call(resource, bearer)).status, 200);
  check(`${where}: the same on a route for bound tokens`, (await call(resource, bearer, { path: '/bound' })).status >= 400, true);
}

try {
  const port = await freePort();
  const issuer = `https://127.0.0.1:${port}`;
  await start(process.execPath, ['issuer.mjs', '--port', port, '--cert', file('server.pem'), '--key', file('server.key')], 'issuer ');

  const pem = encodeURIComponent(readFileSync(file('client.pem'), 'utf8'));
  const hash = execFileSync('sh', ['-c', `openssl x509 -in ${file('client.pem')} -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1`], { encoding: 'utf8' }).trim();
  const forged = { 'x-client-cert': pem, 'x-forwarded-client-cert': `Hash=${hash}`, 'client-cert': ':AAAA:' };

  for (const where of ['own TLS', 'NGINX', 'Envoy']) {
    const [own, proxy] = [await freePort(), await freePort()];
    const resource = where === 'own TLS' ? `https://127.0.0.1:${own}` : `https://127.0.0.1:${proxy}/v1`;
    await start(example, [], '# Serving', {
      ISSUER: issuer, PUBLIC_URL: resource, LISTEN: `127.0.0.1:${own}`, NONCES: 'required', ISSUER_CA: file('server.pem'),
      CERTIFICATES: { 'own TLS': 'own', NGINX: 'nginx', Envoy: 'envoy' }[where], TLS_CERT: file('server.pem'), TLS_KEY: file('server.key'),
    });
    if (where === 'NGINX') {
      writeFileSync(file('nginx.conf'), nginx({ port: proxy, upstream: own, folder }));
      await startProxy(`${programs}/nginx`, ['-p', folder, '-c', file('nginx.conf')], proxy);
    } else if (where === 'Envoy') {
      writeFileSync(file('envoy.yaml'), envoy({ port: proxy, upstream: own, folder }));
      await startProxy(`${programs}/envoy`, ['-c', file('envoy.yaml'), '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'], proxy);
    }
    for (const client of [withOauth4webapi, withOpenidClient]) for (const http2 of [false, true]) await checkProofs(where, issuer, resource, client, http2);
    await checkCertificates(where, issuer, resource, forged);
    if (where !== 'own TLS') {
      // Past the proxy: the header of a peer that is not one.
      const direct = await fetch(`http://127.0.0.1:${own}/orders`, { headers: { authorization: `Bearer ${await tokenOf('mtls', issuer, resource, 'client')}` } });
      check(`${where}: past the proxy, without its header`, direct.status, 401);
    }
  }
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

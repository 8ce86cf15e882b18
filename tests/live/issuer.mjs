// A live OAuth 2.0 authorization server: oidc-provider, set up so that its tokens look like Logto's.
// README.md says how to start it and what it answers.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import etag from '@koa/etag';
import { calculateJwkThumbprint } from 'jose';
import conditional from 'koa-conditional-get';
import Provider, { errors } from 'oidc-provider';
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';

const HOST = '127.0.0.1';
const MOUNT = '/oidc';
const ORGANIZATION = 'urn:logto:organization:';

const RESOURCES = new Map([
  ['https://api.example.com/orders', 'read:orders write:orders'],
  ['https://api.example.com/billing', 'read:invoices'],
]);
const ORGANIZATION_SCOPES = 'read:members invite:members';

// `stranger` is a known client that holds no scope anywhere.
const WORKER = 'worker';
const CLIENTS = [WORKER, 'stranger'].map((id) => ({
  client_id: id,
  client_secret: `${id}-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));

// Stdout carries the ready line and nothing else; oidc-provider's notices go there too.
console.info = () => {};

// Whoever started this process holds its stdin: when that end is gone, so is the reason to run.
process.stdin.on('end', () => process.exit(0)).on('close', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));

// One store for all providers, so that opaque tokens outlive a rotation.
const adapter = createMemoryAdapter();
const requests = {};
let keys = [await newKey()];
let handle;

const server = createServer((req, res) => {
  const [path] = req.url.split('?');
  const count = (name) => { requests[name] = (requests[name] ?? 0) + 1; };
  count(path);
  res.on('finish', () => { if (res.statusCode === 304) count(`${path} 304`); });
  if (path !== MOUNT && !path.startsWith(`${MOUNT}/`)) {
    res.writeHead(404).end();
    return;
  }
  // oidc-provider finds the mount path by comparing the two.
  req.originalUrl = req.url;
  req.url = req.url.slice(MOUNT.length) || '/';
  handle(req, res);
});
await listen(Number(process.env.PORT ?? 0));
const { port } = server.address();
const issuer = `http://${HOST}:${port}${MOUNT}`;
handle = newHandle();

const controls = {
  'POST /rotate': async () => sign(await newKey(), keys),
  'POST /rotate-without-overlap': async () => sign(await newKey(), []),
  'POST /down': down,
  'POST /up': up,
  'GET /requests': () => requests,
  'POST /reset-requests': () => {
    for (const path of Object.keys(requests)) delete requests[path];
    return requests;
  },
};
const control = createServer(async (req, res) => {
  const answer = (status, body) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  };
  const action = controls[`${req.method} ${req.url}`];
  try {
    if (action) answer(200, await action());
    else answer(404, { error: 'unknown control', known: Object.keys(controls) });
  } catch (error) {
    console.error(error);
    answer(500, { error: error.message });
  }
});
await once(control.listen(0, HOST), 'listening');

console.log(JSON.stringify({ issuer, control: `http://${HOST}:${control.address().port}` }));

/** An ES384 key whose `kid` is its RFC 7638 thumbprint. */
async function newKey() {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' });
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}

/** Signs with `key` from now on and publishes it together with `others`. */
function sign(key, others) {
  keys = [key, ...others];
  handle = newHandle();
  return { signing: key.kid, published: keys.map(({ kid }) => kid) };
}

/** The key set of a provider is fixed when it is made, so a rotation makes a new one. */
function newHandle() {
  const provider = new Provider(issuer, {
    adapter,
    clients: CLIENTS,
    clientBasedCORS: () => false,
    clientDefaults: { id_token_signed_response_alg: 'ES384' },
    enabledJWA: { idTokenSigningAlgValues: ['ES384'] },
    extraTokenClaims,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: true, defaultResource, getResourceServerInfo },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
    },
    formats: { customizers: { jwt: customize } },
    jwks: { keys },
    ttl: { ClientCredentials: () => 3600 },
  });
  provider.use(conditional());
  provider.use(etag());
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/jwks') ctx.set('Cache-Control', 'no-cache, max-age=0, must-revalidate');
  });
  provider.on('server_error', (_, error) => console.error(error));
  return provider.callback();
}

/** Logto's extra parameter of the token request. */
function organizationOf(ctx) {
  const id = ctx.oidc.body?.organization_id;
  if (Array.isArray(id)) throw new errors.InvalidRequest("'organization_id' parameter must not be provided twice");
  return id;
}

/** An organization without a resource asks for an organization token. */
function defaultResource(ctx, _client, oneOf) {
  const organization = organizationOf(ctx);
  return organization ? ORGANIZATION + organization : oneOf;
}

/** Scopes that the client does not hold are left out of its token, as Logto does; they are no error. */
function getResourceServerInfo(_ctx, indicator, client) {
  const isOrganization = indicator.startsWith(ORGANIZATION) && indicator.length > ORGANIZATION.length;
  const scope = isOrganization ? ORGANIZATION_SCOPES : RESOURCES.get(indicator);
  if (scope === undefined) throw new errors.InvalidTarget('resource indicator is missing, or unknown');
  return {
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES384', kid: keys[0].kid } },
    scope: client.clientId === WORKER ? scope : '',
  };
}

function extraTokenClaims(ctx, token) {
  // Opaque: introspection shows a subject for users only, unless it is told.
  if (!token.aud) return { sub: token.clientId };
  const organization = organizationOf(ctx);
  return organization && !token.aud.startsWith(ORGANIZATION) ? { organization_id: organization } : undefined;
}

/** Without a granted scope, Logto's organization tokens say `""`; its resource tokens lack the claim. */
function customize(_ctx, token, { payload }) {
  if (token.aud.startsWith(ORGANIZATION)) payload.scope ??= '';
}

async function listen(at) {
  await once(server.listen(at, HOST), 'listening');
}

async function down() {
  if (server.listening) {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  return { listening: server.listening };
}

async function up() {
  if (!server.listening) await listen(port);
  return { listening: server.listening };
}

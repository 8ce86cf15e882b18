// An OpenID Provider (oidc-provider) over TLS that issues bound tokens: node issuer.mjs --port P --cert FILE --key FILE
// Clients, secret "secret": dpop-client (bound to a key), mtls-client (bound to the certificate of the connection), bearer-client.
import https from 'node:https';
import { readFileSync } from 'node:fs';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Provider } from 'oidc-provider';

const { values: args } = parseArgs({ options: { port: { type: 'string' }, cert: { type: 'string' }, key: { type: 'string' } } });
const issuer = `https://127.0.0.1:${args.port}`;
const jwk = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'a' };
const machine = (client_id, more) => ({
  client_id, client_secret: 'secret', grant_types: ['client_credentials'], response_types: [], redirect_uris: [],
  token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256', ...more,
});

const provider = new Provider(issuer, {
  clients: [
    machine('dpop-client', { dpop_bound_access_tokens: true }),
    machine('mtls-client', { tls_client_certificate_bound_access_tokens: true }),
    machine('bearer-client'),
  ],
  jwks: { keys: [jwk] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.() },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'read:orders', audience: resource, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));
const tls = { cert: readFileSync(args.cert), key: readFileSync(args.key), requestCert: true, rejectUnauthorized: false };
https.createServer(tls, provider.callback()).listen(Number(args.port), '127.0.0.1', () => console.log(`issuer ${issuer}`));

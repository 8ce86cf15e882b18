// Real MCP clients and the conformance suite against examples/mcp.rs: node run.mjs EXAMPLES PYTHON
// EXAMPLES is the folder of the built examples `mcp` and `mcp_client`; PYTHON is one that has requirements.txt installed.
// Ends with `N passed, N failed`; the exit status is 1 if one failed. Everything stays on 127.0.0.1.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createPage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as oauth from 'oauth4webapi';

const here = fileURLToPath(new URL('.', import.meta.url));
const [examples, python] = process.argv.slice(2);
const example = `${examples}/mcp`;
const node = process.execPath;
const suite = `${here}node_modules/@modelcontextprotocol/conformance/dist/index.js`;
const children = [];
let [passed, failed] = [0, 0];

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

/** Starts a program and waits for a line of it. Returns what it has printed by then. */
function start(command, args, until) {
  const child = spawn(command, args, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    const lines = [];
    createInterface({ input: child.stdout }).on('line', (line) => { lines.push(line); if (line.startsWith(until)) resolve(lines.join('\n')); });
    child.on('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}`)));
  });
}

/** Runs a program to its end. */
function run(args, env = {}, command = node) {
  const child = spawn(command, args, { cwd: here, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { output += data; });
  return new Promise((resolve) => child.on('exit', (status) => resolve({ status, output })));
}

function check(what, holds, output = '') {
  if (holds) passed += 1; else failed += 1;
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  if (!holds) console.log(output.slice(-4000));
}

const count = (output, pattern) => output.match(pattern)?.length ?? 0;

try {
  const issuerPort = await freePort();
  const issuer = `http://127.0.0.1:${issuerPort}/oidc`;
  await start(node, ['issuer.mjs', '--port', issuerPort, '--path', '/oidc'], 'issuer ');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/mcp`;
  await start(example, [port, issuer], '# Serving');

  // A client whose script is wrong would show nothing: first the suite's own servers.
  for (const scenario of ['auth/scope-step-up', 'auth/pre-registration']) {
    const { output } = await run([suite, 'client', '--command', `${node} ${here}client.mjs --sdk 2 --tool test-tool`, '--scenario', scenario]);
    check(`the script passes ${scenario}`, /Passed: (\d+)\/\1,/.test(output), output);
  }

  // Challenge, discovery, sign-in as a registered client, call, 403, step-up, call.
  const clients = [
    ['SDK 1', (...tools) => run(['client.mjs', '--url', url, '--sdk', '1', ...tools])],
    ['SDK 2', (...tools) => run(['client.mjs', '--url', url, '--sdk', '2', ...tools])],
    ['SDK 2, modern', (...tools) => run(['client.mjs', '--url', url, '--sdk', '2', '--modern', ...tools])],
    ['rmcp', (...tools) => run([url, ...tools.filter((word) => !word.startsWith('--'))], {}, `${examples}/mcp_client`)],
    ['Python SDK', (...tools) => run(['client.py', url, ...tools.filter((word) => !word.startsWith('--'))], {}, python)],
  ];
  for (const [name, call] of clients) {
    const { status, output } = await call('--tool', 'whoami', '--then', 'delete_all');
    const asked = [...output.matchAll(/authorization request: (\S+)/g)].map(([, to]) => new URL(to).searchParams);
    check(`${name}: both tools answer`, status === 0 && /TOOL whoami: .*alice/.test(output) && /TOOL delete_all: .*deleted/.test(output), output);
    // rmcp's client also wants a refresh token of an issuer that lists this scope.
    const scopes = (request) => request?.get('scope').split(' ').filter((scope) => scope !== 'offline_access').sort().join(' ');
    check(`${name}: asks for the minimum first`, scopes(asked[0]) === 'mcp:read' && asked[0]?.get('resource') === url, output);
    check(`${name}: then for all scopes of the call`, asked.length === 2 && scopes(asked[1]) === 'mcp:admin mcp:read', output);
    // rmcp's client prints no statuses, and what it says of a rejection in their place.
    const [unauthorized, forbidden] = name === 'rmcp' ? [/^challenge: Bearer scope=/gm, /^403 delete_all: /gm] : [/^< 401$/gm, /^< 403$/gm];
    check(`${name}: receives 401 and 403 once each`, count(output, unauthorized) === 1 && count(output, forbidden) === 1, output);
    const rejected = await call('--tool', 'forgotten');
    const isRejected = name === 'rmcp' ? /forgotten: .*Insufficient scope/.test(rejected.output) : count(rejected.output, /^< 403$/gm) === 1;
    check(`${name}: a tool without a policy is rejected`, rejected.status === 1 && isRejected, rejected.output);
  }

  // The document, by a library that demands the identifier that it asked for.
  const insecure = { [oauth.allowInsecureRequests]: true };
  const found = await oauth.processResourceDiscoveryResponse(new URL(url), await oauth.resourceDiscoveryRequest(new URL(url), insecure));
  check('oauth4webapi accepts the document', found.resource === url && found.authorization_servers[0] === issuer && found.scopes_supported[0] === 'mcp:read');

  // A page of another origin, whose browser asks first because of the header that MCP clients send.
  const page = createPage((_, response) => response.setHeader('content-type', 'text/html').end(`<!doctype html><p id="seen"></p><script>
    const ask = (name) => fetch('${url.replace('/mcp', '/.well-known/oauth-protected-resource/mcp')}', { headers: { [name]: '2025-11-25' } })
      .then((response) => response.json()).then((json) => json.resource, (error) => error.name);
    Promise.all([ask('mcp-protocol-version'), ask('x-other')]).then((seen) => { document.all.seen.textContent = JSON.stringify(seen); });
  </script>`)).listen(0, '127.0.0.1');
  await new Promise((resolve) => page.on('listening', resolve));
  const profile = mkdtempSync(join(tmpdir(), 'mcp-clients-'));
  const browser = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-proxy-server',
    `--user-data-dir=${profile}`, '--virtual-time-budget=30000', '--dump-dom', `http://127.0.0.1:${page.address().port}/`];
  const { output: dom } = await run(browser, {}, 'chromium');
  page.close();
  rmSync(profile, { recursive: true, force: true });
  check('a page of another origin may read the document, and send no other header', dom.includes(`<p id="seen">["${url}","TypeError"]</p>`), dom);

  // The suite of servers says the same with and without the guard.
  const ownPort = await freePort();
  const printed = await start(example, [ownPort, '', 'rest'], '# Serving');
  const token = printed.match(/# 200: Bob[^\n]*\n[^\n]*Bearer ([\w.-]+)/)[1];
  const [proxyPort, barePort] = [await freePort(), await freePort()];
  await start(node, ['token-proxy.mjs', '--port', proxyPort, '--to', `http://127.0.0.1:${ownPort}`, '--token', token], 'proxy ');
  await start(example, [barePort, '', 'bare'], '# Serving');
  for (const version of ['2025-11-25', '2026-07-28']) {
    const summary = async (at) => {
      const { output } = await run([suite, 'server', '--url', `http://127.0.0.1:${at}/mcp`, '--requirements', version]);
      // Tasks are an extension that no policy can be about: the guard refuses them.
      const lines = output.split('\n').filter((line) => /^\s*[✓✗]\s+(?!tasks-)\S+: \d+ passed, \d+ failed/.test(line));
      return lines.map((line) => line.trim());
    };
    const [guarded, bare] = [await summary(proxyPort), await summary(barePort)];
    const only = (some, others) => some.filter((line) => !others.includes(line));
    const differences = [...only(guarded, bare).map((line) => `guarded: ${line}`), ...only(bare, guarded).map((line) => `bare:    ${line}`)];
    check(`conformance ${version}: the same summary of ${bare.length} scenarios with the guard and without`, bare.length > 10 && differences.length === 0, differences.join('\n'));
  }
} catch (error) {
  check(String(error.stack), false);
} finally {
  for (const child of children) { child.removeAllListeners('exit'); child.kill(); }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

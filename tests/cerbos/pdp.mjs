// Starts Cerbos with the policies beside this file, behind a door that asks for a credential (Cerbos itself asks for none),
// and runs the command that it is given, with the address in its environment. Loopback only. README.md says more.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HOST = '127.0.0.1';
const TOKEN = 'pdp-token';
const METADATA = '/.well-known/authzen-configuration';

const directory = mkdtempSync(join(tmpdir(), 'orgate-cerbos-'));
const socket = join(directory, 'http.sock');
// The binary alone: the package around it names one for each platform, and a lock must hold them all.
const binary = createRequire(import.meta.url).resolve(`@cerbos/cerbos-${process.platform}-${process.arch}`);
const settings = {
  'server.httpListenAddr': `unix:${socket}`,
  'server.grpcListenAddr': `unix:${join(directory, 'grpc.sock')}`,
  'storage.driver': 'disk',
  'storage.disk.directory': fileURLToPath(new URL('policies', import.meta.url)),
  'telemetry.disabled': true,
};
let cerbos;

await up();
const door = createServer((req, res) => {
  const answer = (status, body) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (req.url !== METADATA && req.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, { error: 'who is there?' });
  // With the caller's `Host`, of which Cerbos makes the addresses in its metadata.
  const inner = request({ socketPath: socket, method: req.method, path: req.url, headers: req.headers });
  inner.on('response', (from) => from.pipe(res.writeHead(from.statusCode, from.headers)));
  inner.on('error', () => res.destroy());
  req.pipe(inner);
});
const control = createServer(async (req, res) => {
  const action = { 'POST /down': down, 'POST /up': up }[`${req.method} ${req.url}`];
  await action?.();
  res.writeHead(action ? 200 : 404).end();
});
await Promise.all([door, control].map((server) => once(server.listen(0, HOST), 'listening')));
const url = (server) => `http://${HOST}:${server.address().port}`;
const environment = { ORGATE_PDP: url(door), ORGATE_PDP_TOKEN: TOKEN, ORGATE_PDP_CONTROL: url(control) };

const [command, ...parameters] = process.argv.slice(2);
if (!command) {
  for (const [name, value] of Object.entries(environment)) console.log(`export ${name}=${value}`);
  process.on('SIGINT', () => end(0)).on('SIGTERM', () => end(0));
} else {
  const child = spawn(command, parameters, { stdio: 'inherit', env: { ...process.env, ...environment } });
  child.on('error', (error) => { console.error(error.message); end(1); });
  child.on('exit', (code) => end(code ?? 1));
}

async function up() {
  if (cerbos) return;
  rmSync(socket, { force: true });
  const flags = Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`);
  cerbos = spawn(binary, ['server', '--debug-listen-addr=', '--log-level=error', ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
  cerbos.on('error', (error) => { console.error(error.message); process.exit(1); });
  for (let tries = 0; !(await answers()); tries += 1) {
    if (tries > 300 || cerbos.exitCode !== null) { console.error('Cerbos did not start'); end(1); }
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

function answers() {
  return new Promise((resolve) => {
    const probe = request({ socketPath: socket, path: '/_cerbos/health', headers: { host: HOST } });
    probe.on('response', (answer) => { answer.resume(); resolve(answer.statusCode === 200); }).on('error', () => resolve(false)).end();
  });
}

async function down() {
  if (!cerbos) return;
  const gone = once(cerbos, 'exit');
  cerbos.kill('SIGKILL');
  await gone;
  cerbos = undefined;
}

async function end(code) {
  await down();
  rmSync(directory, { recursive: true, force: true });
  process.exit(code);
}

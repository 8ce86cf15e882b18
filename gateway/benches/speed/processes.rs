//! The programs of one run, and `wrk`.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use orgate::testing::TestIssuer;

pub(crate) const RESOURCE: &str = "https://api.example.com";

/// What one side of a ratio is asked for.
pub(crate) struct Side(String);

/// Everything that serves, ended with the value.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    children: Vec<Child>,
    orgate: u16,
    envoy_jwt: u16,
    /// With orgate, and with the one that always says yes.
    envoy: [u16; 2],
    nginx: [u16; 2],
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("ORGATE_PROXIES").expect("ORGATE_PROXIES names the folder of nginx and envoy");
    Path::new(&folder).join(name)
}

/// The configuration that the guide tells people to copy, with the ports of this run.
fn guide(name: &str, proxy: u16, authorizer: u16, application: u16) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("proxies").join(name)).unwrap();
    let replaced = [
        ("127.0.0.1:9000", format!("127.0.0.1:{authorizer}")),
        ("port_value: 9001", format!("port_value: {authorizer}")),
        ("127.0.0.1:9100", format!("127.0.0.1:{application}")),
        ("port_value: 9100", format!("port_value: {application}")),
        ("port_value: 8080", format!("port_value: {proxy}")),
        ("listen 127.0.0.1:8080", format!("listen 127.0.0.1:{proxy}")),
        // One process for each worker, as with the others.
        ("keepalive 32;", "keepalive 64; keepalive_requests 1000000;".to_owned()),
    ];
    replaced.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

impl Bench {
    pub(crate) fn start(issuer: &TestIssuer, tokens: &[String], stub: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokens"), tokens.join("\n")).unwrap();
        fs::write(
            folder.path().join("wrk.lua"),
            format!(
                "local requests, at = {{}}, 0\nfunction init()\n  for token in io.lines({:?}) do\n    \
                 requests[#requests + 1] = wrk.format('GET', nil, {{ Host = 'api.example.com', Authorization = 'Bearer ' .. token }})\n  \
                 end\nend\nfunction request()\n  at = at % #requests + 1\n  return requests[at]\nend\n",
                folder.path().join("tokens")
            ),
        )
        .unwrap();
        let [orgate, forward_auth, ext_authz, application, envoy_jwt] = [(); 5].map(|()| free_port());
        let (envoy, nginx) = ([free_port(), free_port()], [free_port(), free_port()]);
        let mut bench = Self { folder, children: Vec::new(), orgate, envoy_jwt, envoy, nginx };
        let served = format!(
            "worker_processes 1;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
             http {{ access_log off; keepalive_requests 100000000;\n\
             server {{ listen {application}; location / {{ return 200 served; }} }} }}\n"
        );
        bench.nginx_with("application", &served);
        bench.serve(issuer, [orgate, forward_auth, ext_authz], application);
        for (at, authorizer) in [forward_auth, stub.port()].into_iter().enumerate() {
            let text = guide("nginx.conf", nginx[at], authorizer, application);
            bench.nginx_with(
                &format!("nginx{at}"),
                &text.replace("access_log access.log;", "access_log off; keepalive_requests 100000000;"),
            );
        }
        for (at, authorizer) in [ext_authz, stub.port()].into_iter().enumerate() {
            bench.envoy_with(&format!("envoy{at}"), &guide("envoy-grpc.yaml", envoy[at], authorizer, application));
        }
        bench.envoy_with("jwt", &jwt_authn(issuer, envoy_jwt, application));
        for port in [application, orgate, forward_auth, ext_authz, envoy_jwt].into_iter().chain(envoy).chain(nginx) {
            wait_for(port);
        }
        bench
    }

    fn serve(&mut self, issuer: &TestIssuer, [proxy, forward_auth, ext_authz]: [u16; 3], application: u16) {
        let mut text = format!(
            "[api]\nresource = \"{RESOURCE}\"\npublic_url = \"{RESOURCE}\"\nverification_queue = [1024, \"5s\"]\n\
             [[issuer]]\nname = \"customers\"\nurl = \"{}\"\n\
             [listen]\nproxy = \"127.0.0.1:{proxy}\"\nforward_auth = \"127.0.0.1:{forward_auth}\"\n\
             ext_authz = \"127.0.0.1:{ext_authz}\"\n[forward_auth]\npreset = \"nginx\"\n\
             [upstream.a]\nurl = \"http://127.0.0.1:{application}\"\n",
            issuer.url()
        );
        for (path, access) in [
            ("/orgs/{org}/orders", "policy = \"resource in organization from path {org} and scope read:orders\""),
            ("/public", "public = true"),
        ] {
            _ = writeln!(text, "[[route]]\npath = \"{path}\"\n{access}\nupstream = \"a\"");
        }
        let path = self.folder.path().join("gateway.toml");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgate"));
        command.args(["serve", "--config"]).arg(path).env("TOKIO_WORKER_THREADS", "1");
        self.spawn("orgate", command);
    }

    fn nginx_with(&mut self, name: &str, text: &str) {
        let at = self.folder.path().join(name);
        fs::create_dir(&at).unwrap();
        fs::write(at.join("nginx.conf"), text).unwrap();
        fs::write(at.join("authz_request.inc"), guide("authz_request.inc", 0, 0, 0)).unwrap();
        let mut command = Command::new(program("nginx"));
        let globals = "daemon off; master_process off;";
        command.arg("-p").arg(&at).arg("-c").arg(at.join("nginx.conf")).arg("-g").arg(globals);
        self.spawn(name, command);
    }

    fn envoy_with(&mut self, name: &str, text: &str) {
        let path = self.folder.path().join(format!("{name}.yaml"));
        fs::write(&path, text).unwrap();
        let mut command = Command::new(program("envoy"));
        command.arg("-c").arg(path).args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn"]);
        self.spawn(name, command);
    }

    fn spawn(&mut self, name: &str, mut command: Command) {
        let log = fs::File::create(self.folder.path().join(format!("{name}.log"))).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.children.push(command.spawn().unwrap_or_else(|error| panic!("{name}: {error}")));
    }

    pub(crate) fn orgate(&self, path: &str) -> Side {
        Side(format!("http://127.0.0.1:{}{path}", self.orgate))
    }

    pub(crate) fn envoy_jwt(&self, path: &str) -> Side {
        Side(format!("http://127.0.0.1:{}{path}", self.envoy_jwt))
    }

    pub(crate) fn envoy(&self, path: &str, is_judged: bool) -> Side {
        Side(format!("http://127.0.0.1:{}{path}", self.envoy[usize::from(!is_judged)]))
    }

    pub(crate) fn nginx(&self, path: &str, is_judged: bool) -> Side {
        Side(format!("http://127.0.0.1:{}{path}", self.nginx[usize::from(!is_judged)]))
    }

    /// Returns requests per second.
    pub(crate) fn wrk(&self, side: &Side, seconds: u32) -> f64 {
        let script = self.folder.path().join("wrk.lua");
        let ask = |seconds: u32| {
            let mut command = Command::new("wrk");
            command.args(["-t1", "-c16", &format!("-d{seconds}s"), "-s"]).arg(&script).arg(&side.0);
            let output = command.output().expect("wrk is installed");
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && !text.contains("Non-2xx"), "{}: {text}", side.0);
            let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
            line.unwrap_or_else(|| panic!("{}: {text}", side.0)).trim().parse().unwrap()
        };
        // Before it counts, tokens are known and connections to upstreams are there.
        let _: f64 = ask(1);
        ask(seconds)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for child in &mut self.children {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn wait_for(port: u16) {
    for _ in 0..300 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("no process listens on port {port}");
}

/// Envoy that verifies tokens itself, with its cache of tokens, and judges nothing beyond.
fn jwt_authn(issuer: &TestIssuer, listen: u16, application: u16) -> String {
    format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {listen} }} }}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                customers:
                  issuer: "{issuer}"
                  audiences: ["{RESOURCE}"]
                  local_jwks: {{ inline_string: '{keys}' }}
                  jwt_cache_config: {{ jwt_cache_size: 1000 }}
              rules: [{{ match: {{ prefix: / }}, requires: {{ provider_name: customers }} }}]
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app }} }}] }}
  clusters:
  - name: app
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: app
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {application} }} }} }} }}] }}]
"#,
        issuer = issuer.url(),
        keys = issuer.jwks_json(),
    )
}

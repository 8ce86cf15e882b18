//! The programs of proxies, with the configurations that the guide tells people to copy. `ORGATE_PROXIES` names their folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Returns a port without a listener.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("ORGATE_PROXIES").expect("ORGATE_PROXIES names the folder of the programs");
    Path::new(&folder).join(name)
}

const NGINX: [(&str, &str); 2] = [
    ("nginx.conf", include_str!("../../proxies/nginx.conf")),
    ("authz_request.inc", include_str!("../../proxies/authz_request.inc")),
];
const CADDY: [(&str, &str); 1] = [("Caddyfile", include_str!("../../proxies/Caddyfile"))];
const TRAEFIK: [(&str, &str); 2] = [
    ("traefik.yaml", include_str!("../../proxies/traefik.yaml")),
    ("traefik-dynamic.yaml", include_str!("../../proxies/traefik-dynamic.yaml")),
];
const ENVOY_HTTP: [(&str, &str); 1] = [("envoy.yaml", include_str!("../../proxies/envoy-http.yaml"))];
const ENVOY_GRPC: [(&str, &str); 1] = [("envoy.yaml", include_str!("../../proxies/envoy-grpc.yaml"))];

/// Writes configurations with the ports of this run.
fn configure(folder: &Path, files: &[(&str, &str)], ports: Ports) {
    let Ports { proxy, forward_auth, ext_authz, application } = ports;
    let replaced = [
        ("127.0.0.1:9000", format!("127.0.0.1:{forward_auth}")),
        ("port_value: 9000", format!("port_value: {forward_auth}")),
        ("port_value: 9001", format!("port_value: {ext_authz}")),
        ("127.0.0.1:9100", format!("127.0.0.1:{application}")),
        ("port_value: 9100", format!("port_value: {application}")),
        ("port_value: 8080", format!("port_value: {proxy}")),
        ("listen 127.0.0.1:8080", format!("listen 127.0.0.1:{proxy}")),
        ("http://:8080", format!("http://:{proxy}")),
        ("address: \":8080\"", format!("address: \":{proxy}\"")),
    ];
    for (name, text) in files {
        let text = replaced.iter().fold((*text).to_owned(), |text, (from, to)| text.replace(from, to));
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// Which ports a configuration connects.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) proxy: u16,
    pub(crate) forward_auth: u16,
    pub(crate) ext_authz: u16,
    pub(crate) application: u16,
}

/// Starts the program of a proxy with its configuration in this folder.
pub(crate) fn launch(name: &str, at: &Path, ports: Ports) -> Child {
    let mut command = match name {
        "nginx" => {
            configure(at, &NGINX, ports);
            let mut command = Command::new(program("nginx"));
            let globals = "daemon off; master_process off;";
            command.arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf")).arg("-g").arg(globals);
            command
        }
        "caddy" => {
            configure(at, &CADDY, ports);
            let mut command = Command::new(program("caddy"));
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(at.join("Caddyfile")).env("HOME", at);
            command
        }
        "traefik" => {
            configure(at, &TRAEFIK, ports);
            let mut command = Command::new(program("traefik"));
            command.arg(format!("--configFile={}", at.join("traefik.yaml").display())).current_dir(at);
            command
        }
        _ => {
            configure(at, if name == "envoy-grpc" { &ENVOY_GRPC } else { &ENVOY_HTTP }, ports);
            let mut command = Command::new(program("envoy"));
            command.arg("-c").arg(at.join("envoy.yaml")).args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "-l",
                "warn",
            ]);
            command
        }
    };
    let log = std::fs::File::create(at.join("output")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap()
}

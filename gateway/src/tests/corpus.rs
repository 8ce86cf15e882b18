//! The target of the conformance corpus, through the face or the proxy that `CORPUS_FACE` names.

use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use orgate::time::{Clock, Now, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Recorder;
use super::live::preset;
use super::proxies::{Ports, free_port, launch};
use super::world::{exchange, status};
use crate::compile::{Purpose, compile_with};
use crate::config::load;
use crate::face::Current;
use crate::serve::start;

struct CorpusClock {
    wall: Option<Duration>,
    system: SystemClock,
}

impl Clock for CorpusClock {
    fn now(&self) -> Now {
        let now = self.system.now();
        Now::new(self.wall.unwrap_or(now.unix), now.monotonic)
    }
}

const ROUTES: [(&str, &str); 6] = [
    ("/global", "resource and scope read:orders"),
    ("/orgs/{org}/members", "organization from path {org} and scope invite:member"),
    ("/orgs/{org}/orders", "resource in organization from path {org} and scope read:orders"),
    ("/any-of", "resource and any of [a b]"),
    ("/all-of", "resource and all of [a b]"),
    ("/by-header/orders", "resource in organization from header organization-id and scope read:orders"),
];

fn configuration(application: u16, face: &str, ports: Ports) -> String {
    let setting = |name: &str| env::var(name).unwrap();
    let lenient = setting("CORPUS_TYP_MODE") == "lenient";
    let profile = if lenient { "profile = \"untyped_jwt\"\norganization_tokens = true\n" } else { "" };
    let mut text = format!(
        "[api]\nresource = \"{}\"\npublic_url = \"https://api.example.com\"\nleeway = \"{}s\"\n\
         verification_queue = [1024, \"1s\"]\n\
         [[issuer]]\nurl = \"{}\"\nalgorithms = [\"ES384\", \"ES256\", \"ES512\", \"RS256\", \"PS256\", \"EdDSA\"]\n{profile}\
         [listen]\nforward_auth = \"127.0.0.1:{}\"\next_authz = \"127.0.0.1:{}\"\n{}\
         [forward_auth]\npreset = \"{}\"\n[upstream.application]\nurl = \"http://127.0.0.1:{application}\"\n",
        setting("CORPUS_RESOURCE"),
        setting("CORPUS_LEEWAY"),
        setting("CORPUS_ISSUER"),
        ports.forward_auth,
        ports.ext_authz,
        if face == "proxy" { format!("proxy = \"127.0.0.1:{}\"\n", ports.proxy) } else { String::new() },
        if face == "proxy" { "nginx".to_owned() } else { preset(face) },
    );
    for (path, policy) in ROUTES {
        _ = writeln!(text, "[[route]]\npath = \"{path}\"\npolicy = \"{policy}\"\nupstream = \"application\"");
    }
    text
}

async fn is_ready(address: SocketAddr) -> bool {
    let request = "GET /global HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
    TcpStream::connect(address).await.is_ok() && status(&exchange(address, request).await) == 401
}

async fn pass_on(listen: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(listen).await.unwrap();
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(to).await {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// Serves until it is terminated.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the corpus's driver starts it"]
async fn serve_the_conformance_corpus() {
    let face = env::var("CORPUS_FACE").unwrap();
    let listen: SocketAddr = env::var("CORPUS_LISTEN").unwrap().parse().unwrap();
    let application = Recorder::start().await;
    let ports = Ports {
        proxy: listen.port(),
        forward_auth: free_port(),
        ext_authz: free_port(),
        application: application.address.port(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, configuration(ports.application, &face, ports)).unwrap();
    let wall = env::var("CORPUS_NOW").ok().map(|now| Duration::from_secs(now.parse().unwrap()));
    let gateway = load(&path)
        .and_then(|loaded| {
            compile_with(loaded, Purpose::Serve, |builder| {
                builder.clock(CorpusClock { wall, system: SystemClock::new() })
            })
        })
        .unwrap();
    let current: Current = Arc::new(ArcSwap::from_pointee(gateway));
    let (_stop, stopped) = watch::channel(false);
    let _started = start(&current, &stopped).await.unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let mut child = None;
    if face != "proxy" {
        // The driver takes an open port for a server that is ready.
        let behind = Ports { proxy: free_port(), ..ports };
        child = Some(launch(&face, folder.path(), behind));
        let address = SocketAddr::from(([127, 0, 0, 1], behind.proxy));
        while !is_ready(address).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::spawn(pass_on(listen, address));
    }
    terminate.recv().await;
    if let Some(child) = &mut child {
        _ = child.kill();
        _ = child.wait();
    }
}

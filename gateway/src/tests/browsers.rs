//! WebSockets of pages of browsers through the gateway.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::World;
use super::world::{RESOURCE, status};
use crate::compile::{Purpose, compile};
use crate::config::load;
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;
use crate::gateway::Face;

const ROUTES: &str = r#"
[[route]]
path = "/live"
methods = ["GET"]
policy = "resource in any organization and scope read:orders"
upstream = "ws"
browser_origins = ["https://app.example.com"]

[[route]]
path = "/open"
public = true
upstream = "ws"
"#;

/// A server that accepts every WebSocket and keeps the heads of their handshakes.
async fn upstream() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let kept = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
            kept.lock().unwrap().push(String::from_utf8(head).unwrap().to_ascii_lowercase());
            let response = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                            Sec-WebSocket-Protocol: orders.v1\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            _ = stream.write_all(response.as_bytes()).await;
        }
    });
    (address, heads)
}

async fn world() -> (World, Arc<Mutex<Vec<String>>>) {
    let (address, heads) = upstream().await;
    (World::with("nginx", &format!("{ROUTES}\n[upstream.ws]\nurl = \"http://{address}\"\n")).await, heads)
}

async fn open(world: &World, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    while !response.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut response).await.unwrap() > 0);
    }
    String::from_utf8(response).unwrap()
}

#[tokio::test]
async fn token_of_a_page_opens_the_connection_and_stays_at_the_gateway() {
    let (world, heads) = world().await;
    let token = &world.token;
    let page = "Origin: https://app.example.com\r\n";
    let response = open(&world, "/live", &format!("{page}Sec-WebSocket-Protocol: orders.v1, bearer.{token}\r\n")).await;
    assert_eq!(status(&response), 101, "{response}");
    assert!(response.to_ascii_lowercase().contains("sec-websocket-protocol: orders.v1\r\n"), "{response}");
    let head = heads.lock().unwrap().pop().unwrap();
    assert!(head.contains("sec-websocket-protocol: orders.v1\r\n") && head.contains("orgate: sub=\"u1\""), "{head}");
    assert!(!head.contains(&token.to_ascii_lowercase()) && !head.contains("authorization"), "{head}");

    let bound = world.issuer.organization_resource_token(RESOURCE, "acme").scope("read:orders");
    let bound = bound.bound_to(&world.issuer.proof_key()).mint();
    for (headers, expected) in [
        (format!("Sec-WebSocket-Protocol: orders.v1, bearer.{token}\r\n"), 400),
        (format!("Origin: null\r\nSec-WebSocket-Protocol: orders.v1, bearer.{token}\r\n"), 403),
        (format!("{page}Sec-WebSocket-Protocol: bearer.{token}\r\n"), 400),
        (format!("{page}Sec-WebSocket-Protocol: orders.v1, bearer.{token}\r\nAuthorization: Bearer {token}\r\n"), 400),
        (format!("{page}Sec-WebSocket-Protocol: orders.v1, bearer.{bound}\r\n"), 401),
        (format!("{page}Sec-WebSocket-Protocol: orders.v1\r\n"), 401),
    ] {
        let response = open(&world, "/live", &headers).await;
        assert_eq!(status(&response), expected, "{headers}: {response}");
    }
    assert!(heads.lock().unwrap().is_empty());
    // No handshake.
    let plain = format!("{page}Sec-WebSocket-Protocol: orders.v1, bearer.{token}\r\n");
    assert_eq!(status(&world.ask("GET /live", &plain).await), 400);
}

#[tokio::test]
async fn token_among_the_protocols_reaches_no_upstream_of_a_route_that_does_not_take_it() {
    let (world, heads) = world().await;
    let token = world.token.clone();
    let offered =
        format!("Sec-WebSocket-Protocol: orders.v1, bearer.{token}\r\nSec-WebSocket-Protocol: Bearer.{token}\r\n");
    assert_eq!(status(&open(&world, "/open", &offered).await), 101);
    let head = heads.lock().unwrap().pop().unwrap();
    assert!(head.contains("sec-websocket-protocol: orders.v1\r\n") && !head.contains("bearer"), "{head}");
}

/// A proxy that asks would pass the member on: the faces that are asked reject it.
#[tokio::test]
async fn faces_that_are_asked_reject_a_token_among_the_protocols() {
    let (world, _) = world().await;
    let offered = format!("orders.v1, bearer.{}", world.token);
    let own = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("origin", "https://app.example.com"),
        ("sec-websocket-protocol", &*offered),
    ];
    let mut question = http::Request::get("/auth")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", "/live")
        .header("x-forwarded-host", "api.example.com");
    for (name, value) in own {
        question = question.header(name, value);
    }
    let gateway = world.current.load_full();
    let (question, ()) = question.body(()).unwrap().into_parts();
    assert_eq!(decide(&gateway, &question).await.status(), 400);
    let http = proto::HttpRequest {
        id: String::new(),
        method: "GET".to_owned(),
        headers: own.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        path: "/live".to_owned(),
        host: "api.example.com".to_owned(),
        header_map: None,
    };
    let request = Some(proto::RequestAttributes { http: Some(http) });
    let asked = proto::CheckRequest { attributes: Some(proto::AttributeContext { source: None, request }) };
    match check(&gateway, asked).await.outcome.unwrap() {
        proto::Outcome::Denied(denied) => assert_eq!(denied.status.unwrap().code, 400),
        proto::Outcome::Ok(_) => panic!("allowed"),
    }
}

#[tokio::test]
async fn settings_that_must_not_run_are_faults() {
    let (world, _) = world().await;
    let from = "browser_origins = [\"https://app.example.com\"]";
    for (change, named) in [
        (world.text.replace(from, "browser_origins = []"), "no origin"),
        (world.text.replace(from, "browser_origins = [\"https://app.example.com/\"]"), "https://app.example.com/"),
        (world.text.replace(from, "browser_origins = [\"*\"]"), "\"*\""),
        (world.text.replace(from, &format!("{from}\ntoken = \"forward\"")), "never forwarded"),
        (
            world
                .text
                .replace("public = true\nupstream = \"ws\"\n", &format!("public = true\nupstream = \"ws\"\n{from}\n")),
            "needs a `policy`",
        ),
        (world.text.replace("path = \"/live\"\nmethods = [\"GET\"]", "path = \"/live\""), "methods = [\"GET\"]"),
    ] {
        assert_ne!(change, world.text, "{named}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, change).unwrap();
        let fault = load(&path).and_then(|loaded| compile(loaded, Purpose::Inspect)).err().unwrap().to_string();
        assert!(fault.contains(named), "{named}: {fault}");
    }
}

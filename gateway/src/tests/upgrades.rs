//! Upgrades: a client that changes the protocol would speak to the application past all checks, unless it is WebSocket.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::World;
use super::live::Proxy;
use super::world::status;
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;
use crate::gateway::Face;

const HANDSHAKE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Headers by which a client asks for something else than WebSocket alone.
const OTHERS: [&str; 7] = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
    "Connection: upgrade\r\nUpgrade: H2C\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: anything/1.0\r\n",
];

fn request(headers: &str) -> String {
    format!("GET /public/upgrade HTTP/1.1\r\nHost: api.example.com\r\n{headers}{HANDSHAKE}\r\n")
}

/// Opens a WebSocket, and returns whether bytes come back through it.
async fn echoes(address: std::net::SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await.unwrap();
        let Ok(byte) = read else { return false };
        head.push(byte);
    }
    if status(&String::from_utf8_lossy(&head)) != 101 {
        return false;
    }
    // A masked frame of text, which the proxy face looks at.
    let frame = [0x81, 0x84, 0, 0, 0, 0, b'e', b'c', b'h', b'o'];
    stream.write_all(&frame).await.unwrap();
    let mut echo = vec![0; frame.len()];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut echo)).await.unwrap().unwrap();
    echo == frame
}

impl Proxy {
    /// Checks that the application, which changes to any protocol, is asked for WebSocket alone.
    pub(super) async fn check_upgrades(&self) {
        for headers in OTHERS {
            let response = self.raw(request(headers).as_bytes()).await;
            for received in self.world.application.take() {
                let asked: Vec<_> = received.head.headers.get_all("upgrade").iter().collect();
                assert!(asked.is_empty() || asked == ["websocket"], "{headers}: {asked:?}");
                assert!(!received.head.headers.contains_key("http2-settings"), "{headers}");
            }
            assert!(!response.to_ascii_lowercase().contains("h2c"), "{headers}: {response}");
        }
        // What a client writes behind the head is another request, and judged.
        let hidden = format!("{}GET /orgs/acme/orders HTTP/1.1\r\nHost: api.example.com\r\n\r\n", request(OTHERS[0]));
        _ = self.raw(hidden.as_bytes()).await;
        for received in self.world.application.take() {
            assert_eq!(received.head.uri.path(), "/public/upgrade");
        }
        assert!(echoes(self.address).await);
        assert_eq!(self.world.application.take().len(), 1);
    }
}

#[tokio::test]
async fn proxy_face_passes_websocket_on_and_no_other_upgrade() {
    let world = World::start().await;
    let address = world.addresses[&Face::Proxy];
    for headers in OTHERS {
        let closing = request(headers).replace("Connection: ", "Connection: close, ");
        let response = world.raw(Face::Proxy, closing).await;
        assert_eq!(status(&response), 200, "{headers}: {response}");
        let received = world.application.take().remove(0).head.headers;
        assert!(!received.contains_key("upgrade"), "{headers}: {received:?}");
    }
    assert!(echoes(address).await);
}

#[tokio::test]
async fn face_that_a_proxy_asks_rejects_every_upgrade_but_websocket() {
    let world = World::start().await;
    let gateway = world.current.load_full();
    let fields = |headers: &str| -> Vec<(String, String)> {
        let fields = headers.lines().filter_map(|line| line.split_once(": "));
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
    };
    let allowed = ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: WebSocket\r\n"];
    for (headers, expected) in OTHERS.map(|headers| (headers, 400)).into_iter().chain(allowed.map(|some| (some, 200))) {
        let mut question = http::Request::get("/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/public/x")
            .header("x-forwarded-host", "api.example.com");
        for (name, value) in fields(headers) {
            question = question.header(name, value);
        }
        let answer = decide(&gateway, &question.body(()).unwrap().into_parts().0).await;
        assert_eq!(answer.status(), expected, "{headers}");

        let field = |(key, value)| proto::HeaderValue { key, value, raw_value: Vec::new() };
        let http = proto::HttpRequest {
            method: "GET".to_owned(),
            path: "/public/x".to_owned(),
            host: "api.example.com".to_owned(),
            header_map: Some(proto::HeaderMap { headers: fields(headers).into_iter().map(field).collect() }),
            ..proto::HttpRequest::default()
        };
        let request = Some(proto::RequestAttributes { http: Some(http) });
        let attributes = Some(proto::AttributeContext { source: None, request });
        let code = match check(&gateway, proto::CheckRequest { attributes }).await.outcome.unwrap() {
            proto::Outcome::Ok(_) => 200,
            proto::Outcome::Denied(denied) => denied.status.unwrap().code,
        };
        assert_eq!(code, i32::from(expected), "{headers}");
    }
}

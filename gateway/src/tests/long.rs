//! Sockets, event streams and streaming calls end with the right that let them in.

use std::sync::Arc;
use std::time::Duration;

use orgate::change::About;
use orgate::testing::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::World;
use super::endless::endless;
use super::world::{RESOURCE, status};
use crate::gateway::Face;

struct Open(TcpStream);

impl Open {
    async fn start(world: &World, path: &str, token: &str, is_upgrade: bool) -> (u16, Self) {
        let mut stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
        let upgrade = if is_upgrade {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n"
        } else {
            "Connection: close\r\n"
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut open = Self(stream);
        let text = open.some().await;
        (status(&text), open)
    }

    async fn some(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes().await).into_owned()
    }

    async fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), self.0.read(&mut bytes)).await.unwrap().unwrap_or(0);
        bytes[..read].to_vec()
    }

    /// Reads until nothing more comes.
    async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        loop {
            match self.bytes().await {
                more if more.is_empty() => return rest,
                more => rest.extend(more),
            }
        }
    }

    /// Reads the rest of a WebSocket, and returns the code and the reason of the close frame at its end.
    async fn closed(self) -> (u16, String) {
        let rest = self.rest().await;
        let at = rest.iter().rposition(|byte| *byte == 0x88).unwrap_or_else(|| panic!("no close frame: {rest:?}"));
        let [length, high, low, reason @ ..] = &rest[at + 1..] else { panic!("a part of one: {rest:?}") };
        assert_eq!(usize::from(*length), reason.len() + 2, "something follows: {rest:?}");
        (u16::from_be_bytes([*high, *low]), String::from_utf8(reason.to_vec()).unwrap())
    }

    /// Reads the rest of an event stream, and checks that its last event says this.
    async fn ended(self, expected: &str) {
        let rest = String::from_utf8(self.rest().await).unwrap();
        let last = rest.rsplit("event: end").next().filter(|last| last.len() < rest.len());
        assert!(last.is_some_and(|last| last.contains(expected) && rest.ends_with("0\r\n\r\n")), "{rest}");
    }
}

async fn world() -> World {
    let address = endless().await;
    let more = format!(
        "[upstream.endless]\nurl = \"http://{address}\"\n\
         [[route]]\npath = \"/stream\"\npolicy = \"resource in any organization\"\nupstream = \"endless\"\n\
         [[route]]\npath = \"/open\"\npublic = true\nupstream = \"endless\"\n"
    );
    World::of(Arc::new(TestIssuer::start().await), "nginx", |text| format!("{text}\n{more}")).await
}

#[tokio::test]
async fn revocation_ends_what_its_subject_has_open_and_nothing_else() {
    let world = world().await;
    let token = |subject: &str| {
        world.issuer.organization_resource_token(RESOURCE, "acme").subject(subject).client("web").mint()
    };
    let (one, other) = (token("u1"), token("u2"));
    let (code, socket) = Open::start(&world, "/stream", &one, true).await;
    assert_eq!(code, 101);
    let (code, events) = Open::start(&world, "/stream", &one, false).await;
    assert_eq!(code, 200);
    let (_, mut others_socket) = Open::start(&world, "/stream", &other, true).await;
    let (_, mut others_events) = Open::start(&world, "/stream", &other, false).await;
    let handle = world.current.load().server.issuer("customers").unwrap();
    handle.revoke(About::subject("u1")).unwrap();
    assert_eq!(socket.closed().await, (3000, "refresh".to_owned()));
    // The client learns why.
    events.ended("{\"reason\":\"revoked\",\"remediation\":\"refresh\"}").await;
    assert!(!others_socket.some().await.is_empty() && !others_events.some().await.is_empty());
    let (code, _) = Open::start(&world, "/stream", &one, true).await;
    assert_eq!(code, 401);
}

#[tokio::test]
async fn token_that_expires_ends_what_it_opened() {
    let address = endless().await;
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", |text| {
        let text = text.replace("[api]\n", "[api]\nleeway = \"1s\"\n");
        format!(
            "{text}[upstream.endless]\nurl = \"http://{address}\"\n\
             [[route]]\npath = \"/stream\"\npolicy = \"resource in any organization\"\nupstream = \"endless\"\n\
             [[route]]\npath = \"/open\"\npublic = true\nupstream = \"endless\"\n"
        )
    })
    .await;
    let token = world.issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
    let token = token.expires_in(Duration::from_secs(2)).mint();
    let (code, socket) = Open::start(&world, "/stream", &token, true).await;
    assert_eq!(code, 101);
    let (_, mut open) = Open::start(&world, "/open", &token, true).await;
    assert_eq!(socket.closed().await, (3000, "refresh".to_owned()));
    assert!(!open.some().await.is_empty(), "what is public needs no token");
}

/// What ended, and not by a fault of its client.
async fn comes_again(open: Open, is_upgrade: bool) {
    if is_upgrade {
        assert_eq!(open.closed().await, (1012, "retry".to_owned()));
    } else {
        open.ended("\"reason\":\"closing\",\"remediation\":\"retry\",\"retry_after\":").await;
    }
}

#[tokio::test]
async fn gateway_that_stops_tells_what_would_not_end_to_come_again() {
    let mut world = world().await;
    let mut open = Vec::new();
    for path in ["/stream", "/open"] {
        for is_upgrade in [true, false] {
            let (_, one) = Open::start(&world, path, &world.token, is_upgrade).await;
            open.push((one, is_upgrade));
        }
    }
    let closing = tokio::spawn(async move {
        for (one, is_upgrade) in open {
            comes_again(one, is_upgrade).await;
        }
    });
    // Long before the drain time, which is for what ends by itself.
    tokio::time::timeout(Duration::from_secs(15), world.close()).await.unwrap();
    closing.await.unwrap();
}

/// Whether a further connection is served within a moment.
async fn is_served(world: &World) -> bool {
    let mut stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut [0; 1024])).await;
    read.is_ok_and(|read| read.unwrap() > 0)
}

#[tokio::test]
async fn websockets_count_among_the_connections_until_they_end() {
    let address = endless().await;
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", |text| {
        format!(
            "{text}[limits]\nmax_connections = 2\n[upstream.endless]\nurl = \"http://{address}\"\n\
             [[route]]\npath = \"/stream\"\npolicy = \"resource in any organization\"\nupstream = \"endless\"\n\
             [[route]]\npath = \"/open\"\npublic = true\nupstream = \"endless\"\n"
        )
    })
    .await;
    let (code, judged) = Open::start(&world, "/stream", &world.token, true).await;
    assert_eq!(code, 101);
    let (code, public) = Open::start(&world, "/open", &world.token, true).await;
    assert_eq!(code, 101);
    assert!(!is_served(&world).await);
    // One leaves by itself, and its upstream is left.
    drop(public);
    assert!(eventually(&world).await);
    let (code, another) = Open::start(&world, "/open", &world.token, true).await;
    assert_eq!(code, 101);
    assert!(!is_served(&world).await);
    // A reload ends the other.
    world.reload(|text| text.replace("path = \"/open\"", "path = \"/other\""));
    comes_again(another, true).await;
    assert!(eventually(&world).await);
    let (code, _other) = Open::start(&world, "/stream", &world.token, true).await;
    assert_eq!(code, 101);
    assert!(!is_served(&world).await);
    world.reload(|text| text.replace("max_connections = 2", "max_connections = 3"));
    assert!(eventually(&world).await, "a reload allows more");
    drop(judged);
}

async fn eventually(world: &World) -> bool {
    for _ in 0..40 {
        if is_served(world).await {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn reload_ends_what_a_changed_route_let_in_and_nothing_else() {
    let world = world().await;
    for is_upgrade in [true, false] {
        let (_, mut judged) = Open::start(&world, "/stream", &world.token, is_upgrade).await;
        let (_, mut public) = Open::start(&world, "/open", &world.token, is_upgrade).await;
        // Another route.
        world.reload(|text| format!("{text}\n[[route]]\npath = \"/new\"\npublic = true\nupstream = \"endless\"\n"));
        for _ in 0..5 {
            assert!(!judged.some().await.is_empty() && !public.some().await.is_empty());
        }
        // A stricter policy, and a route that is gone.
        world.reload(|text| {
            text.replace("\"resource in any organization\"", "\"resource in any organization and scope a\"")
        });
        comes_again(judged, is_upgrade).await;
        assert!(!public.some().await.is_empty());
        world.reload(|text| text.replace("path = \"/open\"", "path = \"/other\""));
        comes_again(public, is_upgrade).await;
        world.reload(str::to_owned);
    }
}

#[tokio::test]
async fn more_open_connections_than_a_subject_may_have_are_rejected() {
    let address = endless().await;
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", |text| {
        let text = text.replace("[api]\n", "[api]\nmax_leases = [100, 2]\n");
        format!(
            "{text}[upstream.endless]\nurl = \"http://{address}\"\n\
             [[route]]\npath = \"/stream\"\npolicy = \"resource in any organization\"\nupstream = \"endless\"\n"
        )
    })
    .await;
    let mut open = Vec::new();
    for (is_upgrade, expected) in [(true, 101), (false, 200), (true, 503), (false, 503)] {
        let (code, one) = Open::start(&world, "/stream", &world.token, is_upgrade).await;
        assert_eq!(code, expected);
        open.push(one);
    }
    drop(open);
    for _ in 0..100 {
        if Open::start(&world, "/stream", &world.token, true).await.0 == 101 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("places are never free again");
}

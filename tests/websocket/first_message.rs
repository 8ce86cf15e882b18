//! The token in the first message.

use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use futures_util::SinkExt as _;
use http::{HeaderMap, Request};
use orgate::change::About;
use orgate::policy::resource;
use orgate::rejection::RejectionKind;
use orgate::websocket::{FirstMessage, Unauthenticated, close_code};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt as _;

use super::support::{API, PAGE, World, next, say};

const PAGES: [(&str, &str); 1] = [("origin", PAGE)];

#[tokio::test]
async fn token_in_the_first_message_is_decided_by_the_policy_of_the_route() {
    let world = World::start().await;
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    assert_eq!(say(&mut socket, &world.token()).await, "hello user_1");

    let other = world.issuer.resource_token(API).scope("other").mint();
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    assert_eq!(say(&mut socket, &other).await, "3000 insufficient_scope");
    let expired = world.issuer.resource_token(API).scope("read:orders").expired().mint();
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    assert_eq!(say(&mut socket, &expired).await, "3000 expired_token");
}

#[tokio::test]
async fn path_of_the_handshake_is_what_the_policy_reads() {
    let world = World::start().await;
    let token = world.issuer.organization_token("acme").scope("read:orders").mint();
    let mut socket = world.open("/orgs/acme/first", &PAGES).await.unwrap().0;
    assert_eq!(say(&mut socket, &token).await, "hello user_1");
    let mut socket = world.open("/orgs/globex/first", &PAGES).await.unwrap().0;
    assert_eq!(say(&mut socket, &token).await, "3000 wrong_organization");
}

/// The right to use the connection, in place of the right to open it.
#[tokio::test]
async fn connection_ends_with_the_right_that_its_first_message_brought() {
    let world = World::start().await;
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    let token = world.token();
    assert_eq!(say(&mut socket, &token).await, "hello user_1");
    let mut other = world.open("/first", &PAGES).await.unwrap().0;
    let mine = world.issuer.resource_token(API).subject("user_2").scope("read:orders").mint();
    assert_eq!(say(&mut other, &mine).await, "hello user_2");
    let subject = world.server.verify(&token).await.unwrap().subject().clone();
    world.server.issuers()[0].revoke(About::subject(subject.id())).unwrap();
    assert_eq!(next(&mut socket).await, "3000 revoked");
    assert_eq!(say(&mut other, "still here?").await, "still here?");
}

#[tokio::test]
async fn first_message_that_is_no_token_ends_the_connection() {
    let world = World::start().await;
    for (text, expected) in [
        ("", "3000 invalid_request"),
        ("undefined", "3000 invalid_token"),
        ("Bearer abc", "3000 invalid_request"),
        ("{\"token\":\"abc\"}", "3000 invalid_request"),
        ("a.b.c", "3000 invalid_token"),
    ] {
        let mut socket = world.open("/first", &PAGES).await.unwrap().0;
        assert_eq!(say(&mut socket, text).await, expected, "{text:?}");
    }
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    socket.send(Message::binary(world.token())).await.unwrap();
    assert_eq!(next(&mut socket).await, "3000 missing_token");
}

#[tokio::test]
async fn bound_tokens_are_rejected_in_a_message() {
    let (world, certificate) = World::bound().await;
    let bound = || world.issuer.resource_token(API).scope("read:orders");
    for token in [bound().bound_to_certificate(&certificate).mint(), bound().bound_to(&world.issuer.proof_key()).mint()]
    {
        let mut socket = world.open("/first", &PAGES).await.unwrap().0;
        assert_eq!(say(&mut socket, &token).await, "3000 invalid_token");
    }
}

#[tokio::test]
async fn handshake_is_judged_before_the_connection_is_accepted() {
    let world = World::start().await;
    let authorization = format!("Bearer {}", world.token());
    let offered = format!("orders.v1, bearer.{}", world.token());
    for (headers, status) in [
        (vec![], 400),
        (vec![("origin", "null")], 403),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", PAGE), ("origin", PAGE)], 400),
        (vec![("origin", PAGE), ("authorization", &*authorization)], 400),
        (vec![("origin", PAGE), ("sec-websocket-protocol", &*offered)], 400),
    ] {
        let refused = world.open("/first", &headers).await.err().unwrap();
        assert_eq!(refused.status, status, "{headers:?}");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    let plain = format!("GET /first HTTP/1.1\r\nHost: {}\r\nOrigin: {PAGE}\r\n\r\n", world.address);
    assert_eq!(world.raw(&plain).await, 400);
}

#[tokio::test]
async fn connection_that_sends_nothing_is_closed() {
    let first = FirstMessage::new([PAGE]).timeout(Duration::from_millis(100));
    let world = World::built(|builder| builder, first).await;
    let mut socket = world.open("/first", &PAGES).await.unwrap().0;
    assert_eq!(next(&mut socket).await, "3000 missing_token");
}

#[tokio::test]
async fn connections_without_a_token_are_bounded() {
    let world = World::built(|builder| builder, FirstMessage::new([PAGE]).max_waiting(2)).await;
    let mut one = world.open("/first", &PAGES).await.unwrap().0;
    let mut two = world.open("/first", &PAGES).await.unwrap().0;
    for path in ["/first", "/orgs/acme/first"] {
        // Each route has places of its own.
        let third = world.open(path, &PAGES).await;
        match path {
            "/first" => {
                let refused = third.err().unwrap();
                assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (503, "1"));
            }
            _ => assert!(third.is_ok()),
        }
    }
    // A rejected handshake takes no place, and a judged token gives its own back.
    assert_eq!(world.open("/first", &[("origin", "null")]).await.err().unwrap().status, 403);
    assert_eq!(say(&mut one, &world.token()).await, "hello user_1");
    let _three = world.open("/first", &PAGES).await.unwrap();
    assert_eq!(world.open("/first", &PAGES).await.err().unwrap().status, 503);
    // So does one that is rejected.
    assert_eq!(say(&mut two, "a.b.c").await, "3000 invalid_token");
    assert!(world.open("/first", &PAGES).await.is_ok());
}

/// The request of a handshake, as it went through the layer.
async fn let_in(world: &World, settings: &FirstMessage) -> Unauthenticated {
    let layer = world.server.first_message(resource(), settings).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let handler = async move |mut parts: http::request::Parts| {
        assert_eq!(parts.headers.get("authorization"), None);
        tell.send(parts.extensions.remove::<Unauthenticated>().unwrap()).unwrap();
    };
    let app = axum::Router::new().route("/first", get(handler)).layer(layer);
    let request = Request::get("/first").header("upgrade", "websocket").header("connection", "upgrade");
    let request = request.header("origin", PAGE).body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
    told.recv().unwrap()
}

#[tokio::test]
async fn first_message_is_judged_once() {
    let world = World::start().await;
    let caller = let_in(&world, &FirstMessage::new([PAGE])).await;
    assert_eq!(caller.max_token_bytes(), 8192);
    let again = caller.clone();
    assert!(caller.authorize(async { Some(world.token()) }).await.is_ok());
    let rejection = again.authorize(async { Some(world.token()) }).await.unwrap_err();
    assert_eq!((rejection.kind(), close_code(&rejection)), (RejectionKind::Misconfigured, 1011));
}

#[tokio::test]
async fn place_of_a_connection_that_goes_away_is_free_again() {
    let world = World::start().await;
    let layer = world.server.first_message(resource(), &FirstMessage::new([PAGE]).max_waiting(1)).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let handler = async move |caller: Unauthenticated| tell.send(caller).unwrap();
    let app = axum::Router::new().route("/first", get(handler)).layer(layer);
    let open = async || {
        let request = Request::get("/first").header("upgrade", "websocket").header("connection", "upgrade");
        let request = request.header("origin", PAGE).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(open().await, 200);
    assert_eq!(open().await, 503);
    // A handler that drops it.
    drop(told.recv().unwrap());
    assert_eq!(open().await, 200);
    // A connection that ends while its token is waited for.
    let waiting = tokio::spawn(told.recv().unwrap().authorize(std::future::pending::<Option<String>>()));
    tokio::task::yield_now().await;
    assert_eq!(open().await, 503);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(open().await, 200);
}

#[tokio::test]
async fn extractor_without_the_route_is_a_fault_of_the_server() {
    let app = axum::Router::new().route("/first", get(async |_: Unauthenticated, _: HeaderMap| ""));
    let response = app.oneshot(Request::get("/first").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 500);
}

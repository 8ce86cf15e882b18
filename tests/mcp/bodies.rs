//! Bodies are read within bounds, for those who have a token, and passed on byte for byte.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use orgate::mcp::RequestBody;
use orgate::testing::TestIssuer;
use orgate::{Guard, ResourceServer};
use serde_json::json;
use tower::service_fn;

use super::support::*;

/// A body that arrives in pieces of a byte, after which nothing comes if it is endless.
fn pieces(text: &str, is_endless: bool) -> reqwest::Body {
    let bytes: Vec<_> = text.bytes().map(|byte| Ok::<_, Infallible>(Bytes::from(vec![byte]))).collect();
    let stream = futures_util::stream::iter(bytes);
    if is_endless {
        reqwest::Body::wrap_stream(stream.chain(futures_util::stream::pending()))
    } else {
        reqwest::Body::wrap_stream(stream)
    }
}

#[tokio::test]
async fn what_the_service_reads_is_what_the_client_sent() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let read = Arc::new(Mutex::new(Bytes::new()));
    let seen = read.clone();
    let service = service_fn(move |request: Request<RequestBody<Body>>| {
        let seen = seen.clone();
        async move {
            *seen.lock().unwrap() = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Body::from("read")))
        }
    });
    let guard: Guard = server.guard().mcp("/mcp", service, tools());
    let address = serve(guard.into_router().unwrap()).await;
    let token = issuer.resource_token(API).scope("mcp:read").mint();
    let body = "{ \"method\" : \"tools/call\",\r\n\t\"params\":{\"name\":\"wh\\u006fami\", \"x\": 1e0 },\"id\":1 }\n";
    for version in [Http::One, Http::Two] {
        for sent in [reqwest::Body::from(body), pieces(body, false)] {
            let seen =
                send(&client(version), "POST", &format!("http://{address}/mcp"), Some(&token), &[], Some(sent)).await;
            assert_eq!((seen.status, &*seen.body), (200, "read"));
            assert_eq!(std::mem::take(&mut *read.lock().unwrap()), body.as_bytes(), "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_body_is_bounded_whether_or_not_its_length_is_told() {
    let world = World::start(tools().max_body_bytes(200).max_buffered_bytes(1000)).await;
    let token = world.token("mcp:read");
    let long = call("whoami", json!({ "x": "y".repeat(200) })).to_string();
    for version in [Http::One, Http::Two] {
        for sent in [reqwest::Body::from(long.clone()), pieces(&long, false), pieces(&long, true)] {
            let seen = send(&client(version), "POST", &world.url(), Some(&token), &[], Some(sent)).await;
            assert_eq!(seen.status, 413, "{version:?}: {}", seen.body);
        }
    }
    assert_eq!(world.ran.take(), [""; 0]);
    assert_eq!(world.call(Some(&token), "whoami", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_in_time() {
    let world = World::start(tools().body_timeout(Duration::from_millis(50))).await;
    let token = world.token("mcp:read");
    let half = r#"{"jsonrpc":"2.0","id":1,"#;
    for version in [Http::One, Http::Two] {
        let sent = Some(pieces(half, true));
        let seen = send(&client(version), "POST", &world.url(), Some(&token), &[], sent).await;
        assert_eq!(seen.status, 408, "{version:?}: {}", seen.body);
    }
}

#[tokio::test]
async fn nothing_is_read_for_a_stranger() {
    let world = World::start(tools()).await;
    for token in [None, Some("x.y.z"), Some(&*world.issuer.resource_token("https://other.example").mint())] {
        // The rest of this body never comes: only whoever does not wait for it can answer.
        let sent = Some(pieces("{", true));
        let seen = send(&client(Http::Two), "POST", &world.url(), token, &[], sent).await;
        assert_eq!((seen.status, seen.scope()), (401, "mcp:read"));
        assert!(seen.header("www-authenticate").contains("/.well-known/oauth-protected-resource/mcp\""));
    }
}

#[tokio::test]
async fn one_subject_cannot_fill_the_buffer() {
    let world =
        World::start(tools().max_body_bytes(100).max_buffered_bytes(400).body_timeout(Duration::from_secs(30))).await;
    let (alice, bob) = (world.token_of("alice", "mcp:read"), world.token_of("bob", "mcp:read"));
    // It takes what one subject may have, and never ends.
    let (url, token) = (world.url(), alice.clone());
    let taken = tokio::spawn(async move {
        send(&client(Http::One), "POST", &url, Some(&token), &[], Some(pieces(&" ".repeat(99), true))).await
    });
    let until_full = async {
        while world.call(Some(&alice), "whoami", json!({})).await.status != 503 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_full).await.expect("the share of one subject is used up");
    let seen = world.call(Some(&alice), "whoami", json!({})).await;
    assert_eq!((seen.status, seen.header("retry-after")), (503, "1"));
    assert_eq!(world.call(Some(&bob), "whoami", json!({})).await.status, 200, "others have room");
    taken.abort();
    _ = taken.await;
    let until_free = async {
        while world.call(Some(&alice), "whoami", json!({})).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_free).await.expect("what was held is given back");
}

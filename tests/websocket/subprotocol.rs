//! The token in `Sec-WebSocket-Protocol`.

use axum::Router;
use axum::routing::{any, get};
use http::Request;
use orgate::ResourceServer;
use orgate::policy::{authenticated, optional, resource};
use orgate::token::binding::Dpop;
use orgate::websocket::{BrowserTokens, FirstMessage};
use serde_json::Value;
use tower::ServiceExt as _;

use super::support::{API, PAGE, World, live, next, serve};

#[tokio::test]
async fn token_among_the_protocols_opens_the_connection_and_is_seen_by_nobody_behind() {
    let world = World::start().await;
    let token = world.token();
    // The first one waits for the keys of the issuer; the last one knows the token.
    for offered in [
        format!("orders.v1, bearer.{token}"),
        format!("bearer.{token},orders.v1"),
        format!("orders.v0 , bearer.{token} ,orders.v1"),
    ] {
        let headers = [("origin", PAGE), ("sec-websocket-protocol", &*offered)];
        let (mut socket, response) = world.open("/live", &headers).await.unwrap();
        assert_eq!(response["sec-websocket-protocol"], "orders.v1");
        let left = if offered.contains("v0") { "orders.v0, orders.v1" } else { "orders.v1" };
        assert_eq!(next(&mut socket).await, format!("user_1 {left} false"));
        assert!(!format!("{response:?}").contains(&token));
    }
    let page =
        [("origin", "http://localhost:5173"), ("sec-websocket-protocol", &*format!("orders.v1, bearer.{token}"))];
    assert!(world.open("/live", &page).await.is_ok());
}

#[tokio::test]
async fn several_fields_are_one_list() {
    let world = World::start().await;
    let token = world.token();
    let status = world
        .raw(&format!(
            "{}Origin: {PAGE}\r\nSec-WebSocket-Protocol: orders.v1\r\nSec-WebSocket-Protocol: bearer.{token}\r\n\r\n",
            handshake(world.address)
        ))
        .await;
    assert_eq!(status, 101);
}

#[tokio::test]
async fn authorization_alone_opens_the_connection_without_an_origin() {
    let world = World::start().await;
    let authorization = format!("Bearer {}", world.token());
    for headers in [
        &[("authorization", &*authorization)][..],
        &[("authorization", &*authorization), ("sec-websocket-protocol", "orders.v1")],
    ] {
        let mut socket = world.open("/live", headers).await.unwrap().0;
        let offered = if headers.len() == 2 { "orders.v1" } else { "" };
        assert_eq!(next(&mut socket).await, format!("user_1 {offered} true"));
    }
}

fn handshake(address: std::net::SocketAddr) -> String {
    format!(
        "GET /live HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

#[tokio::test]
async fn hostile_handshakes_are_rejected() {
    let world = World::start().await;
    let token = &*world.token();
    let good = format!("Origin: {PAGE}\r\nSec-WebSocket-Protocol: orders.v1, bearer.{token}\r\n");
    let protocol = |list: &str| format!("Origin: {PAGE}\r\nSec-WebSocket-Protocol: {list}\r\n");
    let origin = |origin: &str| good.replace(PAGE, origin);
    let expired = world.issuer.resource_token(API).scope("read:orders").expired().mint();
    let cases = [
        ("good", good.clone(), 101),
        ("no origin", good.replace(&format!("Origin: {PAGE}\r\n"), ""), 400),
        ("two origins", format!("{good}Origin: {PAGE}\r\n"), 400),
        ("empty origin", origin(""), 403),
        ("null origin", origin("null"), 403),
        ("another origin", origin("https://evil.example"), 403),
        ("origin with a suffix", origin(&format!("{PAGE}.evil.example")), 403),
        ("origin with a slash", origin(&format!("{PAGE}/")), 403),
        ("origin of another scheme", origin("http://app.example.com"), 403),
        ("origin in capital letters", origin("https://APP.example.com"), 403),
        ("authorization beside it", format!("{good}Authorization: Bearer {token}\r\n"), 400),
        ("other credentials beside it", format!("{good}Authorization: Basic YTpi\r\n"), 400),
        ("a proof's scheme beside it", format!("{good}Authorization: DPoP {token}\r\n"), 400),
        ("empty authorization beside it", format!("{good}Authorization:\r\n"), 400),
        ("no protocol of the application", protocol(&format!("bearer.{token}")), 400),
        ("no protocol but an empty one", protocol(&format!(" , bearer.{token},")), 400),
        ("the token twice", protocol(&format!("orders.v1, bearer.{token}, bearer.{token}")), 400),
        ("two tokens", protocol(&format!("orders.v1, bearer.{token}, bearer.abc")), 400),
        ("a second token in capital letters", protocol(&format!("orders.v1, bearer.{token}, Bearer.{token}")), 400),
        ("capital letters", protocol(&format!("orders.v1, Bearer.{token}")), 400),
        ("no token behind the prefix", protocol("orders.v1, bearer."), 400),
        ("a token and a malformed member", protocol(&format!("orders v1, bearer.{token}")), 400),
        ("a quoted token", protocol(&format!("orders.v1, \"bearer.{token}\"")), 400),
        ("a malformed member alone", protocol("orders;v=1"), 400),
        ("a word for no token", protocol("orders.v1, bearer.undefined"), 401),
        ("no JWT", protocol("orders.v1, bearer.a.b.c"), 401),
        ("a token too long", protocol(&format!("orders.v1, bearer.{}", "a".repeat(8200))), 401),
        ("an expired token", protocol(&format!("orders.v1, bearer.{expired}")), 401),
        ("no token at all", protocol("orders.v1"), 401),
        ("a token in the query", format!("Origin: {PAGE}\r\n"), 401),
    ];
    for (what, headers, status) in &cases {
        let mut head = format!("{}{headers}\r\n", handshake(world.address));
        if *what == "a token in the query" {
            head = head.replace("/live", &format!("/live?access_token={token}&token={token}"));
        }
        assert_eq!(world.raw(&head).await, *status, "{what}");
    }
    // What is no handshake.
    for (what, without) in
        [("no upgrade", "Upgrade: websocket\r\n"), ("no connection option", "Connection: Upgrade\r\n")]
    {
        let head = format!("{}{good}\r\n", handshake(world.address)).replacen(without, "", 1);
        assert_eq!(world.raw(&head).await, 400, "{what}");
    }
    let other = format!("{}{good}\r\n", handshake(world.address)).replace("Upgrade: websocket", "Upgrade: h2c");
    assert_eq!(world.raw(&other).await, 400);
}

#[tokio::test]
async fn rejection_has_the_form_of_all_others_and_no_part_of_the_token() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).scope("other").mint();
    let offered = format!("orders.v1, bearer.{token}");
    let refused = world.open("/live", &[("origin", PAGE), ("sec-websocket-protocol", &*offered)]).await.err().unwrap();
    assert_eq!(refused.status, 403);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"read:orders\""),
        "{challenge}"
    );
    assert!(!refused.body.contains(&token) && !format!("{:?}", refused.headers).contains(&token));

    let token = world.token();
    let offered = format!("orders.v1, bearer.{token}");
    let evil = [("origin", "https://evil.example"), ("sec-websocket-protocol", &*offered)];
    let refused = world.open("/live", &evil).await.err().unwrap();
    let problem: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status, problem["remediation"].as_str()), (403, Some("none")));
}

#[tokio::test]
async fn a_route_without_the_setting_takes_no_token_there() {
    let world = World::start().await;
    let offered = format!("orders.v1, bearer.{}", world.token());
    let refused = world.open("/plain", &[("origin", PAGE), ("sec-websocket-protocol", &*offered)]).await.err().unwrap();
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn bound_tokens_are_rejected_there_whatever_the_connection_proves() {
    let (world, certificate) = World::bound().await;
    let bound = || world.issuer.resource_token(API).scope("read:orders");
    let to_certificate = bound().bound_to_certificate(&certificate).mint();
    let authorization = format!("Bearer {to_certificate}");
    assert!(world.open("/live", &[("authorization", &*authorization)]).await.is_ok());
    for token in [to_certificate, bound().bound_to(&world.issuer.proof_key()).mint()] {
        let offered = format!("orders.v1, bearer.{token}");
        let headers = [("origin", PAGE), ("sec-websocket-protocol", &*offered)];
        let refused = world.open("/live", &headers).await.err().unwrap();
        assert_eq!(refused.status, 401);
        assert!(refused.body.contains("invalid_token"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_server_that_requires_bound_tokens_takes_none_from_a_page() {
    let change = |builder: orgate::server::Builder| builder.dpop(Dpop::new(API)).require_sender_constrained();
    let world = World::built(change, FirstMessage::new([PAGE])).await;
    let offered = format!("orders.v1, bearer.{}", world.token());
    let refused = world.open("/live", &[("origin", PAGE), ("sec-websocket-protocol", &*offered)]).await.err().unwrap();
    assert_eq!(refused.status, 401);
}

fn request(headers: &[(&str, &str)]) -> Request<axum::body::Body> {
    let mut request = Request::get("/live").header("upgrade", "websocket").header("connection", "Upgrade");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(axum::body::Body::empty()).unwrap()
}

/// What the service behind the layer sees.
fn shows_headers() -> Router {
    Router::new().route("/live", any(async |headers: http::HeaderMap| format!("{headers:?}")))
}

async fn body(app: Router, request: Request<axum::body::Body>) -> (u16, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn layer_removes_the_member_even_where_nothing_is_enforced() {
    let world = World::start().await;
    let token = world.token();
    let offered = format!("orders.v1, bearer.{token}");
    let headers = [("origin", PAGE), ("sec-websocket-protocol", &*offered)];
    let evil = [("origin", "https://evil.example"), ("sec-websocket-protocol", &*offered)];
    let tokens = BrowserTokens::new([PAGE]);
    let layer = |policy| world.server.require(policy).unwrap().with_browser_tokens(&tokens).unwrap();
    let app = || shows_headers().layer(layer(resource().scope("read:orders")));
    let (status, seen) = body(app(), request(&headers)).await;
    assert_eq!(status, 200);
    assert!(seen.contains("\"sec-websocket-protocol\": Sensitive") && !seen.contains("authorization"), "{seen}");
    assert_eq!(body(app(), request(&evil)).await.0, 403);

    let shadow = || shows_headers().layer(layer(authenticated().dangerous_shadow_only()));
    for headers in [headers, evil] {
        let (status, seen) = body(shadow(), request(&headers)).await;
        assert_eq!(status, 200);
        assert!(!seen.contains(&token), "{seen}");
    }
    // Optional means: without a token. An unclear one is rejected.
    let open = || shows_headers().layer(layer(optional(resource())));
    assert_eq!(body(open(), request(&[("sec-websocket-protocol", "orders.v1")])).await.0, 200);
    assert_eq!(body(open(), request(&headers)).await.0, 200);
    assert_eq!(body(open(), request(&evil)).await.0, 403);
}

#[tokio::test]
async fn explanation_tells_the_form_and_takes_nothing() {
    let world = World::start().await;
    let token = world.token();
    let offered = format!("orders.v1, bearer.{token}");
    let requirement = world.server.requirement(resource().scope("read:orders")).unwrap();
    let requirement = requirement.with_browser_tokens(&BrowserTokens::new([PAGE])).unwrap();
    let headers = [("origin", PAGE), ("sec-websocket-protocol", &*offered)];
    let (mut parts, ()) = request(&headers).map(drop).into_parts();
    let explanation = requirement.explain(&mut parts).await;
    let text = explanation.to_string();
    assert!(text.contains("bearer.{token} in Sec-WebSocket-Protocol") && !text.contains(&token), "{text}");
    let grant = requirement.authorize(&mut parts).await.unwrap();
    assert_eq!(grant.token().unwrap().subject().id(), "user_1");
    assert_eq!(parts.headers["sec-websocket-protocol"], "orders.v1");
}

/// A method router as a whole, with the layer around it, over a connection.
#[tokio::test]
async fn layer_serves_connections_outside_of_a_guard() {
    let world = World::start().await;
    let layer = world.server.require(resource()).unwrap().with_browser_tokens(&BrowserTokens::new([PAGE])).unwrap();
    let address = serve(Router::new().route("/live", get(live)).layer(layer)).await;
    let server: &ResourceServer = &world.server;
    let other = World { issuer: world.issuer, server: server.clone(), address };
    let offered = format!("orders.v1, bearer.{}", other.token());
    let mut socket = other.open("/live", &[("origin", PAGE), ("sec-websocket-protocol", &*offered)]).await.unwrap().0;
    assert_eq!(next(&mut socket).await, "user_1 orders.v1 false");
}

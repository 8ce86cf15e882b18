//! The rejections that the guide's page shows are what this server sends, header field by header field.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::ResourceServer;
use orgate::policy::{Policy, resource};
use orgate::server::Builder;
use orgate::testing::{TestCertificate, TestIssuer};
use orgate::token::binding::{Dpop, MutualTls, Nonces, TrustedPeers};
use orgate::websocket::BrowserTokens;

use super::support::{API, ORDERS, World, send};

const PAGE: &str = include_str!("../../docs/guide/sender-constrained-tokens.md");

/// A response as `curl -i` shows it, without its length.
async fn shown(app: &Router, request: Request<Body>) -> String {
    let seen = send(app, request).await;
    let status = http::StatusCode::from_u16(seen.status).unwrap();
    let mut text = format!("HTTP/1.1 {status}\n");
    for (name, value) in seen.headers.iter().filter(|(name, _)| *name != "content-length") {
        // A nonce is another one each time.
        let value = if name == "dpop-nonce" { "{nonce}" } else { value.to_str().unwrap() };
        writeln!(text, "{name}: {value}").unwrap();
    }
    format!("{text}\n{}\n", seen.body)
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn route(server: &ResourceServer, path: &str, policy: Policy) -> Router {
    server.guard().get(path, async || "", policy).into_router().unwrap()
}

fn server(issuer: &TestIssuer, change: impl FnOnce(Builder) -> Builder) -> ResourceServer {
    change(ResourceServer::builder(issuer.url(), API).clock(issuer.clock())).build().unwrap()
}

#[tokio::test]
async fn rejections_are_shown_as_they_are_sent() {
    let world = World::start().await;
    let (bound, orders) = (world.token(), route(&world.server, "/orders", resource().scope("read:orders")));
    let as_bearer = format!("Bearer {bound}");
    let as_proof = format!("DPoP {bound}");
    let proof = world.key.proof("GET", ORDERS, &bound).mint();
    let with_proof = [("authorization", &*as_proof), ("dpop", &*proof)];
    assert_eq!(send(&orders, get("/orders", &with_proof)).await.status, 200);
    let mut expected = vec![
        ("no token", shown(&orders, get("/orders", &[])).await),
        ("stolen", shown(&orders, get("/orders", &[("authorization", &as_bearer)])).await),
        ("no proof", shown(&orders, get("/orders", &[("authorization", &as_proof)])).await),
        ("replay", shown(&orders, get("/orders", &with_proof)).await),
    ];

    let nonces = server(&world.issuer, |builder| builder.dpop(Dpop::new(API).nonces(Nonces::required())));
    let orders = route(&nonces, "/orders", resource().scope("read:orders"));
    let proof = world.key.proof("GET", ORDERS, &bound).mint();
    let request = get("/orders", &[("authorization", &as_proof), ("dpop", &proof)]);
    expected.push(("nonce", shown(&orders, request).await));

    let unbound = world.issuer.resource_token(API).scope("read:orders").mint();
    let refund = world.issuer.resource_token(API).scope("write:refunds").mint();
    let policy = resource().scope("write:refunds").sender_constrained();
    let refunds = world.server.guard().post("/refunds", async || "", policy).into_router().unwrap();
    let request = Request::post("/refunds").header("authorization", format!("Bearer {refund}"));
    expected.push(("not bound", shown(&refunds, request.body(Body::empty()).unwrap()).await));

    let (own, other) = (TestCertificate::generate(), TestCertificate::generate());
    let source = MutualTls::client_cert_header(TrustedPeers::dangerous_proxy_always_sets_it());
    let mutual = server(&world.issuer, |builder| builder.mutual_tls(source));
    let token = world.issuer.resource_token(API).scope("read:orders").bound_to_certificate(&own).mint();
    let authorization = format!("Bearer {token}");
    let orders = route(&mutual, "/orders", resource().scope("read:orders"));
    let request = get("/orders", &[("authorization", &authorization), ("client-cert", &other.client_cert_header())]);
    expected.push(("another certificate", shown(&orders, request).await));

    let tokens = BrowserTokens::new(["https://app.example.com"]);
    let live = world.server.guard().websocket("/live", async || "", resource().scope("read:orders"), &tokens);
    let live = live.into_router().unwrap();
    let handshake = |origin: &str, offered: &str| {
        let own = [("connection", "Upgrade"), ("upgrade", "websocket")];
        get("/live", &[&own[..], &[("origin", origin), ("sec-websocket-protocol", offered)]].concat())
    };
    let offered = format!("orders.v1, bearer.{unbound}");
    expected.push(("page", shown(&live, handshake("https://evil.example", &offered)).await));
    let alone = format!("bearer.{unbound}");
    expected.push(("no protocol", shown(&live, handshake("https://app.example.com", &alone)).await));

    let plain = server(&world.issuer, |builder| builder);
    let policy = resource().scope("transfer:money").acr("urn:example:mfa").max_auth_age(Duration::from_secs(300));
    let transfers = plain.guard().post("/transfers", async || "", policy).into_router().unwrap();
    let token = world.issuer.resource_token(API).scope("read:orders").claim("acr", "urn:example:password").mint();
    let authorization = format!("Bearer {token}");
    let request = Request::post("/transfers").header("authorization", authorization).body(Body::empty()).unwrap();
    expected.push(("step-up", shown(&transfers, request).await));

    // In the order of the page.
    let mut rest = PAGE;
    for (name, response) in &expected {
        let Some((_, after)) = rest.split_once(response.as_str()) else {
            panic!("the page does not show this as it is, or not here: {name}\n\n{response}");
        };
        rest = after;
    }
}

//! What a request allocates, counted: a known token must cost next to nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use orgate::policy::{organization, path, resource};
use orgate::testing::TestIssuer;
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use tower::Service;

const API: &str = "https://api.example.com";

/// The allocations of one request, made and answered, with one token after the other; the least of several, since a table
/// may grow now and then.
fn allocations(router: &mut Router, uri: &str, tokens: &[String]) -> u64 {
    let mut tokens = tokens.iter().cycle();
    let mut once = || {
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        if let Some(token) = tokens.next() {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let mut status = StatusCode::OK;
        let counted = allocation_counter::measure(|| {
            status = router.call(request).now_or_never().unwrap().unwrap().status();
        });
        assert_eq!(status, StatusCode::OK);
        counted.count_total
    };
    (0..8).map(|_| once()).min().unwrap()
}

#[tokio::test]
async fn a_known_token_costs_three_allocations_and_four_with_an_organization() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).build().unwrap();
    let handler = || async { "here" };
    let mut bare = Router::new().route("/products", get(handler)).route("/orgs/{org}/members", get(handler));
    let mut guarded = server
        .guard()
        .get("/products", handler, resource().scope("read:products"))
        .get("/orgs/{org}/members", handler, organization(path("org")).scope("read:members"))
        .into_router()
        .unwrap();

    let product = issuer.resource_token(API).scope("read:products write:products").mint();
    let members = issuer.organization_token("acme").scope("invite:member read:members").mint();
    for (uri, token, most) in [("/products", product, 3), ("/orgs/acme/members", members, 4)] {
        let without = allocations(&mut bare, uri, &[]);
        let with = allocations(&mut guarded, uri, &[token]);
        println!("{uri}: {without} bare, {with} guarded");
        assert!(with <= without + most, "{uri}: {with} allocations, {without} without the guard");
    }
}

/// What a log holds and how old it is costs a known token nothing.
#[tokio::test]
async fn a_known_token_allocates_as_much_with_a_change_log_as_without() {
    let issuer = TestIssuer::start().await;
    let token = issuer.resource_token(API).scope("read:products").mint();
    let path = std::env::temp_dir().join(format!("orgate-allocations-{}", std::process::id()));
    let mut counts = Vec::new();
    for with_file in [false, true] {
        let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
        let builder = ResourceServer::builder(entry, API);
        let server = if with_file { builder.change_file(&*path) } else { builder }.build().unwrap();
        let guard = server.guard().get("/products", async || "here", resource().scope("read:products"));
        counts.push(allocations(&mut guard.into_router().unwrap(), "/products", std::slice::from_ref(&token)));
    }
    for ending in ["", ".lock"] {
        std::fs::remove_file(format!("{}{ending}", path.display())).unwrap();
    }
    assert_eq!(counts[0], counts[1]);
}

/// Verified, and kept.
#[tokio::test]
async fn a_new_token_costs_sixteen_allocations() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).build().unwrap();
    let handler = || async { "here" };
    let mut bare = Router::new().route("/products", get(handler));
    let mut guarded =
        server.guard().get("/products", handler, resource().scope("read:products")).into_router().unwrap();
    let token = issuer.resource_token(API).scope("read:products write:products");
    let tokens: Vec<String> = (0..8).map(|_| token.mint()).collect();
    let without = allocations(&mut bare, "/products", &[]);
    let new = allocations(&mut guarded, "/products", &tokens);
    println!("{without} bare, {new} with a new token");
    assert!(new <= without + 16, "{new} allocations, {without} without the guard");
    assert!(allocations(&mut guarded, "/products", &tokens) < new, "they are known by now");
}

#[tokio::test]
async fn sign_in_is_judged_without_allocation() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).build().unwrap();
    let strong = resource().any_acr(["platinum", "gold"]).max_auth_age(Duration::from_secs(24 * 3600));
    let now = issuer.clock().now().unix.as_secs();
    let token = issuer.resource_token(API).claim("acr", "gold").claim("auth_time", now).mint();
    let handler = || async { "here" };
    let guard = server.guard().get("/plain", handler, resource()).get("/strong", handler, strong);
    let mut router = guard.into_router().unwrap();
    let [plain, strong] = ["/plain", "/strong"].map(|uri| allocations(&mut router, uri, std::slice::from_ref(&token)));
    assert_eq!(plain, strong);
}

#[tokio::test]
async fn scopes_are_compared_without_allocation() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).build().unwrap();
    let scopes: Vec<String> = (0..18).map(|number| format!("read:thing{number}")).collect();
    let every = scopes.iter().fold(resource().user(), |policy, scope| policy.scope(scope));
    let token = issuer.resource_token(API).scope(&scopes.join(" ")).mint();
    let handler = || async { "here" };
    let mut router = server.guard().get("/one", handler, resource()).get("/all", handler, every).into_router().unwrap();
    let [one, all] = ["/one", "/all"].map(|uri| allocations(&mut router, uri, std::slice::from_ref(&token)));
    assert_eq!(one, all);
}

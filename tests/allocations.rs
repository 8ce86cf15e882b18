//! What a request allocates, counted: a known token must cost next to nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use orgate::policy::{organization, path, resource};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};
use tower::Service;

const API: &str = "https://api.example.com";

/// The allocations of one request, made and answered; the least of several, since a table may grow now and then.
fn allocations(router: &mut Router, uri: &str, token: Option<&str>) -> u64 {
    let once = |router: &mut Router| {
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let mut status = StatusCode::OK;
        let counted = allocation_counter::measure(|| {
            status = router.call(request).now_or_never().unwrap().unwrap().status();
        });
        assert_eq!(status, StatusCode::OK);
        counted.count_total
    };
    (0..8).map(|_| once(router)).min().unwrap()
}

#[tokio::test]
async fn a_known_token_costs_five_allocations_at_most() {
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
    for (uri, token, most) in [("/products", product, 5), ("/orgs/acme/members", members, 6)] {
        let without = allocations(&mut bare, uri, None);
        let with = allocations(&mut guarded, uri, Some(&token));
        println!("{uri}: {without} bare, {with} guarded");
        assert!(with <= without + most, "{uri}: {with} allocations, {without} without the guard");
    }
}

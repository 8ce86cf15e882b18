//! An issuer and a protected API in one process: `cargo run --example quickstart`.
//!
//! It prints the API's routes with their policies, then `curl` lines with real tokens in them, and serves until Ctrl-C.

use axum::routing::get;
use orgate::policy::{organization, path, resource};
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{AccessToken, Guard, Organization, ResourceServer};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Stands in for a Logto tenant: discovery, keys and tokens, on a port of its own.
    let issuer = TestIssuer::start().await;

    let server = ResourceServer::builder(issuer.url(), API).build()?;
    let guard: Guard = server
        .guard()
        .get("/products", list_products, resource().scope("read:products"))
        .post("/orgs/{org}/members", invite, organization(path("org")).scope("invite:member"))
        .get("/orgs/{org}/orders", list_orders, resource().in_organization(path("org")).scope("read:orders"))
        .public("/health", get(|| async { "ok\n" }));
    println!("{guard}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    print_requests(&issuer, &format!("http://{}", listener.local_addr()?));
    println!("# Serving until Ctrl-C.");
    axum::serve(listener, guard.into_router()?).with_graceful_shutdown(ctrl_c()).await?;
    Ok(())
}

async fn list_products() -> &'static str {
    "products\n"
}

async fn invite(org: Organization) -> String {
    format!("invited to {org}\n")
}

async fn list_orders(org: Organization, token: AccessToken) -> String {
    format!("orders of {org} for {}\n", token.subject())
}

/// For each model: a token that passes, a token that is not valid, and a valid one that is not enough.
fn print_requests(issuer: &TestIssuer, api: &str) {
    println!("# 1. Global API resource: the token is for this API, and for no organization.");
    let products = format!("{api}/products");
    let readers = issuer.resource_token(API).scope("read:products");
    curl("200: the token is for this API and holds read:products", &products, Some(&readers));
    curl("401: no token, so the challenge names no error", &products, None);
    curl("403: the token lacks read:products", &products, Some(&issuer.resource_token(API)));

    println!("# 2. Organization permission: aud is urn:logto:organization:acme.");
    let members = format!("-X POST {api}/orgs/acme/members");
    let inviter = issuer.organization_token("acme").scope("invite:member");
    curl("200: a token of acme, on a route of acme", &members, Some(&inviter));
    curl("401: the token expired an hour ago", &members, Some(&inviter.clone().expired()));
    let other = issuer.organization_token("globex").scope("invite:member");
    curl("403: a token of globex, on a route of acme", &members, Some(&other));

    println!("# 3. API resource within an organization: aud is this API, organization_id is acme.");
    let orders = format!("{api}/orgs/acme/orders");
    let clerk = issuer.organization_resource_token(API, "acme").scope("read:orders");
    curl("200: the token is for this API within acme", &orders, Some(&clerk));
    curl("401: signed with a key that the issuer never published", &orders, Some(&clerk.clone().forged()));
    let anywhere = issuer.resource_token(API).scope("read:orders");
    curl("403: read:orders, but of no organization in particular", &orders, Some(&anywhere));
}

fn curl(what_it_shows: &str, request: &str, token: Option<&TokenBuilder>) {
    let authorization = token.map(|token| format!(" -H 'Authorization: Bearer {}'", token.mint())).unwrap_or_default();
    println!("# {what_it_shows}\ncurl -i {request}{authorization}\n");
}

async fn ctrl_c() {
    // An error means that the signal cannot be listened to: then there is nothing to wait for.
    _ = tokio::signal::ctrl_c().await;
}

//! Which organization a request is about: `cargo run --example organizations`.
//!
//! The path, a header or the host says it, and the token must be of the same one. Prints `curl` lines, then serves
//! until Ctrl-C.

use orgate::policy::{any_organization, header, path, resource, subdomain};
use orgate::testing::TestIssuer;
use orgate::{Guard, Organization, ResourceServer};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build()?;

    let read = || resource().scope("read:orders");
    let guard: Guard = server
        .guard()
        .get("/by-path/{org}/orders", orders, read().in_organization(path("org")))
        .get("/by-header/orders", orders, read().in_organization(header("x-organization-id")))
        .get("/by-host/orders", orders, read().in_organization(subdomain("example.com")))
        // The request names none: the handler works for whatever organization the token is for.
        .get("/by-token/orders", orders, read().in_organization(any_organization()))
        // To a stranger, an organization that exists and one that does not look the same: 404.
        .get("/hidden/{org}/orders", orders, read().in_organization(path("org")).hide_organization());
    println!("{guard}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}", listener.local_addr()?);
    let acme = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
    for (what_it_shows, request) in [
        ("200: path and token agree", format!("{api}/by-path/acme/orders")),
        ("403: the path says globex, the token acme", format!("{api}/by-path/globex/orders")),
        ("200: header and token agree", format!("{api}/by-header/orders -H 'X-Organization-Id: acme'")),
        ("403: the header is missing", format!("{api}/by-header/orders")),
        (
            "403: the header is there twice",
            format!("{api}/by-header/orders -H 'X-Organization-Id: acme' -H 'X-Organization-Id: globex'"),
        ),
        ("200: host and token agree", format!("{api}/by-host/orders -H 'Host: acme.example.com'")),
        ("403: the host says globex", format!("{api}/by-host/orders -H 'Host: globex.example.com'")),
        ("200: any organization, acme by the token", format!("{api}/by-token/orders")),
        ("200: hidden to strangers, not to members", format!("{api}/hidden/acme/orders")),
        ("404: hidden, and no challenge", format!("{api}/hidden/globex/orders")),
    ] {
        println!("# {what_it_shows}\ncurl -i {request} -H 'Authorization: Bearer {acme}'\n");
    }
    println!("# Serving until Ctrl-C.");
    axum::serve(listener, guard.into_router()?).await?;
    Ok(())
}

async fn orders(org: Organization) -> String {
    format!("orders of {org}\n")
}

//! An API whose OpenAPI document says what each route requires: `cargo run --example openapi`.
//!
//! It prints the document's security, then `curl` lines, and serves until Ctrl-C. With the folder of the npm package
//! `swagger-ui-dist` as an argument, it serves Swagger UI at `/`, and with an issuer and the id of a client as the next ones,
//! readers can sign in there: register `/oauth2-redirect.html` as a redirect URI of that client.

#![allow(clippy::exhaustive_structs, clippy::needless_for_each, reason = "as utoipa's macros write them")]

use std::path::PathBuf;

use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use orgate::ResourceServer;
use orgate::axum::DocumentedGuard;
use orgate::openapi::Scheme;
use orgate::policy::{optional, organization, path, resource};
use orgate::testing::TestIssuer;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::routes;

const API: &str = "https://api.example.com";

#[derive(OpenApi)]
#[openapi(info(title = "Shop", version = "1", description = "A shop", license(name = "MIT", identifier = "MIT")), servers((url = "/")))]
struct Shop;

#[derive(Serialize, ToSchema)]
struct Order {
    id: u32,
}

/// The orders of an organization
#[utoipa::path(
    get, path = "/orgs/{org}/orders", params(("org" = String, Path, description = "The organization")),
    responses((status = 200, description = "The orders", body = Vec<Order>))
)]
async fn list_orders() -> Json<Vec<Order>> {
    Json(vec![Order { id: 1 }])
}

/// A new order
#[utoipa::path(
    post, path = "/orgs/{org}/orders", params(("org" = String, Path, description = "The organization")),
    responses((status = 200, description = "The order", body = Order))
)]
async fn new_order() -> Json<Order> {
    Json(Order { id: 2 })
}

/// A new member of an organization
#[utoipa::path(
    post, path = "/orgs/{org}/members", params(("org" = String, Path, description = "The organization")),
    responses((status = 200, description = "The member is invited", body = String))
)]
async fn invite() -> &'static str {
    "invited"
}

/// The products, with prices for those who are signed in
#[utoipa::path(get, path = "/products", responses((status = 200, description = "The products", body = Vec<String>)))]
async fn list_products() -> Json<Vec<String>> {
    Json(vec!["tea".to_owned()])
}

/// Whether the API is up
#[utoipa::path(get, path = "/health", responses((status = 200, description = "It is", body = String)))]
async fn health() -> &'static str {
    "up"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let viewer_folder = arguments.next().map(PathBuf::from);
    let foreign = arguments.next().zip(arguments.next());
    let issuer = TestIssuer::start().await;
    let trusted = foreign.as_ref().map_or(issuer.url(), |(foreign, _)| foreign);
    let server = ResourceServer::builder(trusted, API)
        .scopes([
            ("read:orders", "See orders"),
            ("write:orders", "Place orders"),
            ("invite:member", "Invite members"),
            ("read:products", "See products and prices"),
        ])
        .build()?;
    let within = || resource().in_organization(path("org"));
    let guard: DocumentedGuard = server
        .documented_guard()
        .routes(routes!(list_orders), within().scope("read:orders"))
        .routes(routes!(new_order), within().all_of(["read:orders", "write:orders"]))
        .routes(routes!(invite), organization(path("org")).scope("invite:member"))
        .routes(routes!(list_products), optional(resource().scope("read:products")))
        .public_routes(routes!(health));
    println!("{guard}");
    let (router, document) = guard.split_for_parts(Shop::openapi(), &Scheme::logto("logto"))?;
    println!("{}\n", document.to_pretty_json()?);

    let router = match viewer_folder {
        Some(folder) => router.merge(viewer(&folder, foreign.map(|(_, client)| client))?),
        None => router,
    };
    // What is added here is outside the guard: the document is for everybody.
    let router = router.route("/openapi.json", get(move || std::future::ready(Json(document.clone()))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    println!("# 200: the document\ncurl -i {origin}/openapi.json\n");
    let token = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
    println!(
        "# 200: what the document says is enough\ncurl -i {origin}/orgs/acme/orders -H 'Authorization: Bearer {token}'\n"
    );
    println!(
        "# 403: and what it says is not\ncurl -i -X POST {origin}/orgs/acme/orders -H 'Authorization: Bearer {token}'\n"
    );
    println!("# 401: a response that the document names\ncurl -i {origin}/orgs/acme/orders\n");
    println!("# Serving {origin} until Ctrl-C.");
    axum::serve(listener, router).with_graceful_shutdown(ctrl_c()).await?;
    Ok(())
}

/// Swagger UI, from its npm package. A sign-in must name the resource indicator, or its token is for no API.
fn viewer(folder: &std::path::Path, client: Option<String>) -> std::io::Result<Router> {
    let page = r##"<!doctype html><title>Shop</title><link rel="stylesheet" href="swagger-ui.css"><div id="ui"></div>
<script src="swagger-ui-bundle.js"></script><script>
const ui = SwaggerUIBundle({ url: "openapi.json", dom_id: "#ui" });
ui.initOAuth({ clientId: "CLIENT", usePkceWithAuthorizationCodeGrant: true, additionalQueryStringParams: { resource: "RESOURCE" } });
</script>"##;
    let page = page.replace("RESOURCE", API).replace("CLIENT", &client.unwrap_or_default());
    let file = |name: &str, kind: &'static str| {
        let text = std::fs::read_to_string(folder.join(name))?;
        Ok::<_, std::io::Error>(get(move || std::future::ready(([("content-type", kind)], text.clone()))))
    };
    Ok(Router::new()
        .route("/", get(Html(page)))
        .route("/oauth2-redirect.html", file("oauth2-redirect.html", "text/html")?)
        .route("/oauth2-redirect.js", file("oauth2-redirect.js", "text/javascript")?)
        .route("/swagger-ui.css", file("swagger-ui.css", "text/css")?)
        .route("/swagger-ui-bundle.js", file("swagger-ui-bundle.js", "text/javascript")?))
}

async fn ctrl_c() {
    // An error means that the signal cannot be listened to: then there is nothing to wait for.
    _ = tokio::signal::ctrl_c().await;
}

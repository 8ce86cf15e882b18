//! A guard that states the model once, and one JSON body for every error: `cargo run --example one_model`.

use std::error::Error;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orgate::policy::{path, resource, scope};
use orgate::respond::RejectionBody;
use orgate::testing::TestIssuer;
use orgate::{Guard, Organization, ResourceServer};
use serde_json::{Value, json};

const API: &str = "https://api.example.com";

fn envelope(code: &str, message: &str) -> Value {
    json!({ "ok": false, "code": code, "message": message })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In production: Issuer::logto("https://tenant.logto.app").
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API)
        .rejection_body(|rejection, _| {
            RejectionBody::json(&envelope(rejection.kind().as_str(), rejection.description()))
        })
        .build()?;

    let orders: Guard = server
        .guard()
        .require(resource().in_organization(path("org")))
        .get("/orders", list, scope("read:orders"))
        .post("/orders", create, scope("write:orders"));
    let guard: Guard = server.guard().nest("/orgs/{org}", orders).public_fallback(not_found);
    println!("{guard}");
    let app = guard.into_router()?.method_not_allowed_fallback(wrong_method);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}", listener.local_addr()?);
    let token = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
    for (what_it_shows, arguments) in [
        (
            "200: the token holds the scope of the route",
            format!("{api}/orgs/acme/orders -H 'Authorization: Bearer {token}'"),
        ),
        (
            "403: the token is for another organization",
            format!("{api}/orgs/globex/orders -H 'Authorization: Bearer {token}'"),
        ),
        ("403: a scope is missing", format!("-X POST {api}/orgs/acme/orders -H 'Authorization: Bearer {token}'")),
        ("401: no token", format!("{api}/orgs/acme/orders")),
        ("404: no such route, in the same shape", format!("{api}/nowhere")),
        ("405: no such method, in the same shape", format!("-X DELETE {api}/orgs/acme/orders")),
    ] {
        println!("# {what_it_shows}\ncurl -i {arguments}\n");
    }
    println!("# Serving until Ctrl-C.");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn list(org: Organization) -> String {
    format!("orders of {}\n", org.id())
}

async fn create(org: Organization) -> String {
    format!("a new order of {}\n", org.id())
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(envelope("not_found", "There is no such resource."))).into_response()
}

async fn wrong_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, Json(envelope("wrong_method", "The resource has no such method."))).into_response()
}

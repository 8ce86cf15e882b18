//! A readiness probe and a watch on the keys: what an operator wires up.
//!
//! ```text
//! cargo run --example readiness
//! ```
//!
//! An issuer and an API in one process. The issuer goes down and comes back; the probe, the events and the status tell.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use orgate::issuer::keys::KeyEvent;
use orgate::policy::resource;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(Issuer::new(issuer.url()).name("customers"), API)
        .clock(issuer.clock())
        .on_key_event(|issuer, event| match event {
            KeyEvent::Fetched { added, removed, .. } => println!("  event: {issuer}: new {added:?}, gone {removed:?}"),
            KeyEvent::Failed { reason, retry_in, .. } => println!("  event: {issuer}: {reason}; again in {retry_in:?}"),
            other => println!("  event: {issuer}: {other:?}"),
        })
        .build()?;
    let app = server
        .guard()
        .get("/orders", || async { "orders" }, resource())
        .public("/ready", get(ready))
        .into_router()?
        .with_state(server.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    println!("The first probe fetches the keys:");
    probe(&base).await?;

    println!("The issuer is down, and the keys are past their life time of ten minutes:");
    issuer.fail_always(Endpoint::All, Fault::Status(503));
    issuer.clock().advance(Duration::from_secs(11 * 60));
    let token = issuer.resource_token(API).mint();
    let answer = reqwest::Client::new().get(format!("{base}/orders")).bearer_auth(&token).send().await?;
    println!("  a good token: {}", answer.status());
    probe(&base).await?;

    println!("A day later it is still down:");
    issuer.clock().advance(Duration::from_secs(24 * 60 * 60));
    probe(&base).await?;

    println!("It is back, and somebody asks for its keys by hand, without waiting for the back-off:");
    issuer.recover();
    server.issuer("customers")?.refresh_keys().await?;
    probe(&base).await?;
    Ok(())
}

/// Ready while the tokens of every issuer can be verified: `ready()` fetches what is due, and `keys()` only looks. (With
/// tenants that come and go, one that is down should not take the whole server out of rotation: then look at the issuers
/// that matter.)
async fn ready(State(server): State<ResourceServer>) -> (StatusCode, Json<Value>) {
    let status = if server.ready().await.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // `last_error` may hold URLs: it belongs to the log, not here.
    let body = server.keys().into_iter().map(|set| {
        json!({
            "issuer": set.issuer_name(),
            "state": format!("{:?}", set.state()),
            "age_seconds": set.age().map(|age| age.as_secs()),
            "keys": set.key_ids().len(),
        })
    });
    (status, Json(body.collect()))
}

async fn probe(base: &str) -> Result<(), reqwest::Error> {
    let answer = reqwest::get(format!("{base}/ready")).await?;
    println!("  GET /ready: {} {}", answer.status(), answer.text().await?);
    Ok(())
}

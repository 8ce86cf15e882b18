//! An API for a real Logto tenant, configured by the environment:
//!
//! ```text
//! LOGTO_ISSUER=https://tenant.logto.app/oidc API_RESOURCE=https://api.example.com cargo run --example logto
//! ```
//!
//! `LISTEN` sets the address (default `127.0.0.1:3000`), `RUST_LOG=orgate=debug` shows why a request was rejected.

use std::env;
use std::error::Error;

use axum::routing::get;
use orgate::policy::{authenticated, organization, path, resource};
use orgate::{AccessToken, Guard, Organization, ResourceServer};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    if let Err(error) = run().await {
        tracing::error!("{error}");
        std::process::exit(1);
    }
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let issuer = required("LOGTO_ISSUER", "the issuer of the tenant, like https://tenant.logto.app/oidc")?;
    let resource_indicator = required("API_RESOURCE", "the API identifier, as registered in the Logto console")?;
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());

    let server = ResourceServer::builder(issuer, resource_indicator).build()?;

    // Optional: without it the first request fetches the keys. An issuer that is down now may be up in a minute, so
    // this API starts all the same and answers 503 until then. Return the error instead to fail at boot.
    match server.ready().await {
        Ok(()) => tracing::info!("the keys of the issuer are there"),
        Err(error) => tracing::warn!("{error}"),
    }

    let guard: Guard = server
        .guard()
        .get("/whoami", who_am_i, authenticated())
        .get("/products", list_products, resource().scope("read:products"))
        .post("/orgs/{org}/members", invite, organization(path("org")).scope("invite:member"))
        .get("/orgs/{org}/orders", list_orders, resource().in_organization(path("org")).scope("read:orders"))
        .public("/health", get(|| async { "ok\n" }));
    for route in guard.to_string().lines() {
        tracing::info!("{route}");
    }

    let listener = tokio::net::TcpListener::bind(&listen).await.map_err(|error| format!("LISTEN={listen}: {error}"))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, guard.into_router()?).await?;
    Ok(())
}

fn required(name: &str, meaning: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}; set it to {meaning}"))
}

async fn who_am_i(token: AccessToken) -> String {
    format!(
        "{:?} {}, client {}, scopes {:?}, organization claim {:?}\n",
        token.subject().kind(),
        token.subject(),
        token.client_id().unwrap_or("unknown"),
        token.scopes().collect::<Vec<_>>(),
        token.organization_claim(),
    )
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

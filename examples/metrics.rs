//! Metrics on a port of their own, as Prometheus scrapes them: `cargo run --example metrics`.
//!
//! It prints the addresses and `curl` lines with real tokens in them, and serves until Ctrl-C. `deploy/prometheus/` holds
//! alert rules for what it shows.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use orgate::future::BoxFuture;
use orgate::metrics::DURATION_BUCKETS;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{organization, path, resource};
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{Issuer, ResourceServer};
use tokio::net::TcpListener;

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the server is built: what is counted earlier is lost.
    let prometheus = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS)?.install_recorder()?;

    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).name("customers").permissions(EveryOther::default());
    let server = ResourceServer::builder(entry, API).metrics().build()?;
    let guard = server
        .guard()
        .get("/products", || async { "products\n" }, resource().scope("read:products"))
        .post("/orgs/{org}/members", || async { "invited\n" }, organization(path("org")).scope("invite:member"))
        .get("/reports", || async { "reports\n" }, resource().scope("read:reports").live());

    let api = TcpListener::bind("127.0.0.1:0").await?;
    // Metrics are not for the API's callers: they have a port that only the operator's network reaches.
    let operator = TcpListener::bind("127.0.0.1:0").await?;
    let metrics = Router::new().route("/metrics", get(move || async move { scrape(&server, &prometheus) }));
    print_requests(&issuer, &format!("http://{}", api.local_addr()?));
    let scraped = operator.local_addr()?;
    println!(
        "# Metrics, at http://{scraped}/metrics\n# 200: what was counted so far\ncurl -s http://{scraped}/metrics\n"
    );
    println!("# Serving until Ctrl-C.");
    tokio::spawn(async move { axum::serve(operator, metrics).await });
    axum::serve(api, guard.into_router()?).with_graceful_shutdown(ctrl_c()).await?;
    Ok(())
}

fn scrape(server: &ResourceServer, prometheus: &PrometheusHandle) -> String {
    server.update_metrics();
    prometheus.run_upkeep();
    prometheus.render()
}

/// A source of permissions that answers every other question.
#[derive(Default)]
struct EveryOther(AtomicBool);

impl PermissionSource for EveryOther {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let fails = self.0.fetch_xor(true, Ordering::Relaxed);
        let outcome = if fails { Err(SourceError::new("not now")) } else { Ok(Permissions::of(["read:reports"])) };
        Box::pin(std::future::ready(outcome))
    }
}

fn print_requests(issuer: &TestIssuer, api: &str) {
    let products = format!("{api}/products");
    let reader = issuer.resource_token(API).scope("read:products");
    curl("200: allowed", &products, Some(&reader));
    curl("401: denied, no token", &products, None);
    curl("403: denied, the token lacks read:products", &products, Some(&issuer.resource_token(API)));
    let members = format!("-X POST {api}/orgs/acme/members");
    let other = issuer.organization_token("globex").scope("invite:member");
    curl("403: denied, a token of globex on a route of acme", &members, Some(&other));
    let reports = format!("{api}/reports");
    let (one, another) = ("a-user", "another-user");
    let analyst = |user: &str| issuer.resource_token(API).subject(user).scope("read:reports");
    curl("200: allowed, once the permission source was asked", &reports, Some(&analyst(one)));
    curl("503: undecided, since the source did not answer", &reports, Some(&analyst(another)));
}

fn curl(what_it_shows: &str, request: &str, token: Option<&TokenBuilder>) {
    let authorization = token.map(|token| format!(" -H 'Authorization: Bearer {}'", token.mint())).unwrap_or_default();
    println!("# {what_it_shows}\ncurl -i {request}{authorization}\n");
}

async fn ctrl_c() {
    // An error means that the signal cannot be listened to: then there is nothing to wait for.
    _ = tokio::signal::ctrl_c().await;
}

//! Rejections in the application's own JSON, with its own error from a `check`: `cargo run --example custom_rejection`.
//!
//! The hook shapes the body only. Status, challenge, `Retry-After` and `Cache-Control` stay what they are.

use std::error::Error;
use std::fmt;

use orgate::policy::{Facts, path, resource};
use orgate::respond::RejectionBody;
use orgate::scope::Scope;
use orgate::testing::TestIssuer;
use orgate::{Guard, Organization, Rejection, ResourceServer};
use serde_json::json;

const API: &str = "https://api.example.com";

/// The application's own reason to say no.
#[derive(Debug)]
struct PlanTooSmall {
    needed: &'static str,
}

impl fmt::Display for PlanTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this needs the plan {}", self.needed)
    }
}

impl Error for PlanTooSmall {}

/// Runs after everything else in the policy holds, so the organization is a verified one.
fn has_plan(facts: &Facts<'_>) -> Result<(), PlanTooSmall> {
    let is_pro = facts.organization().is_some_and(|org| org.id() == "acme");
    if is_pro { Ok(()) } else { Err(PlanTooSmall { needed: "pro" }) }
}

fn shape(rejection: &Rejection) -> RejectionBody {
    let own = rejection.source().and_then(|error| error.downcast_ref::<PlanTooSmall>());
    let message = own.map_or_else(|| rejection.description().to_owned(), ToString::to_string);
    let missing: Vec<&str> = rejection.missing_scopes().iter().map(Scope::as_str).collect();
    RejectionBody::json(&json!({
        "ok": false,
        "code": if own.is_some() { "plan_too_small" } else { rejection.remediation().as_str() },
        "message": message,
        "missing": missing,
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).rejection_body(|rejection, _| shape(rejection)).build()?;

    let exports = resource().in_organization(path("org")).scope("export:orders").check("plan has exports", has_plan);
    let guard: Guard = server.guard().get("/orgs/{org}/export", export, exports);
    println!("{guard}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}", listener.local_addr()?);
    for (what_it_shows, org, scope) in [
        ("200: acme has the plan", "acme", "export:orders"),
        ("403: globex has not, and the body says so in the application's words", "globex", "export:orders"),
        ("403: the scope is missing", "acme", "read:orders"),
    ] {
        let token = issuer.organization_resource_token(API, org).scope(scope).mint();
        println!("# {what_it_shows}\ncurl -i {api}/orgs/{org}/export -H 'Authorization: Bearer {token}'\n");
    }
    println!("# 401: no token, in the same shape\ncurl -i {api}/orgs/acme/export\n");
    println!("# Serving until Ctrl-C.");
    axum::serve(listener, guard.into_router()?).await?;
    Ok(())
}

async fn export(org: Organization) -> String {
    format!("orders of {org}, exported\n")
}

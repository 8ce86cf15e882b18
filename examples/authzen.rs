//! A policy decision point that speaks OpenID AuthZEN 1.0: what it is asked, and what its answers mean.
//!
//! ```text
//! ORGATE_PDP=https://pdp.example.com ORGATE_PDP_TOKEN=... cargo run --example authzen
//! ```
//!
//! With Cerbos on this machine (`tests/cerbos`): `node tests/cerbos/pdp.mjs cargo run --example authzen`.

use orgate::authzen::AuthZen;
use orgate::decision::{Decider, DecisionRequest, Resource};
use orgate::testing::TestDecisionRequest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut pdp = AuthZen::builder(std::env::var("ORGATE_PDP")?)
        // A habit of Cerbos, and harmless elsewhere: it wants a subject's roles under this name.
        .map(|request, evaluation| {
            let roles: Vec<&str> = request.scopes().filter_map(|scope| scope.strip_prefix("role:")).collect();
            evaluation.set_subject_property("cerbos.roles", roles);
        });
    if let Ok(token) = std::env::var("ORGATE_PDP_TOKEN") {
        pdp = pdp.bearer_token(token);
    }
    let pdp = pdp.build()?;
    // Optional: fails here rather than with the first request.
    pdp.ready().await?;
    let decider = Decider::builder(pdp).build()?;

    println!("One at a time:");
    for (user, action) in [("alice", "delete"), ("bob", "edit"), ("bob", "delete"), ("carol", "edit")] {
        let request = wants(user, "acme", action, "d-1");
        match decider.decide(&request).await {
            Ok(decision) if decision.is_allowed() => println!("  {user} may {action}"),
            Ok(decision) => println!("  {user} must not {action}; why, the log may say: {:?}", decision.reason()),
            // No decision is no denial: an API answers 503 here, and 403 above.
            Err(error) => println!("  {user} to {action}: {error}, to be tried again after {:?}", error.retry_after()),
        }
    }

    println!("A list, in one go:");
    let requests = ["acme", "globex"].map(|organization| wants("alice", organization, "read", "d-1"));
    for (request, decision) in requests.iter().zip(decider.decide_all(&requests).await?) {
        let verdict = if decision.is_allowed() { "may" } else { "must not" };
        println!("  alice {verdict} read in {}", request.organization_id().unwrap_or("no organization"));
    }

    // The point has new policies: everything is asked again. About one user, `forget_subject` with the handle of the issuer.
    decider.forget_all();
    Ok(())
}

/// Behind a route this is `DecisionRequest::new(&token, ..).organization(&organization)`, of verified values.
fn wants(user: &str, organization: &str, action: &str, document: &str) -> DecisionRequest {
    let role = match user {
        "alice" => "role:admin",
        "bob" => "role:editor",
        _ => "role:viewer",
    };
    TestDecisionRequest::user(user)
        .scope(role)
        .organization(organization)
        .wants(action, Resource::new("document", document).property("owner", "bob"))
        .subject_property("member_of", "acme")
}

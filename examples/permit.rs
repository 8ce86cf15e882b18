//! Permit.io, told by Logto's webhooks who is a member of what, and asked what a member may do.
//!
//! ```text
//! cargo run --example permit
//! ```
//!
//! A Logto tenant and a Permit.io in this process, both doubles on loopback.

use orgate::decision::{Decider, Resource};
use orgate::logto::webhooks::{SigningKeys, verify};
use orgate::permit::{Permit, PermitBridge};
use orgate::testing::{TestDecisionRequest, TestPermit, TestTenant};
use orgate::{Issuer, ResourceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let logto = TestTenant::start().await;
    let permit_io = TestPermit::start().await;
    // What an administrator sets up at Permit.io: members of a tenant read its documents.
    permit_io.permission("member", "read", "document");

    let permit = Permit::builder(permit_io.url(), TestPermit::KEY).api(permit_io.url()).build()?;
    let bridge = PermitBridge::builder(permit.clone(), "member").build()?;
    let decider = Decider::builder(permit).build()?;
    let entry = Issuer::new(logto.issuer().url()).name("main");
    let server = ResourceServer::builder(entry, "https://api.example.com").decision_point(decider.clone()).build()?;
    let keys = SigningKeys::new([logto.signing_key()])?;

    logto.add_organization("acme");
    logto.add_organization("globex");
    println!("alice registers, and becomes a member of acme:");
    logto.add_user("alice");
    logto.add_member("acme", "alice");
    deliver(&logto, &keys, &bridge).await?;
    check(&decider, true, "acme").await?;
    check(&decider, false, "globex").await?;

    println!("She leaves acme:");
    logto.remove_member("acme", "alice");
    deliver(&logto, &keys, &bridge).await?;
    // A decision is remembered for some seconds; what the webhook says makes it forgotten at once.
    decider.forget_organization(&server.issuer("main")?, "acme")?;
    check(&decider, false, "acme").await?;

    println!("The queue: {:?}", bridge.status());
    Ok(())
}

/// What a route for webhooks does with each delivery. The queue is worked off by a task, `bridge.work()`; here it is
/// done at once, to see what follows.
async fn deliver(
    logto: &TestTenant,
    keys: &SigningKeys,
    bridge: &PermitBridge,
) -> Result<(), Box<dyn std::error::Error>> {
    for delivery in logto.take_deliveries() {
        let event = verify(delivery.headers(), delivery.body(), keys)?;
        println!("  webhook: {}", event.name());
        bridge.take(&event);
    }
    bridge.work_off().await;
    Ok(())
}

/// Behind a route: `DecisionRequest::new(&token, "read", document).organization(&organization)`.
async fn check(decider: &Decider, expected: bool, organization: &str) -> Result<(), Box<dyn std::error::Error>> {
    let request = TestDecisionRequest::user("alice").organization(organization);
    let decision = decider.decide(&request.wants("read", Resource::new("document", "d-1"))).await?;
    println!("  alice {} read in {organization}", if decision.is_allowed() { "may" } else { "must not" });
    assert_eq!(decision.is_allowed(), expected);
    Ok(())
}

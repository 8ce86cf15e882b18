//! Decides outside HTTP: a queue consumer that judges a policy from its configuration.
//!
//! `cargo run --example authorize`

use http::request::Parts;
use orgate::organization::PathParams;
use orgate::testing::TestIssuer;
use orgate::{Policy, ResourceServer};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build()?;
    let policy: Policy = "organization from path {org} and scope export:orders".parse()?;
    let export = server.requirement(policy)?;

    let token = issuer.organization_token("acme").subject("alice").scope("export:orders").mint();
    for (org, token) in [("acme", &*token), ("globex", &*token), ("acme", "not a token")] {
        let Ok(sender) = server.verify(token).await else {
            println!("{org}: dropped, the message has no valid token");
            continue;
        };
        match export.authorize(&mut message(org, token)?).await {
            Ok(_) => println!("{org}: exporting for {}", sender.subject()),
            Err(rejection) => println!("{org}: dropped, {rejection}"),
        }
    }
    Ok(())
}

/// A message as a policy reads it: its token, and the organization it is about.
fn message(org: &str, token: &str) -> http::Result<Parts> {
    let request = http::Request::builder().header("authorization", format!("Bearer {token}")).body(())?;
    let (mut parts, ()) = request.into_parts();
    parts.extensions.insert(PathParams::new([("org", org)]));
    Ok(parts)
}

//! Six requests that are rejected, and why: `cargo run --example explain`.
//!
//! Each explanation shows every step of the decision with what was expected and what was found, then the response as a client
//! receives it.

use std::time::Duration;

use orgate::organization::PathParams;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{organization, path, resource};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";

/// Says what a subject holds now: here, no subject may write.
struct ReadOnly;

impl PermissionSource for ReadOnly {
    fn permissions<'a>(
        &'a self,
        _: &'a PermissionQuery,
    ) -> orgate::future::BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async { Ok(Permissions::of(["read:orders"])) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).name("customers").permissions(ReadOnly);
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build()?;

    let products = server.requirement(resource().scope("read:products"))?;
    let members = server.requirement(
        organization(path("org")).scope("invite:member").or(resource().scope("admin").about(path("org"))),
    )?;
    let orders = server.requirement(resource().scope("write:orders").live())?;

    let reader = issuer.resource_token(API).client("web").scope("read:products");
    let news = issuer.resource_token(API).client("web").scope("read:news");
    let member = issuer.organization_token("acme").client("web").scope("invite:member");
    let writer = issuer.resource_token(API).client("web").scope("write:orders");
    let cases = [
        ("no token", &products, None),
        ("a token that expired an hour ago", &products, Some(reader.clone().expired())),
        ("a token for another API", &products, Some(reader.audience(["https://other.example.com"]))),
        ("a token without the scope", &products, Some(news)),
        ("a token of another organization", &members, Some(member)),
        ("a token whose subject no longer holds its scope", &orders, Some(writer.expires_in(Duration::from_secs(60)))),
    ];
    for (number, (case, requirement, token)) in cases.into_iter().enumerate() {
        let mut request = http::Request::get("/orgs/globex/members");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.mint()));
        }
        let (mut parts, ()) = request.body(())?.into_parts();
        parts.extensions.insert(PathParams::new([("org", "globex")]).route("/orgs/{org}/members"));

        let explanation = requirement.explain(&mut parts).await;
        let response = explanation.response.as_ref().ok_or("the request would pass")?;
        println!("# {}. {case}: {}\n\n{explanation}", number + 1, response.status);
    }
    Ok(())
}

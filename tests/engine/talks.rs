//! The records of each conversation about permissions, whole.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::engine::Requirement;
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{Policy, organization, path, resource};
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

use crate::authorize::parts;
use crate::lines::{Lines, is_as_written};
use crate::web::RESOURCE;

/// Says what it is told to say.
#[derive(Clone)]
pub(crate) struct Says(Arc<Mutex<Result<Permissions, SourceError>>>);

impl Says {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Ok(Permissions::none()))))
    }

    pub(crate) fn says(&self, said: Result<Permissions, SourceError>) {
        *self.0.lock().unwrap() = said;
    }
}

impl PermissionSource for Says {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(std::future::ready(self.0.lock().unwrap().clone()))
    }
}

struct Talk {
    issuer: TestIssuer,
    server: ResourceServer,
    source: Says,
    lines: Lines,
}

impl Talk {
    async fn start() -> Self {
        let (issuer, source, lines) = (TestIssuer::start().await, Says::new(), Lines::default());
        let entry = Issuer::new(issuer.url()).permissions(source.clone());
        let builder = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock());
        let server = builder.observer(lines.log()).build().unwrap();
        server.ready().await.unwrap();
        Self { issuer, server, source, lines }
    }

    fn requires(&self, policy: Policy) -> Requirement {
        self.server.requirement(policy).unwrap()
    }

    /// A client that comes back with a new token each time, until it is told that nothing helps, and one time more.
    async fn goes_on(&self, requirement: &Requirement, token: &TokenBuilder, times: usize) -> Vec<Value> {
        for _ in 0..times {
            _ = requirement.authorize(&mut parts(Some(&token.mint()), "acme")).await;
            self.issuer.clock().advance(Duration::from_secs(2));
        }
        self.lines.take(times).await
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what a source says")]
fn of(scopes: &[&str]) -> Result<Permissions, SourceError> {
    Ok(Permissions::of(scopes.iter().copied()))
}

/// Each conversation, from its first record to its last.
async fn talks() -> Vec<(&'static str, Vec<Value>)> {
    let talk = Talk::start().await;
    let user = |scope: &str| talk.issuer.resource_token(RESOURCE).client("web").scope(scope);
    let of_acme = |scope: &str| talk.issuer.organization_token("acme").client("web").scope(scope);
    let api = talk.requires(resource().scope("write").live());
    let acme = talk.requires(organization(path("org")).scope("write").live());
    let mut talks = Vec::new();

    talk.source.says(of(&["write"]));
    talks.push(("the subject holds what the token says", talk.goes_on(&api, &user("write"), 1).await));
    talk.source.says(of(&["read"]));
    talks.push(("a demotion", talk.goes_on(&api, &user("write").subject("bob"), 5).await));
    talk.source.says(Ok(Permissions::none()));
    talks.push(("a suspension", talk.goes_on(&acme, &of_acme("write").subject("eve"), 5).await));
    talk.source.says(of(&["write"]));
    let machine = user("read").machine("worker");
    talks.push(("a machine that does not ask for its scope", talk.goes_on(&api, &machine, 5).await));
    talks.push(("a new permission of an organization", talk.goes_on(&acme, &of_acme("read"), 8).await));
    talks.push(("a new scope of the API", talk.goes_on(&api, &user("read").subject("carol"), 5).await));
    talk.source.says(of(&["read"]));
    talks.push(("neither the token nor its subject", talk.goes_on(&api, &user("read").subject("dave"), 2).await));

    talk.source.says(Err(SourceError::new("the source is down")));
    talks.push(("the source does not answer", talk.goes_on(&api, &user("write"), 1).await));
    let stale = talk.requires(resource().scope("write").live().stale_if_error(Duration::from_secs(600)));
    let token_only = talk.requires(resource().scope("write").live().dangerous_token_only_on_error());
    talks.push(("what was known serves", talk.goes_on(&stale, &user("write"), 1).await));
    talks.push(("the token alone decides", talk.goes_on(&token_only, &user("write").subject("frank"), 1).await));

    let member = talk.requires(resource().for_member_of(path("org")).scope("write").live());
    let scopes = Arc::new(["read".into()].into());
    talk.source.says(Ok(Permissions::of_memberships([("acme", scopes)])));
    talks.push(("a member without the scope", talk.goes_on(&member, &user("write").subject("grace"), 2).await));
    let none: [(&str, _); 0] = [];
    talk.source.says(Ok(Permissions::of_memberships(none)));
    talks.push(("no member", talk.goes_on(&member, &user("write").subject("heidi"), 2).await));
    talks
}

#[tokio::test]
async fn each_conversation_has_its_whole_records() {
    let talks = talks().await.into_iter();
    let talks: Vec<Value> = talks.map(|(talk, records)| json!({ "talk": talk, "records": records })).collect();
    is_as_written(&talks, include_str!("talks.json"));
}

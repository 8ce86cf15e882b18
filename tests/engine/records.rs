//! One record for each decision.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::get;
use http::Method;
use orgate::engine::{Observer, Outcome, Record, WaitedFor};
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{organization, path, resource};
use orgate::testing::{TestClock, TestIssuer};
use orgate::{Issuer, ResourceServer};
use tower::ServiceExt as _;

use crate::web::{Api, RESOURCE};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Observer for Seen {
    fn decided(&self, record: &Record<'_>) {
        let words = [
            record.outcome().as_str().to_owned(),
            record.status().map_or("-".to_owned(), |status| status.as_u16().to_string()),
            record.kind().map_or("-".to_owned(), |kind| kind.as_str().to_owned()),
            record.remediation().map_or("-", |remediation| remediation.as_str()).to_owned(),
            record.method().to_string(),
            record.route().unwrap_or("-").to_owned(),
            record.policy().to_owned(),
            record.client_id().unwrap_or("-").to_owned(),
            record.organization().map_or("-", |organization| organization.id()).to_owned(),
            record.missing_scopes().iter().map(ToString::to_string).collect::<Vec<_>>().join("+"),
            record.token_cache().map_or("-", |cache| cache.as_str()).to_owned(),
            record.waits().iter().map(|wait| wait.what().as_str()).collect::<Vec<_>>().join("+"),
        ];
        self.0.lock().unwrap().push(words.join(" | "));
    }
}

struct Panics;

impl Observer for Panics {
    fn decided(&self, record: &Record<'_>) {
        assert!(record.outcome() != Outcome::Allow, "an observer that panics");
    }
}

#[tokio::test]
async fn each_decision_has_a_record_and_public_routes_have_none() {
    let seen = Seen::default();
    let api = Api::configured(|builder| builder.observer(Panics).observer(seen.clone())).await;
    let policy = organization(path("org")).scope("read");
    let app = api
        .server
        .guard()
        .get("/orgs/{org}", async || "org", policy)
        .get("/plain", async || "plain", resource().scope("all"))
        .public("/health", get(async || "ok"))
        .into_router()
        .unwrap();
    let acme = api.issuer.organization_token("acme").client("web").scope("read").mint();
    for (target, token, status) in [
        ("/orgs/acme", Some(&*acme), 200),
        ("/orgs/acme", Some(&*acme), 200),
        ("/orgs/globex", Some(&*acme), 403),
        ("/plain", Some(&*api.issuer.resource_token(RESOURCE).client("web").mint()), 403),
        ("/plain", None, 401),
        ("/health", None, 200),
        ("/missing", None, 404),
    ] {
        assert_eq!(api.ask(&app, "GET", target, token).await.status, status, "{target}");
    }
    let org = "GET | /orgs/{org} | organization from path {org} and scope read | web";
    let plain = "GET | /plain | resource and scope \"all\"";
    assert_eq!(
        *seen.0.lock().unwrap(),
        [
            format!("allow | - | - | - | {org} | acme |  | miss | key"),
            format!("allow | - | - | - | {org} | acme |  | hit | "),
            format!("deny | 403 | wrong_organization | organization_token | {org} | - |  | hit | "),
            format!("deny | 403 | insufficient_scope | request_scope | {plain} | web | - | all | miss | "),
            format!("deny | 401 | missing_token | authenticate | {plain} | - | - |  | - | "),
        ]
    );
    assert_eq!(WaitedFor::Key.as_str(), "key");
}

#[tokio::test]
async fn what_cannot_be_decided_is_undecided() {
    let seen = Seen::default();
    let api = Api::configured(|builder| builder.observer(seen.clone())).await;
    api.issuer.take_down();
    let read = api.server.requirement(resource()).unwrap();
    let token = api.token("read");
    assert_eq!(
        read.authorize(&mut crate::authorize::parts(Some(&token), "")).await.unwrap_err().status().as_u16(),
        503
    );
    let lines = seen.0.lock().unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("undecided | 503 | unavailable | retry"), "{}", lines[0]);
    assert!(!lines[0].contains(&token));
}

/// A decision's method and duration, and what was waited for, by the server's clock.
type Timed = (Method, Duration, Vec<(WaitedFor, Duration)>);

#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Timed>>>);

impl Observer for Times {
    fn decided(&self, record: &Record<'_>) {
        let waits = record.waits().iter().map(|wait| (wait.what(), wait.took())).collect();
        self.0.lock().unwrap().push((record.method().clone(), record.duration(), waits));
    }
}

/// Takes two seconds of the server's clock.
struct Slow(TestClock);

impl PermissionSource for Slow {
    fn permissions<'a>(&'a self, _query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.0.advance(Duration::from_secs(2));
        Box::pin(async { Ok(Permissions::of(["read"])) })
    }
}

#[tokio::test]
async fn record_says_by_the_servers_clock_how_long_the_decision_and_each_wait_took() {
    let (issuer, times) = (TestIssuer::start().await, Times::default());
    let entry = Issuer::new(issuer.url()).permissions(Slow(issuer.clock()));
    let builder = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).observer(times.clone());
    let server = builder.build().unwrap();
    let clock = issuer.clock();
    let policy = resource().scope("read").live().check("slow", move |_| {
        clock.advance(Duration::from_secs(1));
        true
    });
    let app = server.guard().post("/orders", async || "taken", policy).into_router().unwrap();
    let token = issuer.resource_token(RESOURCE).scope("read").mint();
    let response = app.oneshot(crate::web::request("POST", "/orders", Some(&token))).await.unwrap();
    assert_eq!(response.status(), 200);
    let seconds = Duration::from_secs;
    let waits = vec![(WaitedFor::Key, seconds(0)), (WaitedFor::Permissions, seconds(2))];
    assert_eq!(*times.0.lock().unwrap(), [(Method::POST, seconds(3), waits)]);
}

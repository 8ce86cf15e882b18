//! An API, a permission source that does what it is told, and leases of what was granted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use http::Request;
use http::request::Parts;
use orgate::change::{About, Change};
use orgate::engine::{Grant, Requirement};
use orgate::future::BoxFuture;
use orgate::lease::{EndReason, Ended, Lease};
use orgate::organization::PathParams;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::Policy;
use orgate::rejection::Remediation;
use orgate::server::{Builder, IssuerHandle};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};

pub(crate) const API: &str = "https://api.example.com";

/// Longer than anything here takes, and not so long that a failure is a nuisance.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What subjects hold; by default nothing. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<Held>);

#[derive(Default)]
struct Held {
    scopes: Mutex<HashMap<String, Vec<String>>>,
    is_down: Mutex<bool>,
    calls: AtomicUsize,
    most: Mutex<Option<u32>>,
}

impl Source {
    pub(crate) fn holds(&self, subject: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self.0.scopes.lock().unwrap().insert(subject.to_owned(), scopes);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        *self.0.is_down.lock().unwrap() = is_down;
    }

    pub(crate) fn takes_a_minute(&self, most: u32) {
        *self.0.most.lock().unwrap() = Some(most);
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(crate) async fn wait_for_calls(&self, count: usize) {
        until(|| self.calls() >= count, "a call of the source").await;
    }
}

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let held = self.0.scopes.lock().unwrap().get(query.subject_id()).cloned();
        let is_down = *self.0.is_down.lock().unwrap();
        Box::pin(async move {
            if is_down {
                return Err(SourceError::new("the source is down"));
            }
            Ok(held.map_or_else(Permissions::none, Permissions::of))
        })
    }

    fn lookups_per_minute(&self) -> Option<u32> {
        *self.0.most.lock().unwrap()
    }
}

/// An issuer, an API that trusts it, and a source that both share.
pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) source: Source,
    pub(crate) server: ResourceServer,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::configured(|builder| builder).await
    }

    pub(crate) async fn configured(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(TestIssuer::start().await, change)
    }

    pub(crate) fn of(issuer: TestIssuer, change: impl FnOnce(Builder) -> Builder) -> Self {
        let source = Source::default();
        let entry = Issuer::new(issuer.url()).name("main").permissions(source.clone());
        let server = change(ResourceServer::builder(entry, API).clock(issuer.clock())).build().unwrap();
        Self { issuer, source, server }
    }

    pub(crate) fn entry(&self) -> IssuerHandle {
        self.server.issuer("main").unwrap()
    }

    pub(crate) fn settings(&self) -> Issuer {
        Issuer::new(self.issuer.url()).name("main").permissions(self.source.clone())
    }

    pub(crate) fn now(&self) -> SystemTime {
        use orgate::time::Clock as _;
        SystemTime::UNIX_EPOCH + self.issuer.clock().now().unix
    }

    /// Both hands of the clock.
    pub(crate) fn pass(&self, seconds: f64) {
        self.issuer.clock().advance(Duration::from_secs_f64(seconds));
    }

    /// A user's token for the API.
    pub(crate) fn token(&self, subject: &str, scope: &str) -> String {
        self.issuer.resource_token(API).subject(subject).scope(scope).mint()
    }

    pub(crate) fn requirement(&self, policy: Policy) -> Requirement {
        self.server.requirement(policy).unwrap()
    }

    pub(crate) async fn grant(&self, requirement: &Requirement, token: &str) -> Grant {
        requirement.authorize(&mut request(token)).await.unwrap()
    }

    pub(crate) async fn lease(&self, policy: Policy, token: &str) -> Lease {
        self.grant(&self.requirement(policy), token).await.lease().unwrap()
    }

    pub(crate) fn apply(&self, change: impl FnOnce(&str, SystemTime) -> Change) {
        let entry = self.entry();
        entry.apply_change(&change(entry.issuer(), self.now())).unwrap();
    }

    pub(crate) fn edit(&self, about: About) {
        self.apply(|iss, at| Change::edited(iss, about, at));
    }
}

/// `GET /orgs/acme`.
pub(crate) fn request(token: &str) -> Parts {
    let request = Request::get("/orgs/acme").header("authorization", format!("Bearer {token}"));
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    parts.extensions.insert(PathParams::new([("org", "acme")]));
    parts
}

/// How it ends, whatever the clock of the server shows: it is looked at five times a second.
pub(crate) async fn end(lease: &Lease) -> (EndReason, Remediation) {
    let ended = tokio::time::timeout(LONG, lease.ended()).await.expect("an end");
    (ended.reason(), ended.remediation())
}

/// How it has ended by now, without waiting.
pub(crate) fn end_now(lease: &Lease) -> Option<Ended> {
    let ended = lease.ended().now_or_never();
    assert_eq!(ended.is_some(), lease.is_over());
    ended
}

pub(crate) async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("no {what}"));
}

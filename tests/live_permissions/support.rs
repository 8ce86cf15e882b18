//! An API, a source that does what it is told, and what a client sees.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use orgate::engine::Grant;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::Policy;
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";

/// What a call does.
#[derive(Clone, Debug, Default)]
pub(crate) enum Act {
    #[default]
    Answer,
    Fail(Option<Duration>),
    /// Until [`Script::release`]; what it says was true when it was called.
    Hold,
    Delay(Duration),
    Hang,
    Panic,
}

/// A source of permissions. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Scripted>);

#[derive(Default)]
struct Scripted {
    held: Mutex<HashMap<String, Permissions>>,
    act: Mutex<Act>,
    once: Mutex<Vec<Act>>,
    asked: watch::Sender<Vec<PermissionQuery>>,
    released: watch::Sender<()>,
}

impl Script {
    /// The subject holds this, for whatever it is asked.
    pub(crate) fn holds(&self, subject: &str, scopes: &[&str]) {
        self.says(subject, Permissions::of(scopes.iter().copied()));
    }

    pub(crate) fn says(&self, subject: &str, permissions: Permissions) {
        self.0.held.lock().unwrap().insert(subject.to_owned(), permissions);
    }

    pub(crate) fn act(&self, act: Act) {
        *self.0.act.lock().unwrap() = act;
    }

    /// The next call does this.
    pub(crate) fn once(&self, act: Act) {
        self.0.once.lock().unwrap().insert(0, act);
    }

    pub(crate) fn release(&self) {
        self.0.released.send_replace(());
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.asked.borrow().len()
    }

    pub(crate) fn asked(&self) -> Vec<PermissionQuery> {
        self.0.asked.borrow().clone()
    }

    pub(crate) async fn wait_for_calls(&self, count: usize) {
        let mut asked = self.0.asked.subscribe();
        let called = asked.wait_for(|asked| asked.len() >= count);
        tokio::time::timeout(Duration::from_secs(20), called).await.expect("a call").unwrap();
    }

    /// How many hold it beside the test.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl PermissionSource for Script {
    fn permissions<'a>(
        &'a self,
        query: &'a PermissionQuery,
    ) -> Pin<Box<dyn Future<Output = Result<Permissions, SourceError>> + Send + 'a>> {
        let script = &self.0;
        let held = script.held.lock().unwrap().get(query.subject_id()).cloned().unwrap_or_else(Permissions::none);
        let act = script.once.lock().unwrap().pop().unwrap_or_else(|| script.act.lock().unwrap().clone());
        let mut released = script.released.subscribe();
        script.asked.send_modify(|asked| asked.push(query.clone()));
        Box::pin(async move {
            match act {
                Act::Answer => {}
                Act::Fail(retry_after) => {
                    let error = SourceError::new("the source is down");
                    return Err(retry_after.map_or(error.clone(), |after| error.retry_after(after)));
                }
                Act::Hold => _ = released.changed().await,
                Act::Delay(time) => tokio::time::sleep(time).await,
                Act::Hang => std::future::pending().await,
                Act::Panic => panic!("a source that panics"),
            }
            Ok(held)
        })
    }
}

/// An issuer whose subjects the script knows about, and an API that trusts it.
pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) script: Script,
    pub(crate) server: ResourceServer,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::configured(|builder| builder).await
    }

    pub(crate) async fn configured(change: impl FnOnce(Builder) -> Builder) -> Self {
        let (issuer, script) = (TestIssuer::start().await, Script::default());
        let entry = Issuer::new(issuer.url()).name("main").permissions(script.clone());
        let server = change(ResourceServer::builder(entry, API).clock(issuer.clock())).build().unwrap();
        Self { issuer, script, server }
    }

    pub(crate) fn api(&self, policy: Policy) -> Api {
        Api::of(&self.server, &[("/", policy)])
    }

    /// A user's token for the API.
    pub(crate) fn token(&self, subject: &str, scope: &str) -> String {
        self.issuer.resource_token(API).subject(subject).scope(scope).mint()
    }

    /// Life times pass; tokens do not age.
    pub(crate) fn pass(&self, seconds: f64) {
        self.issuer.clock().advance_monotonic(Duration::from_secs_f64(seconds));
    }
}

#[derive(Clone)]
pub(crate) struct Api(Router);

impl Api {
    pub(crate) fn of(server: &ResourceServer, routes: &[(&str, Policy)]) -> Self {
        let guard = routes.iter().fold(server.guard(), |guard, (path, policy)| guard.any(path, seen, policy.clone()));
        Self(guard.into_router().unwrap())
    }

    pub(crate) async fn get(&self, token: impl AsRef<str>) -> Answer {
        self.get_at("/", token).await
    }

    pub(crate) async fn get_at(&self, path: &str, token: impl AsRef<str>) -> Answer {
        let authorization = format!("Bearer {}", token.as_ref());
        self.send(Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.0.clone().oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// What has changed since the token was issued.
async fn seen(grant: Grant) -> String {
    let words = |words: Vec<&str>| words.join(" ");
    match grant.permission_drift() {
        Some(drift) => {
            format!("lost [{}] gained [{}]", words(drift.lost().collect()), words(drift.gained().collect()))
        }
        None => "no drift".to_owned(),
    }
}

/// What a client sees.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no problem: {self:?}"))
    }

    /// The status, and what the client can do about it. Challenge, `Retry-After` and body agree with them.
    pub(crate) fn verdict(&self) -> (u16, String) {
        if self.status == 200 {
            return (200, String::new());
        }
        let problem = self.problem();
        let (remediation, challenge) = (problem["remediation"].as_str().unwrap(), self.header("www-authenticate"));
        let error = problem["error"].as_str().unwrap_or_default();
        match self.status {
            401 => assert!(error == "invalid_token" && challenge.contains("error=\"invalid_token\""), "{self:?}"),
            // What no scope would help says no error.
            403 => assert_eq!(
                error == "insufficient_scope",
                challenge.contains("error=\"insufficient_scope\", "),
                "{self:?}"
            ),
            404 | 500 => assert_eq!(challenge, ""),
            503 => assert!(challenge.is_empty() && self.header("retry-after").parse::<u64>().unwrap() > 0, "{self:?}"),
            _ => panic!("{self:?}"),
        }
        assert_eq!(self.header("cache-control"), "no-store");
        (self.status, remediation.to_owned())
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, remediation: &str) {
        assert_eq!(self.verdict(), (status, remediation.to_owned()), "{self:?}");
    }
}

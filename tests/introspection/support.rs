//! An endpoint that answers as it is told, an API that asks it, and what a client sees.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::policy::{Policy, authenticated, organization, path, resource};
use orgate::server::Builder;
use orgate::testing::{TestClock, TestIssuer};
use orgate::time::Clock as _;
use orgate::token::Introspection;
use orgate::{AccessToken, Issuer, Organization, ResourceServer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const ENDPOINT: &str = "https://issuer.example/token/introspection";
pub(crate) const SECRET: &str = "s3cret-of-the-api";

/// What the endpoint does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Says(u16, String),
    /// Says this after [`Endpoint::release`].
    Holds(String),
    Fails,
    Panics,
}

/// Clones are the same one.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<Scripted>);

struct Scripted {
    act: Mutex<Act>,
    asked: watch::Sender<Vec<Request<Bytes>>>,
    released: watch::Sender<()>,
    /// Under way, and the most there were.
    at_once: Mutex<(usize, usize)>,
}

impl Endpoint {
    fn new() -> Self {
        Self(Arc::new(Scripted {
            act: Mutex::new(Act::Fails),
            asked: watch::Sender::default(),
            released: watch::Sender::default(),
            at_once: Mutex::default(),
        }))
    }

    pub(crate) fn act(&self, act: Act) {
        *self.0.act.lock().unwrap() = act;
    }

    pub(crate) fn says(&self, answer: &Value) {
        self.act(Act::Says(200, answer.to_string()));
    }

    pub(crate) fn release(&self) {
        self.0.released.send_replace(());
    }

    pub(crate) fn count(&self) -> usize {
        self.0.asked.borrow().len()
    }

    /// The last request.
    pub(crate) fn asked(&self) -> Request<Bytes> {
        self.0.asked.borrow().last().cloned().expect("a request")
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.0.at_once.lock().unwrap().1
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        let mut asked = self.0.asked.subscribe();
        let waiting = asked.wait_for(|asked| asked.len() >= count);
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a question").unwrap();
    }
}

impl Fetch for Endpoint {
    fn fetch(
        &self,
        request: Request<Bytes>,
        _: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
        let act = self.0.act.lock().unwrap().clone();
        let mut released = self.0.released.subscribe();
        self.0.asked.send_modify(|asked| asked.push(request));
        let mut at_once = self.0.at_once.lock().unwrap();
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
        drop(at_once);
        Box::pin(async move {
            let (status, body) = match act {
                Act::Says(status, body) => (status, body),
                Act::Holds(body) => {
                    let _ = released.changed().await;
                    (200, body)
                }
                Act::Fails => return Err(FetchError::new("no route to host")),
                Act::Panics => panic!("a client that panics"),
            };
            self.0.at_once.lock().unwrap().0 -= 1;
            Ok(Response::builder().status(status).body(body.into()).unwrap())
        })
    }
}

/// An issuer of JWTs whose opaque tokens the endpoint knows about, and an API.
pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) endpoint: Endpoint,
    pub(crate) server: ResourceServer,
    pub(crate) api: Api,
}

pub(crate) fn introspection() -> Introspection {
    Introspection::new(ENDPOINT, "api", SECRET)
}

/// Every model, and every kind of subject.
pub(crate) fn routes() -> Vec<(&'static str, Policy)> {
    vec![
        ("/", authenticated()),
        ("/user", authenticated().user()),
        ("/machine", authenticated().machine()),
        ("/api", resource()),
        ("/api/a", resource().scope("a")),
        ("/own/{org}", organization(path("org")).scope("a")),
        ("/api/{org}/orders", resource().in_organization(path("org")).scope("a")),
        ("/claim", resource().claim("plan", "pro")),
    ]
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::of(introspection()).await
    }

    pub(crate) async fn of(ask: Introspection) -> Self {
        Self::configured(|builder| builder.introspection(ask)).await
    }

    pub(crate) async fn configured(change: impl FnOnce(Builder) -> Builder) -> Self {
        let (issuer, endpoint) = (TestIssuer::start().await, Endpoint::new());
        let entry = Issuer::new(issuer.url()).name("main").jwks_json(issuer.jwks_json());
        let builder =
            ResourceServer::builder(entry, API).clock(issuer.clock()).http_client(HttpClient::custom(endpoint.clone()));
        let server = change(builder).build().unwrap();
        Self { api: Api::of(&server), issuer, endpoint, server }
    }

    pub(crate) fn clock(&self) -> TestClock {
        self.issuer.clock()
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock().now().unix.as_secs()
    }

    /// A good answer about a token for the API, changed by these members; `null` takes one out.
    pub(crate) fn answer(&self, changes: Value) -> Value {
        let now = self.now();
        let mut answer = json!({
            "active": true, "token_type": "Bearer", "iss": self.issuer.url(), "sub": "u1", "client_id": "web",
            "aud": API, "scope": "a b", "iat": now, "exp": now + 3600,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => answer.as_object_mut().unwrap().remove(name),
                value => answer.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        answer
    }

    /// Life times pass; tokens do not age.
    pub(crate) fn pass(&self, seconds: f64) {
        self.clock().advance_monotonic(Duration::from_secs_f64(seconds));
    }
}

#[derive(Clone)]
pub(crate) struct Api(Router);

impl Api {
    pub(crate) fn of(server: &ResourceServer) -> Self {
        let add = |guard: orgate::Guard, (path, policy): (&str, Policy)| guard.get(path, seen, policy.any_issuer());
        Self(routes().into_iter().fold(server.guard(), add).into_router().unwrap())
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let (head, body) = self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(!body.contains(SECRET) && (token.len() < 8 || !body.contains(token)), "{body}");
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

async fn seen(token: AccessToken, organization: Option<Organization>) -> String {
    let scopes: Vec<&str> = token.scopes().collect();
    let place = organization.map_or_else(String::new, |organization| format!(" in {}", organization.id()));
    format!("{:?} {} by {:?} [{}]{place}", token.subject().kind(), token.subject(), token.client_id(), scopes.join(" "))
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status, and what the client can do about it.
    pub(crate) fn verdict(&self) -> (u16, String) {
        if self.status == 200 {
            return (200, String::new());
        }
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no problem: {self:?}"));
        let challenge = self.header("www-authenticate");
        match self.status {
            401 => assert!(challenge.contains("error=\"invalid_token\""), "{self:?}"),
            503 => assert!(challenge.is_empty() && self.header("retry-after") == "1", "{self:?}"),
            _ => {}
        }
        (self.status, problem["remediation"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, remediation: &str) {
        assert_eq!(self.verdict(), (status, remediation.to_owned()), "{self:?}");
    }
}

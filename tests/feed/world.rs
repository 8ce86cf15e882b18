//! An API with a feed, and a client that reads it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use futures_util::future::poll_fn;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use orgate::change::{About, Change, Effect};
use orgate::feed::PermissionFeed;
use orgate::policy::{organization, path, resource};
use orgate::time::Clock as _;
use orgate::{Guard, Policy};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{API, Answer, World};

pub(crate) const FRESH: Duration = Duration::from_secs(5);

/// What the feeds of the tests show.
pub(crate) const NAMED: [&str; 3] = ["read", "write", "export"];

pub(crate) fn in_organization() -> Policy {
    organization(path("org")).fresh_within(FRESH)
}

pub(crate) fn of_the_api() -> Policy {
    resource().fresh_within(FRESH)
}

/// An API with a feed for each model, and routes to ask about.
#[derive(Clone)]
pub(crate) struct Api(Router);

impl Api {
    pub(crate) fn start(world: &World) -> Self {
        Self::with(world, |feed| feed)
    }

    pub(crate) fn with(world: &World, change: impl Fn(PermissionFeed) -> PermissionFeed) -> Self {
        let guard: Guard = world
            .server
            .guard()
            .permission_feed("/orgs/{org}/permissions", change(PermissionFeed::new(in_organization()).scopes(NAMED)))
            .permission_feed("/permissions", change(PermissionFeed::new(of_the_api()).scopes(NAMED)))
            .post("/orgs/{org}/orders", async || "ordered", organization(path("org")).scope("write"))
            .get("/orgs/{org}/export", async || "exported", in_organization().and(orgate::policy::scope("export")));
        Self(guard.into_router().unwrap())
    }

    pub(crate) fn of(guard: Guard) -> Self {
        Self(guard.into_router().unwrap())
    }

    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let response = self.response(method, path, token, headers).await;
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, &[]).await
    }

    async fn response(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
    ) -> axum::response::Response {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Opens a stream.
    pub(crate) async fn open(&self, path: &str, token: &str) -> Reader {
        self.open_after(path, token, None).await
    }

    pub(crate) async fn open_after(&self, path: &str, token: &str, last: Option<&str>) -> Reader {
        let headers: Vec<(&str, &str)> = last.iter().map(|id| ("last-event-id", *id)).collect();
        let response = self.response("GET", path, token, &headers).await;
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        let (head, body) = response.into_parts();
        Reader { headers: head.headers, body, text: String::new() }
    }
}

/// One who reads a stream.
pub(crate) struct Reader {
    pub(crate) headers: HeaderMap,
    body: Body,
    text: String,
}

/// One event; without a name, a heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Value,
}

impl Reader {
    /// The next event, heartbeats left out.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let event = self.frame().await.expect("an event");
            if !event.name.is_empty() {
                return event;
            }
        }
    }

    /// The next event or heartbeat; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take() {
                return Some(event);
            }
            let next = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx));
            let frame = tokio::time::timeout(Duration::from_secs(20), next).await.expect("a frame in time")?;
            self.text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
    }

    /// What is there at once; `None` if there is nothing.
    pub(crate) fn at_once(&mut self) -> Option<Event> {
        match Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(frame)) => {
                self.text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
                self.take()
            }
            Poll::Ready(None) => panic!("the end"),
            Poll::Pending => None,
        }
    }

    /// Nothing comes, however often something is woken.
    pub(crate) async fn is_quiet(&mut self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
            assert_eq!(self.at_once(), None);
        }
    }

    pub(crate) async fn ends(&mut self) {
        assert_eq!(self.frame().await, None);
    }

    fn take(&mut self) -> Option<Event> {
        let (event, rest) = self.text.split_once("\n\n")?;
        let field = |name: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            lines.map(str::to_owned).next()
        };
        let data = field("data").map_or(Value::Null, |data| serde_json::from_str(&data).unwrap());
        let event = Event {
            name: field("event").unwrap_or_default(),
            id: field("id").unwrap_or_default(),
            retry: field("retry").map(|retry| retry.parse().unwrap()),
            data,
        };
        self.text = rest.to_owned();
        Some(event)
    }
}

impl Event {
    pub(crate) fn words(&self, member: &str) -> Vec<&str> {
        self.data[member].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
    }

    /// What was lost, gained, and what to do.
    #[track_caller]
    pub(crate) fn says(&self, lost: &[&str], gained: &[&str], remediation: &str) {
        assert_eq!((self.words("lost"), self.words("gained")), (lost.to_vec(), gained.to_vec()), "{self:?}");
        assert_eq!(self.data["remediation"], remediation, "{self:?}");
    }

    #[track_caller]
    pub(crate) fn ended(&self, reason: &str, remediation: &str) {
        assert_eq!(self.name, "end", "{self:?}");
        assert_eq!(self.data, serde_json::json!({ "reason": reason, "remediation": remediation }));
    }
}

impl World {
    pub(crate) fn organization_token(&self, subject: &str, scope: &str) -> String {
        self.issuer.organization_token("acme").subject(subject).scope(scope).mint()
    }

    pub(crate) fn machine_token(&self, machine: &str, scope: &str) -> String {
        self.issuer.resource_token(API).machine(machine).scope(scope).mint()
    }

    /// Something about what they hold has changed, and a webhook says so.
    pub(crate) fn edited(&self, about: About) {
        self.apply(about, Effect::Edited);
    }

    pub(crate) fn apply(&self, about: About, effect: Effect) {
        // The same again at the same moment is no news.
        self.issuer.clock().advance(Duration::from_millis(1));
        let handle = self.server.issuer("main").unwrap();
        handle.apply_change(&Change::new(handle.issuer(), about, effect, self.now())).unwrap();
    }

    /// Since the Unix epoch.
    pub(crate) fn seconds(&self) -> u64 {
        self.issuer.clock().now().unix.as_secs()
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.issuer.clock().now().unix
    }
}

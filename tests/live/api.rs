//! The API under test, served over HTTP.

use std::time::Duration;

use axum::Router;
use orgate::policy::{authenticated, organization, path, resource};
use orgate::server::Builder;
use orgate::testing::TestClock;
use orgate::time::{Clock as _, SystemClock};
use orgate::{AccessToken, Organization, ResourceServer};
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::issuer::{LiveIssuer, ORDERS, client};

/// Longer than a key set lives.
const LIFETIME: Duration = Duration::from_secs(11 * 60);

pub(crate) struct Api {
    pub(crate) server: ResourceServer,
    pub(crate) clock: TestClock,
    url: String,
    client: Client,
    serving: JoinHandle<()>,
}

impl Api {
    /// An API that trusts this issuer. Its clock stands still at the real time.
    pub(crate) async fn start(issuer: &LiveIssuer) -> Self {
        Self::configured(issuer, |builder| builder).await
    }

    pub(crate) async fn configured(issuer: &LiveIssuer, change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = TestClock::new(SystemClock::new().now().unix);
        let builder = ResourceServer::builder(issuer.url(), ORDERS).clock(clock.clone());
        let server = change(builder).build().expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = routes(&server);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        Self { server, clock, url, client: client(), serving }
    }

    /// A token as Bearer; without one if it is empty.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let mut request = self.client.get(format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await.expect("a body"),
        }
    }

    /// Until the key set has to be fetched anew. Tokens do not age.
    pub(crate) fn outlive_keys(&self) {
        self.clock.advance_monotonic(LIFETIME);
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn routes(server: &ResourceServer) -> Router {
    let guard = server
        .guard()
        .get("/me", seen, authenticated())
        .get("/orders", seen, resource().scope("read:orders"))
        .get("/drafts", seen, resource().scope("write:orders"))
        .get("/orgs/{org}/members", seen, organization(path("org")).scope("read:members"))
        .get("/orgs/{org}/orders", seen, resource().in_organization(path("org")).scope("read:orders"));
    guard.into_router().expect("routes")
}

async fn seen(token: AccessToken, organization: Option<Organization>) -> String {
    let place = organization.map_or_else(|| "no organization".to_owned(), |organization| organization.id().to_owned());
    format!("{:?} {} in {place}", token.subject().kind(), token.subject())
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The status, and what the body says: a handler's text, or the `remediation` of a rejection.
    pub(crate) fn verdict(&self) -> (u16, String) {
        let problem: Option<Value> = serde_json::from_str(&self.body).ok();
        let remediation = problem.and_then(|problem| problem["remediation"].as_str().map(str::to_owned));
        (self.status, remediation.unwrap_or_else(|| self.body.clone()))
    }

    pub(crate) fn challenge(&self) -> &str {
        self.header(&WWW_AUTHENTICATE)
    }

    pub(crate) fn retry_after(&self) -> u64 {
        self.header(&RETRY_AFTER).parse().unwrap_or(0)
    }

    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }
}

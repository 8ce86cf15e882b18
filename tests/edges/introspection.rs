//! Opaque tokens: to whose endpoint they are shown, and what invented ones cost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::policy::resource;
use orgate::testing::TestIssuer;
use orgate::time::Clock as _;
use orgate::token::Introspection;
use orgate::{AccessToken, Issuer, ResourceServer};
use serde_json::json;

use crate::support::{API, get};

/// An introspection endpoint that knows every token, writes down what it is shown, and may hang.
#[derive(Clone)]
struct Endpoint {
    answer: String,
    shown: Arc<Mutex<Vec<String>>>,
    hangs: Arc<AtomicBool>,
}

impl Endpoint {
    /// `iss` is optional in an answer (RFC 7662 section 2.2).
    fn of(issuer: &TestIssuer) -> Self {
        let now = issuer.clock().now().unix.as_secs();
        let answer = json!({
            "active": true, "token_type": "Bearer", "sub": "u1", "client_id": "web", "aud": API, "scope": "a",
            "iat": now, "exp": now + 3600,
        });
        Self { answer: answer.to_string(), shown: Arc::default(), hangs: Arc::default() }
    }
}

impl Fetch for Endpoint {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            self.shown.lock().unwrap().push(String::from_utf8_lossy(request.body()).into_owned());
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(Bytes::from(self.answer.clone())))
        })
    }
}

fn server(issuer: &TestIssuer, endpoint: &Endpoint) -> ResourceServer {
    ResourceServer::builder(Issuer::new(issuer.url()).name("customers").jwks_json(issuer.jwks_json()), API)
        .clock(issuer.clock())
        .http_client(HttpClient::custom(endpoint.clone()))
        .introspection(Introspection::new("https://old.example.com/introspection", "api", "secret"))
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_endpoint_of_a_removed_issuer_is_shown_no_token_of_its_successor() {
    let (old, new) = (TestIssuer::start().await, TestIssuer::start().await);
    let endpoint = Endpoint::of(&old);
    let server = server(&old, &endpoint);
    let show = async |token: AccessToken| token.issuer().to_owned();
    let app: Router = server.guard().get("/", show, resource().scope("a")).into_router().unwrap();
    assert_eq!(get(&app, "/", "opaque-token-of-the-old-one").await, StatusCode::OK);

    server.issuer("customers").unwrap().remove().unwrap();
    server.add_issuer(Issuer::new(new.url()).name("customers").jwks_json(new.jwks_json())).unwrap();
    endpoint.shown.lock().unwrap().clear();
    assert_eq!(get(&app, "/", "opaque-token-of-the-old-one").await, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&app, "/", "opaque-token-of-the-new-one").await, StatusCode::UNAUTHORIZED);
    assert_eq!(*endpoint.shown.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn invented_tokens_evict_no_answer() {
    let issuer = TestIssuer::start().await;
    let endpoint = Endpoint::of(&issuer);
    let server = server(&issuer, &endpoint);
    let app: Router = server.guard().get("/", async || "", resource().scope("a")).into_router().unwrap();
    assert_eq!(get(&app, "/", "the-good-token").await, StatusCode::OK);
    endpoint.hangs.store(true, Ordering::SeqCst);
    let sent = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..200)
        .map(|sender| {
            let (app, sent) = (app.clone(), sent.clone());
            tokio::spawn(async move {
                loop {
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    get(&app, "/", &format!("invented-{sender}-{number}")).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // The clock of the answers stands still, so that only room could end one.
    while sent.load(Ordering::SeqCst) < 20_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(get(&app, "/", "the-good-token").await, StatusCode::OK);
    }
    senders.iter().for_each(tokio::task::JoinHandle::abort);
}

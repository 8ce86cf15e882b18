//! Clients that users bring: what they answer, and what they break.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::FutureExt as _;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Request, Response, StatusCode};
use orgate::ResourceServer;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::testing::{Endpoint, TestIssuer};
use serde_json::json;

use crate::log::Log;
use crate::support::{API, Api, FAILED, REFRESHED, pass, token};

const ISSUER: &str = "https://issuer.example/oidc";

type Outcome = Result<Response<Bytes>, FetchError>;
type Answer = dyn Fn(&str, &HeaderMap) -> Outcome + Send + Sync;

/// A client made of a function from URL and headers to an answer; it remembers what it was asked.
#[derive(Clone)]
struct Scripted {
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(answer: impl Fn(&str, &HeaderMap) -> Outcome + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Fetch for Scripted {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        assert_eq!((request.method().as_str(), request.headers().contains_key(ACCEPT)), ("GET", true));
        let url = request.uri().to_string();
        self.asked.lock().unwrap().push(url.clone());
        Box::pin(async move { (self.answer)(&url, request.headers()) })
    }
}

fn found(document: impl Into<Bytes>) -> Outcome {
    Ok(Response::new(document.into()))
}

fn metadata(jwks_uri: &str) -> Outcome {
    found(json!({ "issuer": ISSUER, "jwks_uri": jwks_uri }).to_string())
}

fn status(status: StatusCode) -> Outcome {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    Ok(answer)
}

/// The issuer as this client shows it: at another name, and not over the network.
fn api(issuer: &TestIssuer, client: &Scripted) -> Api {
    Api::new(ResourceServer::builder(ISSUER, API).clock(issuer.clock()).http_client(HttpClient::custom(client.clone())))
}

fn named(issuer: &TestIssuer) -> String {
    issuer.resource_token(API).issuer(ISSUER).mint()
}

#[tokio::test]
async fn a_client_of_ones_own() {
    let issuer = TestIssuer::start().await;
    let jwks = issuer.jwks_json();
    let client = Scripted::new(move |url, _| match url {
        "https://issuer.example/oidc/.well-known/openid-configuration" => metadata("https://keys.example/jwks?a=b"),
        "https://keys.example/jwks?a=b" => found(jwks.clone()),
        _ => status(StatusCode::NOT_FOUND),
    });
    let api = api(&issuer, &client);
    assert!(api.get(named(&issuer)).await.is_ok());
    assert_eq!(client.asked().len(), 2);
    assert_eq!(issuer.requests(Endpoint::All), 0);
}

#[tokio::test]
async fn a_client_that_panics() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let broken = Arc::new(Mutex::new(true));
    let (jwks, switch) = (issuer.jwks_json(), broken.clone());
    let client = Scripted::new(move |url, _| {
        let broken = *switch.lock().unwrap();
        assert!(!broken, "the client breaks");
        if url.ends_with("jwks") { found(jwks.clone()) } else { metadata("https://issuer.example/jwks") }
    });
    let api = api(&issuer, &client);
    for _ in 0..3 {
        assert!(api.get(named(&issuer)).await.is_503());
    }
    assert_eq!((client.asked().len(), log.count(FAILED)), (1, 1));
    *broken.lock().unwrap() = false;
    pass(&issuer.clock(), 2);
    assert!(api.get(named(&issuer)).await.is_ok());
}

struct Hanging;

impl Fetch for Hanging {
    fn fetch(&self, _: Request<Bytes>, _: usize) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_client_that_hangs() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let api =
        Api::new(ResourceServer::builder(ISSUER, API).clock(issuer.clock()).http_client(HttpClient::custom(Hanging)));
    assert!(api.get(named(&issuer)).await.is_503());
    assert_eq!(log.count(FAILED), 0, "two seconds are over, five are not");
    log.wait_for("no answer within 5 s", 1).await;
    assert!(api.get(named(&issuer)).await.is_503());
}

#[tokio::test]
async fn limits_hold_for_every_client() {
    let issuer = TestIssuer::start().await;
    let huge = format!("{}{}", issuer.jwks_json(), " ".repeat(256 * 1024));
    let client = Scripted::new(move |url, _| if url.ends_with("jwks") { found(huge.clone()) } else { metadata(JWKS) });
    const JWKS: &str = "https://issuer.example/jwks";
    assert!(api(&issuer, &client).get(named(&issuer)).await.is_503());
    let unasked = Scripted::new(|url, _| match url {
        JWKS => status(StatusCode::NOT_MODIFIED),
        _ => metadata(JWKS),
    });
    assert!(api(&issuer, &unasked).get(named(&issuer)).await.is_503(), "304 without a condition is no set");
}

#[tokio::test]
async fn keys_come_over_https_alone() {
    let issuer = TestIssuer::start().await;
    for bad in
        ["http://issuer.example/jwks", "http://127.0.0.1:3001/jwks", "ftp://issuer.example/jwks", "/jwks", "jwks", ""]
    {
        let jwks = issuer.jwks_json();
        let client =
            Scripted::new(move |url, _| if url.ends_with("jwks") { found(jwks.clone()) } else { metadata(bad) });
        assert!(api(&issuer, &client).get(named(&issuer)).await.is_503(), "{bad}");
        assert_eq!(client.asked().len(), 1, "{bad}");
    }
    let jwks = issuer.jwks_json();
    let client = Scripted::new(move |url, _| match url {
        "http://issuer.example/jwks" => found(jwks.clone()),
        _ => metadata("http://issuer.example/jwks"),
    });
    let allowed = ResourceServer::builder(ISSUER, API)
        .clock(issuer.clock())
        .http_client(HttpClient::custom(client))
        .dangerous_allow_http();
    assert!(Api::new(allowed).get(named(&issuer)).await.is_ok());
}

#[tokio::test]
async fn an_entity_tag_is_sent_to_its_own_url_alone() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    // Both places give their documents the same tag, as servers do that count versions.
    let moved = Arc::new(Mutex::new((false, issuer.jwks_json())));
    let state = moved.clone();
    let client = Scripted::new(move |url, headers| {
        let (moved, jwks) = state.lock().unwrap().clone();
        let here = if moved { "https://new.example/jwks" } else { "https://old.example/jwks" };
        if !url.ends_with("jwks") {
            return metadata(here);
        }
        if headers.contains_key(IF_NONE_MATCH) {
            return status(StatusCode::NOT_MODIFIED);
        }
        let mut answer = Response::new(Bytes::from(jwks));
        answer.headers_mut().insert(ETAG, "\"1\"".parse().unwrap());
        Ok(answer)
    });
    let api = api(&issuer, &client);
    assert!(api.get(named(&issuer)).await.is_ok());
    issuer.rotate();
    pass(&issuer.clock(), 10);
    assert!(api.get(named(&issuer)).await.is_401("refresh"), "the old place has nothing new");
    *moved.lock().unwrap() = (true, issuer.jwks_json());
    pass(&issuer.clock(), 10);
    assert!(api.get(named(&issuer)).await.is_401("refresh"), "remembered");
    pass(&issuer.clock(), 20);
    assert!(api.get(named(&issuer)).await.is_ok());
    assert_eq!(log.count(REFRESHED), 3);
}

#[test]
fn a_fetch_on_a_runtime_that_nobody_drives() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stopped, driven) = (runtime(), runtime());
    let issuer = driven.block_on(TestIssuer::start());
    let api = Api::new(crate::support::builder(&issuer));
    let token = token(&issuer);
    stopped.block_on(async { assert!(api.get(&token).now_or_never().is_none()) });
    driven.block_on(async {
        let log = Log::start();
        pass(&issuer.clock(), 30);
        assert!(api.get(&token).await.is_ok(), "another one is started at once");
        assert_eq!((log.count(FAILED), issuer.requests(Endpoint::All)), (0, 2), "and that is no failure of the issuer");
    });
    drop(stopped);
    driven.block_on(async { assert!(api.get(&token).await.is_ok(), "the late end changes nothing") });
}

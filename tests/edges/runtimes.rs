//! One server in a static, and runtimes that come and go around it: the way of `#[tokio::test]`.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use orgate::change::{About, Change, Facts, Log, LogError, Update, Updates};
use orgate::future::BoxFuture;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use tokio::sync::mpsc;

use crate::support::{API, api, get, last_error};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An issuer on a thread of its own, as a real one is.
fn issuer_elsewhere() -> TestIssuer {
    let (give, take) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        give.send(runtime.block_on(TestIssuer::start())).unwrap();
        runtime.block_on(std::future::pending::<()>());
    });
    take.recv().unwrap()
}

#[test]
fn a_runtime_that_ends_takes_no_waiting_request_along() {
    let issuer = issuer_elsewhere();
    issuer.fail_always(Endpoint::Keys, Fault::Delay(Duration::from_millis(300)));
    let server = ResourceServer::builder(issuer.url(), API).build().unwrap();
    let (app, token) = (api(&server), issuer.resource_token(API).mint());
    let (other, its_token) = (app.clone(), token.clone());
    let one = std::thread::spawn(move || {
        runtime().block_on(async {
            _ = tokio::time::timeout(Duration::from_millis(100), get(&other, "/", &its_token)).await;
        });
    });
    std::thread::sleep(Duration::from_millis(50));
    let status = runtime().block_on(get(&app, "/", &token));
    one.join().unwrap();
    assert_eq!(status, 200, "{:?}", last_error(&server));
}

#[test]
fn a_fetch_that_ended_with_its_runtime_is_no_failure_of_the_issuer() {
    let issuer = issuer_elsewhere();
    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    let server = ResourceServer::builder(issuer.url(), API).build().unwrap();
    let (app, token) = (api(&server), issuer.resource_token(API).mint());
    runtime().block_on(async { _ = tokio::time::timeout(Duration::from_millis(200), get(&app, "/", &token)).await });
    assert_eq!(runtime().block_on(get(&app, "/", &token)), 200, "{:?}", last_error(&server));
}

/// A connection in a pool belongs to a runtime that is there and is not driven.
#[test]
fn a_runtime_that_stands_still_holds_no_request_up() {
    let issuer = issuer_elsewhere();
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let (app, mut kept) = (api(&server), Vec::new());
    for round in 0..3 {
        if round > 0 {
            issuer.clock().advance(Duration::from_secs(31));
            issuer.rotate();
        }
        let token = issuer.resource_token(API).mint();
        let runtime = runtime();
        let status = runtime.block_on(get(&app, "/", &token));
        assert_eq!(status, 200, "round {round}");
        kept.push(runtime);
    }
}

/// What other processes append arrives through a channel. It has no bound: nothing else would tell that it is not followed.
struct Elsewhere(Mutex<Option<mpsc::UnboundedReceiver<Change>>>);

struct Arriving(mpsc::UnboundedReceiver<Change>);

impl Log for Elsewhere {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn follow(&self, _: Arc<dyn Facts>) -> Box<dyn Updates> {
        Box::new(Arriving(self.0.lock().unwrap().take().unwrap()))
    }
}

impl Updates for Arriving {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async {
            let change = self.0.recv().await;
            // A timer, as a log has that asks from time to time.
            tokio::time::sleep(Duration::from_millis(5)).await;
            change.map(Update::Change)
        })
    }
}

/// Drives a request that waits for nothing, as any other executor could.
fn without_runtime(request: impl Future<Output = StatusCode>) -> StatusCode {
    match pin!(request).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(status) => status,
        Poll::Pending => panic!("the request waits"),
    }
}

#[test]
fn a_log_is_followed_where_no_runtime_judges_requests() {
    let issuer = issuer_elsewhere();
    let (send, receive) = mpsc::unbounded_channel();
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let log = Elsewhere(Mutex::new(Some(receive)));
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).change_log(log).build().unwrap();
    let (app, token) = (api(&server), issuer.resource_token(API).mint());
    assert_eq!(without_runtime(get(&app, "/", &token)), 200);
    assert!(server.change_log().unwrap().is_current);
    let until = SystemTime::UNIX_EPOCH + issuer.clock().now().unix + Duration::from_secs(30);
    send.send(Change::not_before(issuer.url(), About::Everyone, until)).unwrap();
    for _ in 0..2000 {
        if without_runtime(get(&app, "/", &token)) == 401 {
            drop(server);
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the change did not arrive");
}

#[tokio::test]
async fn log_is_followed_no_longer_than_its_server_lives() {
    let issuer = TestIssuer::start().await;
    let (send, receive) = mpsc::unbounded_channel();
    let log = Elsewhere(Mutex::new(Some(receive)));
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).change_log(log).build().unwrap();
    let app = api(&server);
    assert_eq!(get(&app, "/", &issuer.resource_token(API).mint()).await, 200);
    assert!(server.change_log().unwrap().is_current && !send.is_closed());
    drop((app, server));
    tokio::time::timeout(Duration::from_secs(20), send.closed()).await.expect("what it followed is dropped");
}

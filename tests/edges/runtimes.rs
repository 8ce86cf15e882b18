//! One server in a static, and runtimes that come and go around it: the way of `#[tokio::test]`.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{Request, StatusCode};
use orgate::change::{About, Change, Facts, Log, LogError, Update, Updates};
use orgate::future::BoxFuture;
use orgate::server::Builder;
use orgate::testing::{Endpoint, Fault, TestClock, TestIssuer, TestTenant};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use serde_json::json;
use tokio::sync::{broadcast, mpsc};
use tower::ServiceExt as _;

use crate::support::{API, START, api, delivery, get, issuer_at, last_error, signing_keys};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An issuer on a thread of its own, as a real one is.
fn issuer_elsewhere() -> TestIssuer {
    elsewhere(TestIssuer::start())
}

fn elsewhere<T: Send + 'static>(start: impl Future<Output = T> + Send + 'static) -> T {
    let (give, take) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        give.send(runtime.block_on(start)).unwrap();
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

/// Waits until it is so: ten seconds at most.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never {what}");
}

/// A log that several servers share, by a channel.
#[derive(Clone)]
struct Fleet {
    changes: broadcast::Sender<Change>,
    /// How often it was asked to keep something.
    appended: Arc<AtomicUsize>,
    /// How many of the first attempts never end.
    hanging: usize,
}

impl Fleet {
    fn new(hanging: usize) -> Self {
        Self { changes: broadcast::Sender::new(64), appended: Arc::default(), hanging }
    }

    fn server(&self, issuer: &TestIssuer) -> Builder {
        let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
        ResourceServer::builder(entry, API).clock(issuer.clock()).change_log(self.clone())
    }
}

impl Log for Fleet {
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            if self.appended.fetch_add(1, Ordering::SeqCst) < self.hanging {
                std::future::pending::<()>().await;
            }
            for change in changes {
                _ = self.changes.send(change.clone());
            }
            Ok(())
        })
    }

    fn follow(&self, _: Arc<dyn Facts>) -> Box<dyn Updates> {
        Box::new(Received(self.changes.subscribe()))
    }

    fn delivery_wait(&self) -> Option<Duration> {
        Some(if self.hanging == 0 { Duration::from_secs(10) } else { Duration::from_millis(50) })
    }
}

struct Received(broadcast::Receiver<Change>);

impl Updates for Received {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async { self.0.recv().await.ok().map(Update::Change) })
    }
}

fn revoke_on_a_thread(server: &ResourceServer) {
    let handle = server.issuers()[0].clone();
    std::thread::spawn(move || handle.revoke(About::Everyone).unwrap()).join().unwrap();
}

#[test]
fn change_applied_outside_of_a_runtime_reaches_the_others_and_a_restart() {
    let issuer = issuer_elsewhere();
    let path = std::env::temp_dir().join(format!("orgate-runtimes-{}", std::process::id()));
    _ = std::fs::remove_file(&path);
    let fleet = Fleet::new(0);
    let one = fleet.server(&issuer).change_file(&*path).build().unwrap();
    let two = fleet.server(&issuer).build().unwrap();
    let (app, other, token) = (api(&one), api(&two), issuer.resource_token(API).mint());
    assert_eq!(
        (without_runtime(get(&app, "/", &token)), without_runtime(get(&other, "/", &token))),
        (StatusCode::OK, StatusCode::OK)
    );
    revoke_on_a_thread(&one);
    assert_eq!(without_runtime(get(&app, "/", &token)), 401);
    eventually("obeyed by the other", || without_runtime(get(&other, "/", &token)) == 401);
    eventually("kept by the log", || one.change_log().unwrap().pending == 0);
    eventually("kept by the file", || one.change_file().unwrap().pending == 0);
    drop((app, one));
    // Threads that are ending hold the file a moment longer.
    let reopened = Mutex::new(None);
    eventually("closed", || {
        let server = Fleet::new(0).server(&issuer).change_file(&*path).build();
        *reopened.lock().unwrap() = server.ok();
        reopened.lock().unwrap().is_some()
    });
    let reopened = reopened.into_inner().unwrap().unwrap();
    assert_eq!(without_runtime(get(&api(&reopened), "/", &token)), 401);
    _ = std::fs::remove_file(&path);
}

#[test]
fn change_of_a_runtime_that_ends_or_stands_still_is_kept_and_followed() {
    let issuer = issuer_elsewhere();
    for stands_still in [true, false] {
        let fleet = Fleet::new(0);
        let [one, two] = [0; 2].map(|_| fleet.server(&issuer).build().unwrap());
        let (other, token) = (api(&two), issuer.resource_token(API).mint());
        let runtimes = [runtime(), runtime()];
        // The log is first followed in one of them, and first written in the other.
        assert_eq!(runtimes[0].block_on(get(&other, "/", &token)), 200);
        runtimes[1].block_on(async { one.issuers()[0].revoke(About::Everyone).unwrap() });
        let _kept = stands_still.then_some(runtimes);
        eventually("kept", || one.change_log().unwrap().pending == 0);
        eventually("obeyed by the other", || without_runtime(get(&other, "/", &token)) == 401);
        assert_eq!(fleet.appended.load(Ordering::SeqCst), 1);
    }
}

/// Wakes a thread that runs nothing else.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future to its end where no runtime is: ten seconds at most.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(std::thread::current()))));
    for _ in 0..2000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("it does not end");
}

#[test]
fn delivery_outside_of_a_runtime_is_waited_for_as_long_as_the_log_says() {
    let issuer = issuer_elsewhere();
    for (hanging, is_delivered) in [(0, true), (usize::MAX, false)] {
        let server = Fleet::new(hanging).server(&issuer).build().unwrap();
        revoke_on_a_thread(&server);
        assert_eq!(wait(server.changes_delivered()), is_delivered);
        if is_delivered {
            wait(server.changes_kept());
        }
    }
}

#[test]
fn webhook_outside_of_a_runtime_is_applied() {
    let tenant = elsewhere(TestTenant::start());
    let issuer = elsewhere(async { issuer_at(&TestClock::new(START)).await });
    let server = Fleet::new(0).server(&issuer).build().unwrap();
    let hook = server.issuers()[0].webhooks(signing_keys(&tenant)).endpoint();
    let app: axum::Router = server.guard().public("/hook", hook).into_router().unwrap();
    let deleted = json!({ "data": { "id": "alice" } });
    let (headers, body) = delivery(&tenant, "User.Deleted", "2027-01-15T08:00:00.000Z", &deleted);
    let mut request = Request::post("/hook").body(Body::from(body)).unwrap();
    request.headers_mut().extend(headers);
    assert_eq!(wait(app.oneshot(request)).unwrap().status(), 200);
    assert_eq!(server.change_log().unwrap().pending, 0);
    let token = issuer.resource_token(API).subject("alice").mint();
    assert_eq!(without_runtime(get(&api(&server), "/", &token)), 401);
}

//! What a request waits for, each held until the test lets it go on.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use orgate::change::{Change, Facts, Log, LogError, Staleness, Update, Updates};
use orgate::decision::{Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::token::binding::{ProofUse, ReplayStore, ReplayStoreError};
use tower::Service;

/// Open until it is shut. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    is_shut: AtomicBool,
    /// How many came to it, and found it shut.
    stopped: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.0.is_shut.store(true, Ordering::SeqCst);
    }

    pub(super) fn open(&self) {
        self.0.is_shut.store(false, Ordering::SeqCst);
        for waker in self.0.wakers.lock().unwrap().drain(..) {
            waker.wake();
        }
    }

    pub(super) fn stopped(&self) -> usize {
        self.0.stopped.load(Ordering::SeqCst)
    }

    fn poll(&self, cx: &Context<'_>, is_first: bool) -> Poll<()> {
        if self.0.is_shut.load(Ordering::SeqCst) {
            self.0.stopped.fetch_add(usize::from(is_first), Ordering::SeqCst);
            self.0.wakers.lock().unwrap().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    async fn pass(&self) {
        let mut is_first = true;
        poll_fn(|cx| self.poll(cx, std::mem::take(&mut is_first))).await;
    }
}

/// What is true, and what the doubles say: as it was when they were asked, however late the answer is.
#[derive(Clone, Default)]
pub(super) struct Truth(Arc<Mutex<Answers>>);

#[derive(Clone)]
struct Answers {
    key_set: String,
    introspected: String,
    holds: bool,
    allows: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self { key_set: String::new(), introspected: String::new(), holds: true, allows: true }
    }
}

impl Truth {
    pub(super) fn publish(&self, key_set: String) {
        self.0.lock().unwrap().key_set = key_set;
    }

    pub(super) fn introspects(&self, answer: String) {
        self.0.lock().unwrap().introspected = answer;
    }

    /// The subject holds nothing any more, and whoever is asked says so.
    pub(super) fn turn(&self) {
        let mut facts = self.0.lock().unwrap();
        (facts.holds, facts.allows, facts.introspected) = (false, false, r#"{"active":false}"#.to_owned());
    }
}

/// The issuer: its keys, and what it says of an opaque token.
pub(super) struct Net {
    pub(super) keys: Gate,
    pub(super) introspection: Gate,
    pub(super) truth: Truth,
}

impl Fetch for Net {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let facts = self.truth.0.lock().unwrap().clone();
        Box::pin(async move {
            let (gate, body) = match request.uri().path() {
                "/jwks" => (&self.keys, facts.key_set),
                "/introspect" => (&self.introspection, facts.introspected),
                other => return Err(FetchError::new(format!("nothing at {other}"))),
            };
            gate.pass().await;
            Ok(Response::new(body.into()))
        })
    }
}

pub(super) struct Source(pub(super) Gate, pub(super) Truth);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let holds = self.1.0.lock().unwrap().holds;
        Box::pin(async move {
            self.0.pass().await;
            Ok(if holds { Permissions::of(["read"]) } else { Permissions::none() })
        })
    }
}

pub(super) struct Point(pub(super) Gate, pub(super) Truth);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        let allows = self.1.0.lock().unwrap().allows;
        Box::pin(async move {
            self.0.pass().await;
            Ok(if allows { Decision::allow() } else { Decision::deny() })
        })
    }
}

pub(super) struct Store(pub(super) Gate);

impl ReplayStore for Store {
    fn record<'a>(&'a self, _: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        Box::pin(async move {
            self.0.pass().await;
            Ok(None)
        })
    }
}

/// A log that holds nothing, loads when its gate is open, and says what it is told to say.
#[derive(Clone, Default)]
pub(super) struct Journal {
    pub(super) loading: Gate,
    pub(super) says: Arc<Mutex<Vec<Update>>>,
    pub(super) staleness: Option<Staleness>,
    /// The server has taken in all that was said. Written while `says` is locked.
    pub(super) is_taken_in: Arc<AtomicBool>,
}

impl Journal {
    pub(super) fn say(&self, update: Update) {
        let mut says = self.says.lock().unwrap();
        says.push(update);
        self.is_taken_in.store(false, Ordering::SeqCst);
    }

    /// Ends when the server, which follows this on a thread of its own, has taken in all that was said.
    pub(super) async fn taken_in(&self) {
        for _ in 0..20_000 {
            if self.is_taken_in.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the server does not follow its log");
    }
}

impl Log for Journal {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(ready(Ok(())))
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        let mut says = self.says.lock().unwrap();
        says.insert(0, Update::current(held.now().monotonic));
        self.is_taken_in.store(false, Ordering::SeqCst);
        drop(says);
        Box::new(Following(self.clone()))
    }

    fn staleness(&self) -> Option<Staleness> {
        self.staleness
    }
}

struct Following(Journal);

impl Updates for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(poll_fn(|cx| {
            if self.0.loading.poll(cx, true).is_pending() {
                return Poll::Pending;
            }
            let mut says = self.0.says.lock().unwrap();
            if says.is_empty() {
                self.0.is_taken_in.store(true, Ordering::SeqCst);
                self.0.loading.0.wakers.lock().unwrap().push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Some(says.remove(0)))
        }))
    }
}

/// The service behind the policy.
#[derive(Clone)]
pub(super) struct Behind(pub(super) Gate);

impl Service<Request<Body>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll(cx, true).map(Ok)
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

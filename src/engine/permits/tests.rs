//! Permits come back, whatever happens to those who have them or wait for them.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::SystemTime;

use futures_util::FutureExt as _;
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;
use crate::ResourceServer;
use crate::change::{About, Change};
use crate::policy::{Policy, resource};
use crate::testing::{TestIssuer, TokenBuilder};
use crate::time::Clock as _;
use crate::tower::RequireLayer;

const API: &str = "https://api.example.com";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(10);

fn permits(at_once: usize, queue: usize, wait: Duration) -> Permits {
    Permits::new(PermitSettings { at_once, queue, wait })
}

/// How many may be checked and how many wait.
fn state(permits: &Permits) -> (usize, usize) {
    (permits.free.available_permits(), permits.waiting.load(Ordering::SeqCst))
}

/// Polls once: it must have to wait.
fn begin<F: Future>(waiting: &mut std::pin::Pin<Box<F>>) {
    assert!(waiting.as_mut().now_or_never().is_none());
}

#[tokio::test]
async fn a_full_queue_rejects_at_once() {
    let permits = permits(1, 2, LONG);
    let held = permits.try_acquire().unwrap();
    assert!(permits.try_acquire().is_none());
    let [mut first, mut second] = [Box::pin(permits.acquire()), Box::pin(permits.acquire())];
    begin(&mut first);
    begin(&mut second);
    assert_eq!(state(&permits), (0, 2));
    let refused = permits.acquire().now_or_never().expect("at once").unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.retry_after()), (503, Some(RETRY_AFTER_ONE)));
    assert_eq!(state(&permits), (0, 2), "who found it full is not in it");
    drop(held);
    let held = first.await.unwrap();
    assert_eq!(state(&permits), (0, 1));
    drop(held);
    drop(second.await.unwrap());
    assert_eq!(state(&permits), (1, 0));
}

const RETRY_AFTER_ONE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let permits = permits(1, 64, Duration::from_millis(1));
    let held = permits.try_acquire().unwrap();
    let refused = permits.acquire().await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.retry_after()), (503, Some(RETRY_AFTER_ONE)));
    assert_eq!(state(&permits), (0, 0));
    drop(held);
    drop(permits.acquire().await.unwrap());
    assert_eq!(state(&permits), (1, 0));
}

#[tokio::test]
async fn who_goes_away_leaves_the_queue() {
    let permits = permits(1, 1, LONG);
    let held = permits.try_acquire().unwrap();
    for _ in 0..100 {
        let mut waiting = Box::pin(permits.acquire());
        begin(&mut waiting);
        assert_eq!(state(&permits), (0, 1));
    }
    assert_eq!(state(&permits), (0, 0));
    // It was given the permit, and goes away before it knows.
    let mut waiting = Box::pin(permits.acquire());
    begin(&mut waiting);
    drop(held);
    drop(waiting);
    assert_eq!(state(&permits), (1, 0));
}

#[test]
fn without_a_runtime_nobody_waits() {
    let permits = permits(1, 1, LONG);
    let held = permits.acquire().now_or_never().unwrap().unwrap();
    assert!(permits.acquire().now_or_never().unwrap().is_err());
    drop(held);
    assert_eq!(state(&permits), (1, 0));
}

/// An API whose requests are sent one by one.
struct Api {
    issuer: TestIssuer,
    server: ResourceServer,
    layer: RequireLayer,
}

impl Api {
    async fn start(queue: usize, wait: Duration, policy: Policy) -> Self {
        let issuer = TestIssuer::start().await;
        let entry = crate::Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
        let builder = ResourceServer::builder(entry, API).clock(issuer.clock());
        let server = builder.max_concurrent_verifications(1).verification_queue(queue, wait).build().unwrap();
        let layer = server.require(policy).unwrap();
        Self { issuer, server, layer }
    }

    fn permits(&self) -> &Permits {
        &self.layer.requirement().state().permits
    }

    /// Status, and whether there are `Retry-After` and a challenge.
    fn send(&self, token: &TokenBuilder) -> impl Future<Output = (u16, bool, bool)> + Send + use<> {
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default())) });
        let mut request = Request::new(());
        request.headers_mut().insert("authorization", format!("Bearer {}", token.mint()).parse().unwrap());
        let service = self.layer.layer(service);
        async move {
            let answer = service.oneshot(request).await.unwrap();
            let has = |name| answer.headers().contains_key(name);
            (answer.status().as_u16(), has(RETRY_AFTER), has(http::header::WWW_AUTHENTICATE))
        }
    }
}

const PASSED: (u16, bool, bool) = (200, false, false);
const REFUSED: (u16, bool, bool) = (401, false, true);
const BUSY: (u16, bool, bool) = (503, true, false);

#[tokio::test]
async fn busy_is_never_the_tokens_fault() {
    for (queue, wait) in [(0, LONG), (1, Duration::ZERO), (64, Duration::from_millis(1))] {
        let api = Api::start(queue, wait, resource()).await;
        let (good, forged) = (api.issuer.resource_token(API), api.issuer.resource_token(API).forged());
        let held = api.permits().try_acquire().unwrap();
        assert_eq!((api.send(&good).await, api.send(&forged).await), (BUSY, BUSY));
        drop(held);
        assert_eq!((api.send(&good).await, api.send(&forged).await), (PASSED, REFUSED));
        assert_eq!(state(api.permits()), (1, 0));
    }
}

#[tokio::test]
async fn who_waited_is_served_in_turn() {
    let api = Api::start(2, LONG, resource()).await;
    let held = api.permits().try_acquire().unwrap();
    let mut good = Box::pin(api.send(&api.issuer.resource_token(API)));
    let mut forged = Box::pin(api.send(&api.issuer.resource_token(API).forged()));
    begin(&mut good);
    begin(&mut forged);
    assert_eq!(api.send(&api.issuer.resource_token(API)).await, BUSY, "the queue is full");
    drop(held);
    assert_eq!((good.await, forged.await), (PASSED, REFUSED));
    assert_eq!(state(api.permits()), (1, 0));
}

#[tokio::test]
async fn a_request_that_is_dropped_gives_everything_back() {
    let api = Api::start(8, LONG, resource()).await;
    for is_granted in [false, true] {
        let mut held = api.permits().try_acquire();
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(api.send(&api.issuer.resource_token(API)))).collect();
        waiting.iter_mut().for_each(begin);
        assert_eq!(state(api.permits()), (0, 8));
        if is_granted {
            held = None;
        }
        drop(waiting);
        assert_eq!(state(api.permits()), (usize::from(held.is_none()), 0));
    }
}

#[tokio::test]
async fn a_panic_in_the_policy_keeps_nothing() {
    let panics = resource().check("panics", |_: &crate::policy::Facts<'_>| -> bool { panic!("the check breaks") });
    let api = Api::start(8, LONG, panics).await;
    for _ in 0..3 {
        let request = AssertUnwindSafe(api.send(&api.issuer.resource_token(API)));
        assert!(request.catch_unwind().await.is_err());
        assert_eq!(state(api.permits()), (1, 0));
        // And after a wait.
        let held = api.permits().try_acquire().unwrap();
        let mut waiting = Box::pin(api.send(&api.issuer.resource_token(API)));
        begin(&mut waiting);
        drop(held);
        assert!(AssertUnwindSafe(waiting).catch_unwind().await.is_err());
        assert_eq!(state(api.permits()), (1, 0));
    }
}

/// The other waits: `tests/engine/interleavings`.
#[tokio::test]
async fn change_while_a_request_waits_for_a_permit_is_obeyed_by_it_and_by_the_next_one() {
    let happens = |number: usize, api: &Api| {
        let entry = api.server.issuer(api.issuer.url()).unwrap();
        let (iss, at) = (entry.issuer().to_owned(), SystemTime::UNIX_EPOCH + api.issuer.clock().now().unix);
        let change = match number {
            0 => Change::suspended(iss, "user_1", at),
            1 => Change::subject_deleted(iss, "user_1", at),
            2 => Change::not_before(iss, About::subject("user_1"), at),
            3 => Change::not_before(iss, About::client("app_1"), at),
            4 => Change::not_before(iss, About::token("one"), at),
            5 => Change::not_before(iss, About::Everyone, at),
            6 => return entry.remove().unwrap(),
            7 => {
                let settings = crate::Issuer::new(api.issuer.url()).jwks_json(api.issuer.jwks_json());
                return entry.update(settings.resource("https://other.example")).unwrap();
            }
            _ => return,
        };
        entry.apply_change(&change).unwrap();
    };
    for (number, expected) in (0..9).map(|number| (number, if number == 8 { PASSED } else { REFUSED })) {
        let api = Api::start(8, LONG, resource()).await;
        let token = api.issuer.resource_token(API).claim("jti", "one");
        let held = api.permits().try_acquire().unwrap();
        let mut waiting = Box::pin(api.send(&token));
        begin(&mut waiting);
        happens(number, &api);
        drop(held);
        assert_eq!((waiting.await, api.send(&token).await), (expected, expected), "{number}");
    }
}

/// Good, forged, and given up at any moment, from several threads at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_among_many() {
    let api = Api::start(4, Duration::from_millis(2), resource()).await;
    for round in 0..20 {
        let requests = (0..60).map(|number| {
            let token = api.issuer.resource_token(API);
            let is_forged = number % 3 == 0;
            let mut request = Box::pin(api.send(&if is_forged { token.forged() } else { token }));
            // Given up after so many polls.
            let mut patience = if number % 4 == 0 { (number + round) % 3 } else { usize::MAX };
            let answered = std::future::poll_fn(move |cx| {
                if patience == 0 {
                    return Poll::Ready(None);
                }
                patience -= 1;
                request.as_mut().poll(cx).map(Some)
            });
            (is_forged, tokio::spawn(answered))
        });
        for (is_forged, answer) in requests.collect::<Vec<_>>() {
            match answer.await.unwrap() {
                None | Some(BUSY) => {}
                Some(answer) => assert_eq!(answer, if is_forged { REFUSED } else { PASSED }),
            }
        }
        assert_eq!(state(api.permits()), (1, 0), "round {round}");
    }
    assert_eq!(api.send(&api.issuer.resource_token(API)).await, PASSED);
}

/// Three requests that come, are asked again, and go, in every order of six such moves; a queue in a vector is the model.
#[tokio::test]
async fn every_order_of_coming_and_going_keeps_the_queue() {
    const MOVES: u32 = 6;
    const AT_ONCE: usize = 1;
    const QUEUE: usize = 2;
    for order in 0..6_u32.pow(MOVES) {
        // Else the runtime would have this task make a pause, in the middle of an order.
        tokio::task::yield_now().await;
        let permits = permits(AT_ONCE, QUEUE, LONG);
        let (mut waiting, mut held) = ([None, None, None], [const { None::<Permit> }; 3]);
        // Who holds a permit or waits for one, in their order.
        let mut line: Vec<usize> = Vec::new();
        for at in 0..MOVES {
            let choice = order / 6_u32.pow(at) % 6;
            let (who, goes) = ((choice / 2) as usize, choice % 2 == 1);
            if goes {
                line.retain(|other| *other != who);
                (waiting[who], held[who]) = (None, None);
            } else if held[who].is_none() {
                let is_new = waiting[who].is_none();
                let is_full = is_new && waiting.iter().flatten().count() >= QUEUE;
                let polled = waiting[who].get_or_insert_with(|| Box::pin(permits.acquire())).as_mut().now_or_never();
                if is_new && !is_full {
                    line.push(who);
                }
                let is_served = line.iter().position(|other| *other == who).is_some_and(|place| place < AT_ONCE);
                match polled {
                    Some(Ok(permit)) => {
                        assert!(is_served, "{order}: {who} is served before its turn");
                        (held[who], waiting[who]) = (Some(permit), None);
                    }
                    Some(Err(_)) => {
                        assert!(is_full, "{order}: {who} is rejected with room in the queue");
                        waiting[who] = None;
                    }
                    None => assert!(!is_served && !is_full, "{order}: {who} is not served"),
                }
            }
            let waits = waiting.iter().flatten().count();
            assert_eq!(permits.waiting.load(Ordering::SeqCst), waits, "{order}");
        }
        drop((waiting, held));
        assert_eq!(state(&permits), (AT_ONCE, 0), "{order}");
    }
}

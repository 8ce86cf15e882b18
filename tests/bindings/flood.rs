//! Many requests at once, most of them hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use futures_util::FutureExt as _;
use orgate::future::BoxFuture;
use orgate::token::binding::{Dpop, ProofUse, ReplayStore, ReplayStoreError};

use super::support::{API, World, request, send};

const PROOFS: usize = 100;
const TIMES: usize = 100;

/// Each of the requests by its number, over two tasks, and how many had each status.
async fn all(
    app: &Router,
    requests: usize,
    make: impl Fn(usize) -> http::Request<axum::body::Body> + Send + Sync + 'static,
) -> [usize; 3] {
    let make = Arc::new(make);
    let tasks: Vec<_> = (0..2)
        .map(|task| {
            let (app, make) = (app.clone(), make.clone());
            tokio::spawn(async move {
                let mut counts = [0; 3];
                for number in (task..requests).step_by(2) {
                    match send(&app, make(number)).await.status {
                        200 => counts[0] += 1,
                        401 => counts[1] += 1,
                        _ => counts[2] += 1,
                    }
                }
                counts
            })
        })
        .collect();
    let mut counts = [0; 3];
    for task in tasks {
        for (sum, count) in counts.iter_mut().zip(task.await.unwrap()) {
            *sum += count;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_that_are_sent_again_ten_thousand_times_pass_once_each() {
    let world = World::built(|builder| builder.dpop(Dpop::new(API)).max_concurrent_verifications(16)).await;
    let token = world.token();
    let proofs: Vec<String> = (0..PROOFS).map(|_| world.proof(&token).mint()).collect();
    // 37 is prime to their number: each comes once in a hundred, in another order than they were made.
    let make = {
        let token = token.clone();
        move |number: usize| request("GET", "/orders", "DPoP", &token, &[&proofs[number * 37 % PROOFS]])
    };
    assert_eq!(all(&world.app, PROOFS * TIMES, make).await, [PROOFS, PROOFS * (TIMES - 1), 0]);
    world.call(&token).await.passes();
}

/// Answers once it is told to.
#[derive(Clone, Default)]
struct Slow(Arc<(AtomicBool, AtomicUsize)>);

impl ReplayStore for Slow {
    fn record<'a>(&'a self, _: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        let answers = self.0.0.load(Ordering::SeqCst);
        Box::pin(async move { if answers { Ok(None) } else { std::future::pending().await } })
    }
}

/// A client that resets its stream while the server waits for the shared memory.
#[tokio::test]
async fn requests_that_are_given_up_while_their_proof_is_shared_take_no_room_of_others() {
    let store = Slow::default();
    let dpop = Dpop::new(API).replay_capacity(1024).replay_store(store.clone());
    let world = World::built(|builder| builder.dpop(dpop)).await;
    let token = world.token();
    store.0.0.store(true, Ordering::SeqCst);
    world.call(&token).await.passes();
    store.0.0.store(false, Ordering::SeqCst);
    let proofs: Vec<String> = (0..20).map(|_| world.proof(&token).mint()).collect();
    for number in 0..4000 {
        let sent = send(&world.app, request("GET", "/orders", "DPoP", &token, &[&proofs[number % 4]]));
        assert!(sent.now_or_never().is_none(), "{number}");
    }
    assert_eq!(store.0.1.load(Ordering::SeqCst), 4001, "each of them has waited for the store");
    store.0.0.store(true, Ordering::SeqCst);
    let other = world.issuer.resource_token(API).subject("bob").scope("read:orders").bound_to(&world.key).mint();
    let seen = world.call(&other).await;
    assert_eq!((seen.status, &*seen.body), (200, "bob true"));
    // Sent again they pass, and count as often as there are proofs: the subject may have 16.
    let mut statuses = Vec::new();
    for proof in &proofs {
        statuses.push(world.send("DPoP", &token, &[proof]).await.status);
    }
    assert_eq!(statuses, [&[200; 15][..], &[503; 5]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_proofs_pass_never_and_leave_room_for_good_ones() {
    // Were they recorded, the first few would fill the share of their subject.
    let dpop = Dpop::new(API).replay_capacity(1024);
    let world = World::built(|builder| builder.dpop(dpop).max_concurrent_verifications(16)).await;
    let (token, other) = (world.token(), world.issuer.proof_key());
    let long = "x".repeat(9000);
    let hostile: Vec<String> = (0..PROOFS)
        .map(|number| {
            let good = world.proof(&token);
            match number % 8 {
                0 => good.tampered().mint(),
                1 => good.forged_by(&other).mint(),
                2 => good.claim("htm", "POST").mint(),
                3 => good.claim("htu", format!("https://api.example.com/{number}")).mint(),
                4 => good.without_claim("jti").mint(),
                5 => good.claim("x", &*long).mint(),
                6 => format!("{}.{number}", good.mint()),
                _ => other.proof("GET", "https://api.example.com/orders", &token).mint(),
            }
        })
        .collect();
    let make = {
        let token = token.clone();
        move |number: usize| request("GET", "/orders", "DPoP", &token, &[&hostile[number % PROOFS]])
    };
    assert_eq!(all(&world.app, PROOFS * TIMES, make).await, [0, PROOFS * TIMES, 0]);
    for _ in 0..16 {
        world.call(&token).await.passes();
    }
}

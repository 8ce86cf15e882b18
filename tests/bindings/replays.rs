//! A proof passes once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::future::BoxFuture;
use orgate::time::Clock as _;
use orgate::token::binding::{Dpop, ProofUse, ReplayStore, ReplayStoreError};
use proptest::prelude::*;

use super::support::{API, World, app, request, send};

#[tokio::test]
async fn a_replay_is_rejected_until_the_proof_has_expired() {
    let world = World::start().await;
    let token = world.token();
    let proof = world.proof(&token).mint();
    world.send("DPoP", &token, &[&proof]).await.passes();
    for _ in 0..13 {
        world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
        world.issuer.clock().advance(Duration::from_secs(20));
    }
}

/// The id is what counts, not the spelling of the rest.
#[tokio::test]
async fn an_id_is_used_once_for_a_target_however_it_is_spelled() {
    let world = World::start().await;
    let token = world.token();
    let sent = async |url: &str, id: &str| {
        world.send("DPoP", &token, &[&world.key.proof("GET", url, &token).id(id).mint()]).await
    };
    sent("https://api.example.com/orders", "1").await.passes();
    for same in [
        "https://api.example.com:443/orders",
        "https://API.example.com/%6frders?a",
        "https://api.example.com/a/../orders",
    ] {
        sent(same, "1").await.is_refused("invalid_dpop_proof", "new_proof");
        sent(same, same).await.passes();
    }
}

#[tokio::test]
async fn a_rejected_request_records_nothing() {
    let world = World::start().await;
    let token = world.token();
    let proof = world.key.proof("POST", "https://api.example.com/orders", &token).mint();
    let post = || request("POST", "/orders", "DPoP", &token, &[&proof]);
    assert_eq!(send(&world.app, post()).await.status, 403);
    assert_eq!(send(&world.app, post()).await.status, 403, "the policy still speaks");
    let broader = world.issuer.resource_token(API).scope("read:orders write:orders").bound_to(&world.key).mint();
    let proof = world.key.proof("POST", "https://api.example.com/orders", &broader).mint();
    send(&world.app, request("POST", "/orders", "DPoP", &broader, &[&proof])).await.passes();
    let again = send(&world.app, request("POST", "/orders", "DPoP", &broader, &[&proof])).await;
    again.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn one_subject_cannot_fill_the_memory_of_others() {
    let world = World::configured(|dpop| dpop.replay_capacity(1024)).await;
    let token = world.token();
    for _ in 0..16 {
        world.call(&token).await.passes();
    }
    let seen = world.call(&token).await;
    assert_eq!((seen.status, &*seen.remediation(), seen.challenges().len()), (503, "retry", 0));
    assert!(seen.headers.contains_key("retry-after"));
    // Another key of the same subject has no room of its own.
    let key = world.issuer.proof_key();
    let other = world.issuer.resource_token(API).scope("read:orders").bound_to(&key).mint();
    let proof = key.proof("GET", "https://api.example.com/orders", &other).mint();
    assert_eq!(world.send("DPoP", &other, &[&proof]).await.status, 503);
    let neighbor = world.issuer.resource_token(API).subject("user_2").scope("read:orders").bound_to(&world.key).mint();
    assert_eq!(world.call(&neighbor).await.status, 200);
    world.issuer.clock().advance(Duration::from_secs(200));
    world.call(&token).await.passes();
}

#[tokio::test]
async fn the_same_question_passes_again_within_five_seconds() {
    let world = World::configured(|dpop| dpop.dangerous_request_id_header("x-request-id")).await;
    let token = world.token();
    let asked = async |proof: &str, id: Option<&str>| {
        let mut request = request("GET", "/orders", "DPoP", &token, &[proof]);
        if let Some(id) = id {
            request.headers_mut().insert("x-request-id", id.parse().unwrap());
        }
        send(&world.app, request).await
    };
    let proof = world.proof(&token).mint();
    asked(&proof, Some("r-1")).await.passes();
    asked(&proof, Some("r-1")).await.passes();
    for other in [None, Some(""), Some("r-2")] {
        asked(&proof, other).await.is_refused("invalid_dpop_proof", "new_proof");
    }
    world.issuer.clock().advance(Duration::from_secs(6));
    asked(&proof, Some("r-1")).await.is_refused("invalid_dpop_proof", "new_proof");
    for nothing in [None, Some("")] {
        let proof = world.proof(&token).mint();
        asked(&proof, nothing).await.passes();
        asked(&proof, nothing).await.is_refused("invalid_dpop_proof", "new_proof");
    }
}

/// What replicas share, in memory.
#[derive(Clone, Default)]
struct Shared {
    held: Arc<Mutex<HashMap<String, String>>>,
    is_down: Arc<Mutex<bool>>,
}

impl ReplayStore for Shared {
    fn record<'a>(&'a self, used: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if *self.is_down.lock().unwrap() {
                return Err(ReplayStoreError::new("the store is down"));
            }
            let mut held = self.held.lock().unwrap();
            let earlier = held.get(used.key()).cloned();
            held.entry(used.key().to_owned()).or_insert_with(|| used.mark().to_owned());
            Ok(earlier)
        })
    }
}

#[tokio::test]
async fn a_shared_memory_rejects_a_replay_at_another_replica() {
    let shared = Shared::default();
    let world = World::configured(|dpop| dpop.replay_store(shared.clone())).await;
    let replica = orgate::ResourceServer::builder(world.issuer.url(), API)
        .clock(world.issuer.clock())
        .dpop(Dpop::new(API).replay_store(shared.clone()))
        .build()
        .unwrap();
    let other = app(&replica);
    let token = world.token();
    let proof = world.proof(&token).mint();
    world.send("DPoP", &token, &[&proof]).await.passes();
    for _ in 0..2 {
        let seen = send(&other, request("GET", "/orders", "DPoP", &token, &[&proof])).await;
        seen.is_refused("invalid_dpop_proof", "new_proof");
    }
    *shared.is_down.lock().unwrap() = true;
    let proof = world.proof(&token).mint();
    assert_eq!(world.send("DPoP", &token, &[&proof]).await.status, 503, "never without the shared memory");
    *shared.is_down.lock().unwrap() = false;
    world.send("DPoP", &token, &[&proof]).await.passes();
}

/// Three proofs, each sent twice: in every order of the six, the first of each passes and the second does not.
#[tokio::test]
async fn repeats_in_every_order_pass_once_each() {
    fn orders(rest: [u8; 3], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if rest == [0; 3] {
            return all.push(order.clone());
        }
        for at in 0..3 {
            let mut rest = rest;
            if let Some(left) = rest[at].checked_sub(1) {
                rest[at] = left;
                order.push(at);
                orders(rest, order, all);
                order.pop();
            }
        }
    }
    let mut all = Vec::new();
    orders([2; 3], &mut Vec::new(), &mut all);
    assert_eq!(all.len(), 90);
    let world = World::start().await;
    let token = world.token();
    for order in all {
        let proofs = [(); 3].map(|()| world.proof(&token).mint());
        let mut passed = [0; 3];
        for &at in &order {
            let seen = world.send("DPoP", &token, &[&proofs[at]]).await;
            if passed[at] == 0 {
                seen.passes();
            } else {
                seen.is_refused("invalid_dpop_proof", "new_proof");
            }
            passed[at] = 1;
        }
        assert_eq!(passed, [1; 3], "{order:?}");
    }
}

/// Each of many clients sends the same proofs at once, at two replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_with_one_proof_one_passes() {
    let shared = Shared::default();
    let dpop = || Dpop::new(API).replay_store(shared.clone()).replay_timeout(Duration::from_secs(5));
    // Enough that none is turned away for want of a signature check.
    let world = World::built(|builder| builder.dpop(dpop()).max_concurrent_verifications(16)).await;
    let replica = orgate::ResourceServer::builder(world.issuer.url(), API)
        .clock(world.issuer.clock())
        .dpop(dpop())
        .max_concurrent_verifications(16)
        .build()
        .unwrap();
    let apps = [world.app.clone(), app(&replica)];
    let token = world.token();
    for _ in 0..10 {
        let proof = world.proof(&token).mint();
        let requests = (0..16).map(|at| {
            let (app, request) = (apps[at % 2].clone(), request("GET", "/orders", "DPoP", &token, &[&proof]));
            tokio::spawn(async move { send(&app, request).await.status })
        });
        let mut statuses = Vec::new();
        for request in requests.collect::<Vec<_>>() {
            statuses.push(request.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order, and whatever the clock does.
    #[test]
    fn no_proof_passes_twice(steps in prop::collection::vec((0..6_usize, -150..150_i64), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::start().await;
            let token = world.issuer.resource_token(API).scope("read:orders").expires_in(Duration::from_secs(100_000));
            let token = token.bound_to(&world.key).mint();
            let mut proofs: Vec<(String, u32)> = (0..6).map(|_| (world.proof(&token).mint(), 0)).collect();
            for (at, step) in steps {
                let clock = world.issuer.clock();
                if step > 0 {
                    clock.advance(Duration::from_secs(step.unsigned_abs()));
                } else {
                    clock.set_wall(clock.now().unix.checked_sub(Duration::from_secs(step.unsigned_abs())).unwrap());
                }
                let (proof, passed) = &mut proofs[at];
                *passed += u32::from(world.send("DPoP", &token, &[proof]).await.status == 200);
                assert!(*passed <= 1, "proof {at} passed twice");
            }
        });
    }
}

//! Many requests at once, most of them hostile.

use std::sync::Arc;

use axum::Router;
use orgate::token::binding::Dpop;

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

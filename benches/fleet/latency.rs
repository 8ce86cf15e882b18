//! How soon a change is enforced elsewhere, and what it costs Redis.

use std::time::{Duration, Instant, SystemTime};

use orgate::change::Change;

use crate::replica::{Replica, Store, issuer, quantile};

/// Subjects that the load is about: each change is news, and the list does not grow beyond them.
const OTHERS: u64 = 20_000;

/// Prints the median and the 99th percentile, with so many other changes a second.
pub(crate) async fn between(store: &Store, replicas: usize, rate: u32, probes: usize) {
    store.reset();
    let issuer = issuer().await;
    let mut members = Vec::new();
    for _ in 0..replicas {
        members.push(Replica::join(issuer.url(), &store.url()).await);
    }
    let (from, to, other) = (&members[0], &members[1], members[2].entry());
    let load = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let mut number = 0_u64;
        loop {
            ticks.tick().await;
            for _ in 0..rate / 100 {
                number += 1;
                let subject = format!("other_{}", number % OTHERS);
                _ = other.apply_change(&Change::suspended(other.issuer(), subject, SystemTime::now()));
            }
        }
    });
    let (entry, used, start) = (from.entry(), store.used(), Instant::now());
    let mut times = Vec::new();
    for number in 0..probes {
        let user = format!("probe_{number}");
        let token = issuer.resource_token(crate::replica::API).subject(&*user).mint();
        to.server.verify(&token).await.expect("no subject has been suspended");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let start = Instant::now();
        entry.apply_change(&Change::suspended(issuer.url(), user, SystemTime::now())).expect("an entry");
        while to.server.verify(&token).await.is_ok() {
            tokio::task::yield_now().await;
        }
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    let share = (store.used() - used) / start.elapsed().as_secs_f64() * 100.0;
    load.abort();
    times.sort_by(f64::total_cmp);
    let (half, most) = (quantile(&times, 50), quantile(&times, 99));
    println!(
        "  {replicas:2} replicas, {rate:5}/s beside: p50 {half:.2} ms, p99 {most:.2} ms; Redis: {share:.1} % of a core"
    );
}

/// Prints what replicas cost Redis that have nothing to say.
pub(crate) async fn idle(store: &Store, replicas: usize, seconds: u64) {
    store.reset();
    let issuer = issuer().await;
    let mut members = Vec::new();
    for _ in 0..replicas {
        members.push(Replica::join(issuer.url(), &store.url()).await);
    }
    let (used, start) = (store.used(), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let share = (store.used() - used) / start.elapsed().as_secs_f64() * 100.0;
    println!("  {replicas:2} replicas, idle: Redis: {share:.2} % of a core");
    drop(members);
}

//! What it costs to keep and share changes: how soon one is enforced by another replica, what that costs Redis, a hit with a log
//! behind it, and a start with 100,000 facts. Starts `redis-server`, which must be installed.
//!
//! ```text
//! cargo bench --bench fleet                # a minute or two
//! cargo bench --bench fleet -- quick       # to see that it runs
//! cargo bench --bench fleet -- hit start   # these parts only: latency, hit, start
//! ```

#![allow(missing_docs, reason = "a binary")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark may stop where it stands")]
#![allow(clippy::disallowed_methods, reason = "it measures, and a real server has a real clock")]
#![allow(clippy::cast_precision_loss, reason = "sizes that are printed")]

mod hit;
mod latency;
mod replica;
mod start;

use replica::Store;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Changes whose way is timed.
    probes: usize,
    /// How long replicas are left alone, in seconds.
    idle: u64,
    facts: usize,
    rounds: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    if let [what, place, ..] = &arguments[..]
        && let Some(kept_in) = what.strip_prefix("start-")
    {
        return runtime.block_on(start::child(kept_in, place));
    }
    let effort = if arguments.iter().any(|argument| argument == "quick") {
        Effort { probes: 20, idle: 1, facts: 2_000, rounds: 3 }
    } else {
        Effort { probes: 1_000, idle: 20, facts: 100_000, rounds: 200 }
    };
    let is_wanted = |part: &str| {
        let mut named =
            arguments.iter().filter(|argument| ["latency", "hit", "start"].contains(&argument.as_str())).peekable();
        named.peek().is_none() || named.any(|argument| argument == part)
    };
    runtime.block_on(async {
        let store = Store::start();
        if is_wanted("latency") {
            latency(&store, effort).await;
        }
        if is_wanted("hit") {
            println!("A hit");
            hit::with_and_without(&store, effort.rounds).await;
        }
        if is_wanted("start") {
            println!("A start with {} suspensions, in a process of its own", effort.facts);
            start::from_file(effort.facts).await;
            start::from_redis(&store, effort.facts).await;
        }
    });
}

async fn latency(store: &Store, effort: Effort) {
    println!("From a change at one replica to its enforcement at another");
    for replicas in [3, 10] {
        for rate in [0, 5_000] {
            latency::between(store, replicas, rate, effort.probes).await;
        }
    }
    latency::idle(store, 10, effort.idle).await;
}

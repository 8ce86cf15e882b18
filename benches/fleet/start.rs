//! A start with many facts: how long, and how much memory.

use std::process::Command;
use std::time::{Instant, SystemTime};

use orgate::change::Change;
use orgate::{Issuer, ResourceServer};

use crate::replica::{Replica, Store, builder, issuer, path, remove};

const ISSUER: &str = "https://issuer.example/oidc";

/// Its keys are there: what is timed is the log.
async fn entry() -> Issuer {
    Issuer::new(ISSUER).jwks_json(issuer().await.jwks_json())
}

async fn fill(server: &ResourceServer, facts: usize) {
    let (entry, at) = (server.issuers().remove(0), SystemTime::now());
    for number in 0..facts {
        let change = Change::suspended(ISSUER, format!("user_{number:06}"), at);
        entry.apply_change(&change).expect("an entry");
    }
    server.changes_kept().await;
}

/// The memory of this process, in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

pub(crate) async fn from_file(facts: usize) {
    let file = path("start");
    let server = builder(entry().await).change_file(&*file).build().expect("a server");
    fill(&server, facts).await;
    drop(server);
    let size = std::fs::metadata(&file).expect("a file").len();
    println!("  the file: {:.1} MiB", size as f64 / 1024.0 / 1024.0);
    run("start-file", file.to_str().expect("a path"));
    remove(&file);
}

pub(crate) async fn from_redis(store: &Store, facts: usize) {
    store.reset();
    let one = Replica::join(entry().await, &store.url()).await;
    fill(&one.server, facts).await;
    let bytes: f64 =
        store.ask(&["MEMORY", "USAGE", "{orgate:1:bench}:facts", "SAMPLES", "0"]).parse().unwrap_or(f64::NAN);
    println!("  the table: {:.1} MiB", bytes / 1024.0 / 1024.0);
    run("start-redis", &store.url());
}

fn run(what: &str, place: &str) {
    let program = std::env::current_exe().expect("a path");
    let status = Command::new(program).args([what, place]).status().expect("a process");
    assert!(status.success(), "{what} failed");
}

/// Starts a server, and prints what that took.
pub(crate) async fn child(kept_in: &str, place: &str) {
    // What every process needs, whatever it knows.
    let entry = entry().await;
    let plain = builder(entry.clone()).build().expect("a server");
    let (before, start) = (resident(), Instant::now());
    let server = match kept_in {
        "file" => loop {
            // The process that wrote it may hold it a moment longer.
            if let Ok(server) = builder(entry.clone()).change_file(place).build() {
                break server;
            }
        },
        _ => Replica::join(entry, place).await.server,
    };
    server.ready().await.expect("it is ready");
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let (suspensions, after) = (server.revocations().suspensions, resident());
    println!(
        "  {kept_in}: ready after {took:.0} ms, {suspensions} suspensions, {before:.1} MiB before and {after:.1} MiB after"
    );
    drop(plain);
}

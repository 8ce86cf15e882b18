//! What judging costs at the edge, as ratios within one run. `cargo bench -p orgate-gateway --bench speed` with
//! `ORGATE_PROXIES` naming the folder of `nginx` and `envoy`, and `wrk` in the path; `-- quick` only shows that it runs.
//!
//! One worker each, 16 connections, 64 tokens that were verified before (ES384). The two sides of a ratio are measured in
//! turn, and the median of the rounds is printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench may panic")]

mod processes;
mod stub;

use orgate::testing::TestIssuer;

use crate::processes::{Bench, RESOURCE};

const TOKENS: usize = 64;
const PATH: &str = "/orgs/acme/orders";

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "quick");
    let (rounds, seconds) = if is_quick { (1, 1) } else { (5, 4) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let issuer = runtime.block_on(TestIssuer::start());
    let stub = runtime.block_on(stub::start());
    let tokens: Vec<String> = (0..TOKENS)
        .map(|user| {
            let token = issuer.organization_resource_token(RESOURCE, "acme").subject(format!("u{user}")).client("web");
            token.scope("read:orders").mint()
        })
        .collect();
    let bench = Bench::start(&issuer, &tokens, stub);
    let ratios = [
        ("proxy: policy / public route", bench.orgate(PATH), bench.orgate("/public"), 0.8),
        ("proxy: policy / Envoy's jwt_authn", bench.orgate(PATH), bench.envoy_jwt(PATH), 1.0),
        ("ext_authz behind Envoy: orgate / always yes", bench.envoy(PATH, true), bench.envoy(PATH, false), 0.8),
        ("forward auth behind NGINX: orgate / always yes", bench.nginx(PATH, true), bench.nginx(PATH, false), 0.8),
    ];
    println!("{:<48} {:>10} {:>10} {:>6} {:>7}", "", "requests/s", "against", "ratio", "wanted");
    for (name, ours, theirs, wanted) in ratios {
        let mut measured: Vec<(f64, f64)> = Vec::new();
        for _ in 0..rounds {
            measured.push((bench.wrk(&ours, seconds), bench.wrk(&theirs, seconds)));
        }
        measured.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
        let (ours, theirs) = measured[measured.len() / 2];
        println!("{name:<48} {ours:>10.0} {theirs:>10.0} {:>6.2} {wanted:>7.2}", ours / theirs);
    }
}

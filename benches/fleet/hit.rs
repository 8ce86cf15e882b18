//! A known token, with and without a log behind the server.

use std::hint::black_box;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use http::Request;
use orgate::ResourceServer;
use orgate::policy::resource;
use tower::Service as _;

use crate::replica::{API, Replica, Store, builder, issuer, path, quantile, remove};

const BATCH: u32 = 512;

/// Nanoseconds of one request.
fn batch(router: &mut Router, token: &str) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCH {
        let request = Request::get("/").header("authorization", token).body(Body::empty()).expect("a request");
        let response = router.call(request).now_or_never().expect("it does not wait").expect("infallible");
        assert!(black_box(response).status().is_success());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
}

pub(crate) async fn with_and_without(store: &Store, rounds: usize) {
    store.reset();
    let (issuer, file) = (issuer().await, path("hit"));
    let redis = Replica::join(issuer.url(), &store.url()).await;
    let servers: [(&str, ResourceServer); 3] = [
        ("without a log", builder(issuer.url()).build().expect("a server")),
        ("with a file", builder(issuer.url()).change_file(&*file).build().expect("a server")),
        ("with Redis", redis.server.clone()),
    ];
    let token = issuer.resource_token(API).scope("read").mint();
    let header = format!("Bearer {token}");
    let mut routers = Vec::new();
    for (_, server) in &servers {
        server.verify(&token).await.expect("a token");
        let guard = server.guard().get("/", async || "here", resource().scope("read"));
        routers.push(guard.into_router().expect("a router"));
    }
    let mut times = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (router, times) in routers.iter_mut().zip(&mut times) {
            times.push(batch(router, &header));
        }
        tokio::task::yield_now().await;
    }
    let alone = times[0].clone();
    for ((name, _), mut times) in servers.iter().zip(times) {
        let mut ratios: Vec<f64> = times.iter().zip(&alone).map(|(time, alone)| time / alone).collect();
        ratios.sort_by(f64::total_cmp);
        times.sort_by(f64::total_cmp);
        println!("  {name:14} {:6.0} ns, {:.3} times", quantile(&times, 50), quantile(&ratios, 50));
    }
    drop(servers);
    remove(&file);
}

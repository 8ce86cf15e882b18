//! The path of a request: nothing on it knows of Redis.

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use http::Request;
use orgate::change::redis::{RedisState, WhenBehind};
use tower::Service as _;

use super::fleet::{BRIEF, Fleet, brief, clock, settle};
use super::server::Server;
use crate::support::Replica;

/// A request with a known token: its status, and what it allocates at least. It is polled once, so it waits for nothing.
fn ask(router: &mut Router, token: &str) -> (u16, u64) {
    let mut once = || {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let mut status = 0;
        let counted = allocation_counter::measure(|| {
            let response = router.call(request).now_or_never().expect("it does not wait").unwrap();
            status = response.status().as_u16();
        });
        (status, counted.count_total)
    };
    (0..8).map(|_| once()).min_by_key(|(_, count)| *count).unwrap()
}

#[tokio::test]
async fn request_path_never_waits() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let clock = clock();
    let without = Replica::plain(fleet.builder().clock(clock.clone())).await;
    let refusing = fleet.join_at(&clock, brief(&server.url())).await;
    let going_on = fleet.join_at(&clock, brief(&server.url()).when_behind(WhenBehind::GoOn)).await;
    fleet.suspend(&refusing, 1);
    fleet.all_agree(&[&refusing, &going_on]).await;
    let (one, other) = (fleet.token(1), fleet.token(2));
    assert_eq!(without.status(other).await, 200);
    let mut routers = [&without, &refusing.replica, &going_on.replica].map(|replica| replica.router.clone());
    let alone = ask(&mut routers[0], other);
    assert_eq!(alone.0, 200);
    assert_eq!((ask(&mut routers[1], other), ask(&mut routers[2], other)), (alone, alone));

    // Redis hangs: it takes what is sent, and does not answer.
    server.signal("STOP");
    assert_eq!((ask(&mut routers[1], other), ask(&mut routers[2], other)), (alone, alone));
    assert_eq!((ask(&mut routers[1], one).0, ask(&mut routers[2], one).0), (401, 401));
    clock.advance(BRIEF);
    let states = [&refusing, &going_on].map(|member| member.redis.status().state);
    assert_eq!(states, [RedisState::Behind, RedisState::Behind]);
    assert_eq!((ask(&mut routers[1], other).0, ask(&mut routers[2], other)), (503, alone));
    server.signal("CONT");
}

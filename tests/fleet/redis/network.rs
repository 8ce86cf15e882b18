//! A network with faults.

use std::time::{Duration, Instant};

use orgate::change::redis::RedisState;
use orgate::testing::TestTenant;
use orgate::time::SystemClock;

use super::fleet::{BRIEF, FACTS, Fleet, Member, brief, clock, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::{Replica, builder};

/// How soon after a fault a replica must be current again: two seconds on a machine that is not busy.
const RECOVERED: Duration = Duration::from_secs(15);

/// One of two is cut off: it is behind at its bound and not before, and knows everything again afterwards. The other never is.
/// The clock of the one that is cut off stands still, so that its knowledge is as old as the clock is turned.
async fn cut(fault: Fault) {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (proxy, clock) = (Proxy::to(server.port).await, clock());
    let one = fleet.join(redis(&server.url())).await;
    let cut = fleet.join_at(&clock, brief(&proxy.url())).await;
    fleet.suspend(&one, 1);
    fleet.all_agree(&[&one, &cut]).await;
    proxy.set(fault);
    fleet.suspend(&one, 2);
    fleet.suspend(&cut, 3);
    clock.advance(BRIEF - Duration::from_millis(1));
    assert_eq!((cut.redis.status().state, cut.replica.status(fleet.token(10)).await), (RedisState::Current, 200));
    clock.advance(Duration::from_millis(1));
    is_behind(&fleet, &cut).await;
    assert_eq!((one.redis.status().state, one.replica.status(fleet.token(2)).await), (RedisState::Current, 401));
    heals(&proxy, &fleet, &[&one, &cut]).await;
}

async fn is_behind(fleet: &Fleet, cut: &Member) {
    assert_eq!(cut.redis.status().state, RedisState::Behind);
    assert_eq!(cut.replica.get(fleet.token(10)).await, (503, "retry".to_owned()), "never 401");
    assert!(cut.replica.server.ready().await.is_err());
}

async fn heals(proxy: &Proxy, fleet: &Fleet, members: &[&Member]) {
    proxy.set(Fault::None);
    let start = Instant::now();
    for member in members {
        member.becomes(RedisState::Current).await;
    }
    println!("current again after {:?}", start.elapsed());
    assert!(start.elapsed() < RECOVERED, "{:?}", start.elapsed());
    fleet.all_agree(members).await;
}

#[tokio::test]
async fn cut_both_ways() {
    cut(Fault::Cut { to: true, from: true }).await;
}

#[tokio::test]
async fn cut_to_redis() {
    cut(Fault::Cut { to: true, from: false }).await;
}

#[tokio::test]
async fn cut_from_redis() {
    cut(Fault::Cut { to: false, from: true }).await;
}

#[tokio::test]
async fn reset_connections() {
    cut(Fault::Reset).await;
}

#[tokio::test]
async fn drip_then_recovery() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let (one, slow) = (fleet.join(redis(&server.url())).await, fleet.join(brief(&proxy.url())).await);
    proxy.set(Fault::Drip(50));
    let start = Instant::now();
    fleet.suspend(&one, 2);
    slow.becomes(RedisState::Behind).await;
    println!("behind after {:?}", start.elapsed());
    // A beat may be answered late, and is then as old as it was sent.
    assert!(start.elapsed() < BRIEF + RECOVERED, "{:?}", start.elapsed());
    is_behind(&fleet, &slow).await;
    heals(&proxy, &fleet, &[&one, &slow]).await;
}

#[tokio::test]
async fn webhook_at_a_cut_off_replica() {
    let (server, tenant) = (Server::start(&[]).await, TestTenant::builder().clock(clock()).start().await);
    settle(&server);
    tenant.add_user("alice");
    let proxy = Proxy::to(server.port).await;
    let start = async |url: &str| {
        let redis = redis(url).build().unwrap();
        let builder = builder(tenant.issuer()).clock(SystemClock::new()).change_log(redis.clone());
        let replica = Replica::start(builder, &tenant.signing_key()).await;
        replica.server.ready().await.unwrap();
        Member { replica, redis }
    };
    let (one, cut) = (start(&server.url()).await, start(&proxy.url()).await);
    let token = tenant.issuer().resource_token(crate::support::API).subject("alice").mint();
    assert_eq!((one.replica.status(&token).await, cut.replica.status(&token).await), (200, 200));
    proxy.set(Fault::Cut { to: true, from: true });
    _ = tenant.take_deliveries();
    tenant.suspend("alice");
    for delivery in tenant.take_deliveries() {
        assert_eq!(cut.replica.deliver(delivery).await, 503, "a proxy may take another replica");
    }
    assert!(matches!(cut.replica.status(&token).await, 401 | 503), "it applies here all the same");
    assert_eq!(one.replica.status(&token).await, 200);
    proxy.set(Fault::None);
    one.replica.becomes(&token, 401).await;
    assert!(server.ask(&["HKEYS", FACTS]).contains("alice"));
}

#[tokio::test]
async fn clock_of_a_replica_an_hour_off() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url())).await;
    // Its wall clock is wrong; what is current is measured by the other one.
    let wrong = fleet.issuer.clock();
    wrong.set_wall(orgate::time::Clock::now(&wrong).unix);
    let redis = redis(&server.url()).build().unwrap();
    let early = orgate::ResourceServer::builder(fleet.issuer.url(), crate::support::API)
        .clock(Skewed(SystemClock::new()))
        .change_log(redis.clone());
    let replica = Replica::plain(early).await;
    _ = replica.server.ready().await;
    let early = Member { replica, redis };
    early.becomes(RedisState::Current).await;
    fleet.suspend(&one, 1);
    early.until("applied", |redis| redis.status().counts.applied == 1).await;
    fleet.suspend(&early, 2);
    fleet.agrees(&one).await;
    assert_eq!(one.redis.status().counts.refused_future, 0);
}

struct Skewed(SystemClock);

impl orgate::time::Clock for Skewed {
    fn now(&self) -> orgate::time::Now {
        let now = self.0.now();
        orgate::time::Now::new(now.unix + Duration::from_secs(3600), now.monotonic)
    }
}

//! What else goes over the connection.

use std::time::Duration;

use orgate::change::redis::{RedisBuilder, RedisState, WhenBehind};
use orgate::logto::LogtoManagement;
use orgate::permissions::PermissionSource as _;
use orgate::time::{Clock, Now, SystemClock};
use orgate::token::binding::Dpop;

use super::fleet::{Fleet, Member, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::{API, Replica};

/// What a busy machine answers in.
const LONG: Duration = Duration::from_secs(5);

async fn replica(fleet: &Fleet, url: &str, wait: Duration) -> Member {
    of(fleet, redis(url), wait).await
}

async fn of(fleet: &Fleet, settings: RedisBuilder, wait: Duration) -> Member {
    // A long bound: what is seen of a fault is the store of proofs, and not the policy.
    let redis = settings.bound(Duration::from_secs(60)).build().unwrap();
    let dpop = Dpop::new(API).replay_store(redis.clone()).replay_timeout(wait);
    let replica = Replica::plain(fleet.builder().change_log(redis.clone()).dpop(dpop)).await;
    _ = replica.server.ready().await;
    let member = Member { replica, redis };
    member.becomes(RedisState::Current).await;
    member
}

async fn send(member: &Member, token: &str, proof: &str) -> u16 {
    let request = reqwest::Client::new().get(format!("http://{}/", member.replica.address));
    let request = request.header("authorization", format!("DPoP {token}")).header("dpop", proof);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn proof_replayed_at_another_replica() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (replica(&fleet, &server.url(), LONG).await, replica(&fleet, &server.url(), LONG).await);
    let key = fleet.issuer.proof_key();
    let token = fleet.issuer.resource_token(API).bound_to(&key).mint();
    let proof = key.proof("GET", format!("{API}/"), &token).mint();
    assert_eq!((send(&one, &token, &proof).await, send(&two, &token, &proof).await), (200, 401));
    let another = key.proof("GET", format!("{API}/"), &token).id("another").mint();
    assert_eq!((send(&two, &token, &another).await, send(&one, &token, &another).await), (200, 401));
    let kept = server.ask(&["--scan", "--pattern", "{orgate:1:shop}:proof:*"]);
    assert_eq!(kept.lines().count(), 2);
    let lasting: u64 = server.ask(&["PTTL", kept.lines().next().unwrap()]).parse().unwrap();
    assert!((1..=300_000).contains(&lasting), "{lasting}");
}

#[tokio::test]
async fn proof_check_times_out_by_policy() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = replica(&fleet, &proxy.url(), Duration::from_millis(50)).await;
    let key = fleet.issuer.proof_key();
    let token = fleet.issuer.resource_token(API).bound_to(&key).mint();
    proxy.set(Fault::Cut { to: true, from: true });
    let proof = |id: &str| key.proof("GET", format!("{API}/"), &token).id(id).mint();
    assert_eq!(send(&one, &token, &proof("1")).await, 503);
    proxy.set(Fault::None);
    for id in 2.. {
        // Each time another one: what was sent before may have been recorded.
        match send(&one, &token, &proof(&id.to_string())).await {
            200 => return,
            status => assert_eq!((status, id < 500), (503, true)),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The ids of the connections over which a proof was recorded last.
fn recording(server: &Server) -> Vec<String> {
    let clients = server.ask(&["CLIENT", "LIST"]);
    // Each beat pings the connection of proofs.
    let recording = clients.lines().filter(|line| line.contains(" cmd=set ") || line.contains(" cmd=ping "));
    recording.map(|line| line.split_whitespace().next().unwrap().replace("id=", "")).collect()
}

/// `WAIT` blocks its connection for up to 250 ms, which is more than a proof may take.
#[tokio::test]
async fn proofs_do_not_wait_behind_copies_and_their_connection_is_opened_again() {
    let (server, copy, fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    copy.ask(&["REPLICAOF", "127.0.0.1", &server.port.to_string()]);
    let one = of(&fleet, redis(&server.url()).copies(1), LONG).await;
    let key = fleet.issuer.proof_key();
    let token = fleet.issuer.resource_token(API).bound_to(&key).mint();
    let proof = |id: &str| key.proof("GET", format!("{API}/"), &token).id(id).mint();
    assert_eq!(send(&one, &token, &proof("1")).await, 200);
    // Beats and their `WAIT` go over another connection.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let [connection] = &recording(&server)[..] else { panic!("{}", server.ask(&["CLIENT", "LIST"])) };
    server.ask(&["CLIENT", "KILL", "ID", connection]);
    for id in 2.. {
        match send(&one, &token, &proof(&id.to_string())).await {
            200 => break,
            status => assert_eq!((status, id < 500), (503, true)),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// They need no copy, and the regular comparison without one does not end their connection for good.
#[tokio::test]
async fn proofs_are_checked_while_a_copy_is_away() {
    let (server, copy, fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    copy.ask(&["REPLICAOF", "127.0.0.1", &server.port.to_string()]);
    let settings = redis(&server.url()).copies(1).when_behind(WhenBehind::GoOn);
    let one = of(&fleet, settings.reconcile_every(Duration::from_secs(1)), LONG).await;
    let key = fleet.issuer.proof_key();
    let token = fleet.issuer.resource_token(API).bound_to(&key).mint();
    copy.ask(&["REPLICAOF", "NO", "ONE"]);
    one.until("too few", |redis| redis.status().counts.errors["no_replicas"] > 0).await;
    let compared = one.reconciles("regular");
    one.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 1).await;
    for id in 1.. {
        let proof = key.proof("GET", format!("{API}/"), &token).id(id.to_string()).mint();
        match send(&one, &token, &proof).await {
            200 => return,
            // The moment between two sessions.
            status => assert_eq!((status, id < 500), (503, true)),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn budget_is_shared_out() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let source = |member: &Member| {
        let redis = member.redis.clone();
        let source = LogtoManagement::builder("https://tenant.logto.app", "id", "secret");
        source.shared_by(move || redis.replicas()).build().unwrap()
    };
    let one = fleet.join(redis(&server.url())).await;
    let of_one = source(&one);
    assert_eq!(of_one.calls_left(), Some(40));
    let two = fleet.join(redis(&server.url())).await;
    let of_two = source(&two);
    one.until("half", |_| of_one.calls_left() == Some(20)).await;
    assert_eq!(of_two.calls_left(), Some(20));
    // One dies. For 30 seconds of Redis's clock it may be there still.
    two.replica.stop().await;
    let beat = one.redis.status().age;
    one.until("another beat", |redis| redis.status().age < beat).await;
    assert_eq!(of_one.calls_left(), Some(20));
    let beats = "{orgate:1:shop}:beats";
    let members = server.ask(&["ZRANGE", beats, "0", "-1", "WITHSCORES"]);
    let words: Vec<&str> = members.lines().collect();
    assert_eq!(words.len(), 4, "{members}");
    for member in words.chunks(2) {
        let earlier: f64 = member[1].parse::<f64>().unwrap() - 31.0;
        server.ask(&["ZADD", beats, "XX", &earlier.to_string(), member[0]]);
    }
    one.until("all", |_| of_one.calls_left() == Some(40)).await;
}

/// A clock that is off by so many seconds.
struct Off(SystemClock, i64);

impl Clock for Off {
    fn now(&self) -> Now {
        let now = self.0.now();
        let by = Duration::from_secs(self.1.unsigned_abs());
        Now::new(if self.1 < 0 { now.unix.saturating_sub(by) } else { now.unix + by }, now.monotonic)
    }
}

/// Both replicas receive each proof several times at once, and their clocks disagree by as much as a proof's window allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_with_one_proof_at_two_replicas_one_passes_whatever_their_clocks_say() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    for offsets in [[0, 0], [50, -50], [-50, 50]] {
        let mut members = Vec::new();
        for offset in offsets {
            let redis = redis(&server.url()).bound(Duration::from_secs(60)).build().unwrap();
            let dpop = Dpop::new(API).replay_store(redis.clone()).replay_timeout(LONG);
            let builder = fleet.builder().clock(Off(SystemClock::new(), offset)).max_concurrent_verifications(16);
            let replica = Replica::plain(builder.change_log(redis.clone()).dpop(dpop)).await;
            _ = replica.server.ready().await;
            let member = Member { replica, redis };
            member.becomes(RedisState::Current).await;
            members.push(member);
        }
        let key = fleet.issuer.proof_key();
        let token = fleet.issuer.resource_token(API).bound_to(&key).mint();
        let proofs: Vec<String> = (0..20).map(|_| key.proof("GET", format!("{API}/"), &token).mint()).collect();
        let sent = (0..proofs.len() * 6).map(|at| {
            // Another order at each replica.
            let (member, turn) = (&members[at % 2], at / 2);
            let number = if at % 2 == 0 { turn * 7 % proofs.len() } else { turn * 3 % proofs.len() };
            let (token, proof) = (&token, &proofs[number]);
            async move { (number, send(member, token, proof).await) }
        });
        let mut passed = vec![0; proofs.len()];
        for (number, status) in futures_util::future::join_all(sent).await {
            assert!([200, 401].contains(&status), "{offsets:?}: {status}");
            passed[number] += u32::from(status == 200);
        }
        assert_eq!(passed, vec![1; proofs.len()], "{offsets:?}");
        // And later, in whatever order.
        for (at, proof) in proofs.iter().enumerate().rev() {
            assert_eq!(send(&members[at % 2], &token, proof).await, 401, "{offsets:?}: {at}");
        }
    }
}

//! What else goes over the connection.

use std::time::Duration;

use orgate::change::redis::RedisState;
use orgate::token::binding::Dpop;

use super::fleet::{Fleet, Member, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::{API, Replica};

/// What a busy machine answers in.
const LONG: Duration = Duration::from_secs(5);

async fn replica(fleet: &Fleet, url: &str, wait: Duration) -> Member {
    // A long bound: what is seen of a fault is the store of proofs, and not the policy.
    let redis = redis(url).bound(Duration::from_secs(60)).build().unwrap();
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

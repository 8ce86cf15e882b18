//! Everything at once, seeded: no fact is lost, and no replica says that it is current when it is not.

use std::time::{Duration, Instant};

use orgate::change::redis::{RedisBuilder, RedisState};

use super::fleet::{FACTS, FEED, Fleet, Member, USERS, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;

/// `ORGATE_SECONDS` and `ORGATE_SEED` make it longer and another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_and_tail_leave_no_gap() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seed, seconds) = (number("ORGATE_SEED", 7), number("ORGATE_SECONDS", 8));
    let mut random = Random(seed);
    let mut server = Server::start(&["--stream-node-max-entries", "10"]).await;
    settle(&server);
    let mut fleet = Fleet::new().await;
    let proxy = Proxy::to(server.port).await;
    let settings = |url: &str| -> RedisBuilder { redis(url).feed_entries(30) };
    let mut members = Vec::new();
    for url in [server.url(), server.url(), proxy.url()] {
        members.push(fleet.join(settings(&url)).await);
    }
    let (start, mut rounds, mut changes, mut joins) = (Instant::now(), 0, 0, 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        rounds += 1;
        for _ in 0..random.below(149) + 1 {
            let (member, user) = (random.below(members.len()), random.below(USERS));
            fleet.change(&members[member], user, random.below(2) == 0);
            changes += 1;
        }
        let fault = random.below(9);
        match fault {
            0 => drop(server.ask(&["FLUSHALL"])),
            1 => drop(server.ask(&["DEL", FACTS])),
            2 => drop(server.ask(&["DEL", FEED])),
            3 => {
                server.ask(&["SAVE"]);
                let user = random.below(USERS);
                fleet.change(&members[0], user, true);
                tokio::time::sleep(Duration::from_millis(random.below(30) as u64)).await;
                server.kill();
                server.run().await;
            }
            4 => drop(server.ask(&["CLIENT", "KILL", "TYPE", "normal"])),
            5 => {
                proxy.set(Fault::Reset);
                tokio::time::sleep(Duration::from_millis(50)).await;
                proxy.set(Fault::None);
            }
            6 => {
                proxy.set(Fault::Cut { to: random.below(2) == 0, from: true });
                tokio::time::sleep(Duration::from_millis(random.below(800) as u64)).await;
                proxy.set(Fault::None);
            }
            _ => {
                // One comes while the others write, and one goes that has told what it knows.
                let gone = random.below(2);
                members[gone].replica.server.changes_kept().await;
                fleet.all_agree(&members.iter().collect::<Vec<_>>()).await;
                members[gone] = fleet.start(settings(&server.url())).await;
                joins += 1;
                members[gone].becomes(RedisState::Current).await;
                check(&fleet, &members[gone]).await;
            }
        }
        if rounds % 4 == 0 {
            fleet.all_agree(&members.iter().collect::<Vec<_>>()).await;
        }
    }
    fleet.all_agree(&members.iter().collect::<Vec<_>>()).await;
    let last = fleet.join(settings(&server.url())).await;
    check(&fleet, &last).await;
    println!("seed {seed}: {rounds} rounds, {changes} changes, {joins} joins");
    assert!(rounds > 2 && changes > 100, "{rounds}, {changes}");
}

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }
}

/// Everybody has told what it knows, so one that says it is current knows it.
async fn check(fleet: &Fleet, member: &Member) {
    let differences = fleet.differences(member).await;
    assert!(
        differences.is_empty() || differences.iter().all(|(_, status)| *status == 503),
        "{differences:?}, {:?}",
        member.redis.status()
    );
}

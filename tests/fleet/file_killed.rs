//! A process that is killed while it writes, many times: what it had reported as kept is there, and nothing else than what
//! it was told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use orgate::change::{Change, Fact, FactKey, Facts, FileLog, FileSettings, FileSync, Log as _, Update};
use orgate::time::{Clock as _, Now, SystemClock};

use crate::support::{API, Directory};

const ISSUER: &str = "https://issuer.example/oidc";
const USERS: u64 = 40;
/// Ids are long, so that the file is rewritten every few hundred changes.
const PADDING: usize = 2000;

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// What one process is told, without end: the user, and whether it is suspended. Each is a millisecond later than the one before.
fn told(seed: u64) -> impl Iterator<Item = (u64, bool)> {
    let mut random = Random(seed);
    std::iter::from_fn(move || Some((random.below(USERS), random.below(3) > 0)))
}

fn name(user: u64) -> String {
    format!("user_{user}_{}", "x".repeat(PADDING))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Knows nothing.
struct Nothing(SystemClock);

impl Facts for Nothing {
    fn each(&self, _: &mut dyn FnMut(&Fact)) {}

    fn now(&self) -> Now {
        self.0.now()
    }
}

/// The rank of each user's fact in the file.
fn ranks(path: &Path) -> BTreeMap<String, u64> {
    let log = FileLog::open(path).unwrap();
    let mut updates = log.follow(Arc::new(Nothing(SystemClock::new())));
    let mut ranks = BTreeMap::new();
    while let Some(Some(Update::Fact(fact))) = updates.next().now_or_never() {
        let FactKey::Suspension { subject, .. } = fact.key() else { panic!("{fact:?}") };
        assert_eq!(fact.issuer(), ISSUER);
        ranks.insert(subject.to_string(), fact.rank().into());
    }
    ranks
}

/// Kills processes that share one file one after the other; `ORGATE_ROUNDS` and `ORGATE_SEED` make it longer and another one.
#[test]
fn killed_processes_lose_nothing_that_was_reported_as_kept() {
    let (seed, rounds) = (number("ORGATE_SEED", 7), number("ORGATE_ROUNDS", 6));
    let (directory, mut random) = (Directory::new(), Random(seed));
    let path = directory.path("changes");
    let mut began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64 - 86_400_000;
    // For each user, the ranks that the file may hold.
    let mut allowed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut all_kept, mut beyond, mut rewritten, mut torn) = (0, 0, 0, 0);
    for round in 0..rounds {
        let seed = random.0.wrapping_add(round);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "file_killed::child_that_is_killed", "--nocapture", "--ignored"])
            .envs([("ORGATE_TEST_FILE", path.to_str().unwrap()), ("ORGATE_TEST_SEED", &seed.to_string())])
            .env("ORGATE_TEST_BEGAN", began.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = 200 + random.below(1200);
        let mut kept = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(count) = line.unwrap().strip_prefix("kept ").and_then(|count| count.parse().ok()) else {
                continue;
            };
            kept = count;
            if kept >= wanted {
                break;
            }
        }
        assert!(kept >= wanted, "the process ended by itself after {kept}");
        // In the middle of whatever it does.
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        // No process is told more than a few hundred changes that it has not reported.
        for (at, (user, is_suspended)) in (began..).zip(told(seed)).take(kept as usize + 5000) {
            let rank = 2 * at + u64::from(is_suspended);
            if at < began + kept {
                allowed.insert(name(user), vec![rank]);
                newest.insert(name(user), rank);
            } else {
                allowed.entry(name(user)).or_default().push(rank);
            }
        }
        let before = std::fs::read(&path).unwrap();
        torn += u64::from(!before.ends_with(b"\n"));
        rewritten += u64::from((before.len() as u64) < kept * PADDING as u64);
        let found = ranks(&path);
        for (user, rank) in &newest {
            assert!(found.get(user).is_some_and(|found| found >= rank), "round {round}: {} was kept", &user[..10]);
        }
        for (user, rank) in found {
            assert!(allowed[&user].contains(&rank), "round {round}: {} {rank} was never said", &user[..10]);
            beyond += u64::from(newest.get(&user).is_none_or(|newest| rank > *newest));
            allowed.insert(user, vec![rank]);
        }
        all_kept += kept;
        began += kept + 10_000;
    }
    assert!(!std::fs::exists(directory.path("changes.damaged")).unwrap(), "a kill damages no line in the middle");
    println!(
        "seed {seed}: {rounds} killed, {all_kept} changes kept, {beyond} facts beyond, {rewritten} files rewritten, {torn} torn"
    );
    assert!(rewritten > 0, "it was rewritten at least once");
}

/// Run by the test above, in another process.
#[tokio::test]
#[ignore = "run by another test"]
async fn child_that_is_killed() {
    let (path, seed) = (std::env::var("ORGATE_TEST_FILE").unwrap(), number("ORGATE_TEST_SEED", 0));
    let began = Duration::from_millis(number("ORGATE_TEST_BEGAN", 0));
    // What was written is in the system's memory when the process is killed: the disk is not what is tested.
    let sync = if seed % 2 == 0 { FileSync::Never } else { FileSync::EachBatch };
    let builder = orgate::ResourceServer::builder(ISSUER, API).change_file(FileSettings::new(path).sync(sync));
    let server = builder.build().unwrap();
    let (entry, mut random) = (server.issuers()[0].clone(), Random(seed));
    let mut changes = told(seed).zip(0_u64..);
    loop {
        let mut count = 0;
        for ((user, is_suspended), number) in changes.by_ref().take(1 + random.below(40) as usize) {
            let at = SystemTime::UNIX_EPOCH + began + Duration::from_millis(number);
            let change = if is_suspended { Change::suspended } else { Change::restored };
            entry.apply_change(&change(ISSUER, name(user), at)).unwrap();
            count = number + 1;
        }
        server.changes_kept().await;
        println!("kept {count}");
    }
}

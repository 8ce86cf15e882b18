use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;

use super::*;
use crate::change::{Fact, FileSync, Update};
use crate::time::Now;

/// Knows nothing, at this moment in days.
struct At(AtomicU64);

impl Facts for At {
    fn each(&self, _: &mut dyn FnMut(&Fact)) {}

    fn now(&self) -> Now {
        Now::new(Duration::from_secs(self.0.load(Ordering::Relaxed) * 24 * 60 * 60), Duration::ZERO)
    }
}

fn at(days: u64) -> Arc<At> {
    Arc::new(At(days.into()))
}

fn change(subject: &str) -> Change {
    Change::suspended("i", subject, std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1))
}

fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("orgate-log-{name}-{}", std::process::id()));
    for ending in ["", ".lock", ".new", ".damaged"] {
        _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    path
}

/// What is told at once.
fn told(updates: &mut dyn Updates) -> (Vec<Fact>, bool) {
    let mut facts = Vec::new();
    loop {
        match updates.next().now_or_never() {
            Some(Some(Update::Fact(fact))) => facts.push(fact),
            Some(Some(Update::Current { .. })) => return (facts, true),
            _ => return (facts, false),
        }
    }
}

#[tokio::test]
async fn suspensions_of_a_file_that_was_not_open_for_30_days_are_not_believed() {
    let path = path("old");
    let log = FileLog::open(&*path).unwrap();
    let mut updates = log.follow(at(1000));
    assert_eq!(told(&mut *updates), (Vec::new(), true));
    // Notes that it is open.
    let attending = tokio::time::timeout(Duration::from_millis(200), updates.next()).await;
    assert!(attending.is_err(), "nothing more arrives");
    log.append(&[
        change("alice"),
        Change::edited("i", crate::change::About::Everything, std::time::SystemTime::UNIX_EPOCH),
    ])
    .await
    .unwrap();
    drop((updates, log));
    for (day, believed) in [(1029, 1), (1031, 0), (900, 1)] {
        let log = FileLog::open(&*path).unwrap();
        let facts = told(&mut *log.follow(at(day))).0;
        assert_eq!(facts.len(), believed, "day {day}");
    }
}

#[tokio::test]
async fn facts_that_were_not_taken_are_told_to_the_next_who_follows() {
    let path = path("taken");
    let log = FileLog::open(FileSettings::new(&*path).sync(FileSync::Never)).unwrap();
    let changes: Vec<_> = (0..10).map(|id| change(&id.to_string())).collect();
    log.append(&changes).await.unwrap();
    drop(log);
    let log = FileLog::open(&*path).unwrap();
    let mut updates = log.follow(at(1));
    assert!(matches!(updates.next().await, Some(Update::Fact(_))));
    drop(updates);
    assert_eq!(told(&mut *log.follow(at(1))).0.len(), 9);
    assert_eq!(told(&mut *log.follow(at(1))), (Vec::new(), true));
}

#[test]
fn settings_that_make_no_sense_are_rejected_with_the_path() {
    for (settings, expected) in [
        (FileSettings::new("/"), "expected the path of a file"),
        (FileSettings::new("/nowhere/at/all"), "/nowhere/at/all"),
        (FileSettings::new("x").sync(FileSync::Every(Duration::from_millis(1))), "sync every 1ms"),
    ] {
        let error = FileLog::open(settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

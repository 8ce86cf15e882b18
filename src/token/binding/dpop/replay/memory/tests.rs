use std::collections::HashSet;

use proptest::prelude::*;

use super::super::Asker;
use super::*;
use crate::token::binding::thumbprint::Thumbprint;

const START: u64 = 1_800_000_000;
const LIFE: u64 = 180;

fn at(seconds: u64) -> Now {
    Now::new(Duration::from_secs(START + seconds), Duration::ZERO)
}

fn key(id: u32) -> ProofKey {
    ProofKey::new(&Thumbprint::of(b"key"), "https://api.example.com/", &id.to_string())
}

/// Records a proof that was made now.
fn record(memory: &ReplayMemory, id: u32, owner: u32, seconds: u64) -> Recorded {
    let mark = Mark::new(Asker::unknown(), &at(seconds));
    memory.record(key(id), &owner, mark, at(seconds + LIFE).unix, &at(seconds))
}

#[test]
fn a_proof_passes_once_within_its_life() {
    let memory = ReplayMemory::new(1024);
    assert_eq!(record(&memory, 1, 1, 0), Recorded::First);
    for (owner, seconds) in [(1, 0), (2, 0), (1, 1), (1, LIFE - 1)] {
        assert!(matches!(record(&memory, 1, owner, seconds), Recorded::Again(_)), "{owner} {seconds}");
    }
    assert_eq!(record(&memory, 2, 1, 0), Recorded::First);
}

#[test]
fn the_earlier_mark_is_returned() {
    let memory = ReplayMemory::new(1024);
    let mark = Mark::new(Asker::of(b"request-1").unwrap(), &at(0));
    assert_eq!(memory.record(key(1), &1, mark, at(LIFE).unix, &at(0)), Recorded::First);
    assert_eq!(record(&memory, 1, 1, 3), Recorded::Again(mark));
    assert_eq!(record(&memory, 1, 1, 4), Recorded::Again(mark), "a replay does not take its place");
}

#[test]
fn one_subject_holds_a_64th_and_others_are_not_touched() {
    let memory = ReplayMemory::new(640);
    for id in 0..10 {
        assert_eq!(record(&memory, id, 7, 0), Recorded::First);
    }
    assert_eq!(record(&memory, 10, 7, 0), Recorded::ShareSpent);
    assert!(matches!(record(&memory, 0, 7, 0), Recorded::Again(_)), "what it used is still known");
    assert_eq!(record(&memory, 10, 8, 0), Recorded::First);
    // Its room is free again once its proofs have expired, and not before.
    assert_eq!(record(&memory, 11, 7, LIFE - 1), Recorded::ShareSpent);
    assert_eq!(record(&memory, 11, 7, LIFE + SLICE), Recorded::First);
}

#[test]
fn a_full_memory_rejects_and_forgets_nothing() {
    let memory = ReplayMemory::new(100);
    for id in 0..100 {
        assert_eq!(record(&memory, id, id, 0), Recorded::First);
    }
    assert_eq!(record(&memory, 100, 100, 0), Recorded::Full);
    assert!((0..100).all(|id| matches!(record(&memory, id, id, 1), Recorded::Again(_))));
    // All have expired: what is not yet cleared away takes no room from others.
    assert_eq!(record(&memory, 100, 100, LIFE + SLICE), Recorded::First);
    for id in 101..200 {
        assert_eq!(record(&memory, id, id, LIFE + SLICE), Recorded::First, "{id}");
    }
    assert_eq!(record(&memory, 200, 200, LIFE + SLICE), Recorded::Full);
    let table = memory.table();
    assert_eq!((table.seen.len(), table.owners.len()), (100, 100), "the others are gone");
}

#[test]
fn what_was_withdrawn_can_be_used() {
    let memory = ReplayMemory::new(6400);
    let mark = Mark::new(Asker::unknown(), &at(0));
    assert_eq!(memory.record(key(1), &1, mark, at(LIFE).unix, &at(0)), Recorded::First);
    memory.withdraw(&key(1), &Mark::new(Asker::unknown(), &at(0)));
    assert!(matches!(record(&memory, 1, 1, 0), Recorded::Again(_)), "another request has not recorded it");
    memory.withdraw(&key(1), &mark);
    assert_eq!(record(&memory, 1, 1, 0), Recorded::First);
    assert!(matches!(record(&memory, 1, 1, 0), Recorded::Again(_)));
    // It takes room until its time is over, so that no number of them makes the memory grow.
    for _ in 0..20_000 {
        let mark = Mark::new(Asker::unknown(), &at(0));
        memory.record(key(2), &2, mark, at(LIFE).unix, &at(0));
        memory.withdraw(&key(2), &mark);
    }
    assert_eq!(memory.table().slices.values().map(Vec::len).sum::<usize>(), 2);
    assert_eq!(record(&memory, 3, 3, 0), Recorded::First);
    // Its room is its owner's, and is free once its time is over.
    assert_eq!(record(&memory, 2, 2, LIFE + SLICE), Recorded::First);
    assert_eq!(memory.table().seen.len(), 1);
}

#[test]
fn proofs_that_a_subject_has_withdrawn_take_its_own_room_only() {
    let memory = ReplayMemory::new(6400);
    let outcomes: Vec<Recorded> = (1000..21_000)
        .map(|id| {
            let mark = Mark::new(Asker::unknown(), &at(0));
            let recorded = memory.record(key(id), &2, mark, at(LIFE).unix, &at(0));
            memory.withdraw(&key(id), &mark);
            recorded
        })
        .collect();
    assert!(outcomes[..100].iter().all(|recorded| *recorded == Recorded::First));
    assert!(outcomes[100..].iter().all(|recorded| *recorded == Recorded::ShareSpent));
    assert_eq!(record(&memory, 1000, 2, 0), Recorded::First, "it has its room already");
    for id in 0..100 {
        assert_eq!(record(&memory, id, 1, 0), Recorded::First);
    }
}

#[test]
fn a_clock_that_jumps_and_returns_lets_no_proof_pass_twice() {
    let memory = ReplayMemory::new(1024);
    assert_eq!(record(&memory, 1, 1, 0), Recorded::First);
    assert_eq!(record(&memory, 2, 1, 10_000), Recorded::First, "the first one is forgotten now");
    assert_eq!(memory.table().seen.len(), 1);
    assert_eq!(record(&memory, 1, 1, 1), Recorded::Unknown);
    assert_eq!(record(&memory, 3, 1, 1), Recorded::Unknown, "it cannot be told from a forgotten one");
    assert_eq!(record(&memory, 3, 1, 2 * SLICE), Recorded::First, "it was made later than what is forgotten");
    assert!(matches!(record(&memory, 2, 1, 60), Recorded::Again(_)));
}

#[test]
fn a_clock_at_its_ends_never_panics() {
    let memory = ReplayMemory::new(100);
    let mark = Mark::new(Asker::unknown(), &at(0));
    for now in [Duration::ZERO, Duration::MAX] {
        for expires_at in [Duration::ZERO, Duration::MAX] {
            memory.record(key(1), &1, mark, expires_at, &Now::new(now, Duration::ZERO));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each proof has one `iat`; whatever the clock does, it passes once in the life that the `iat` gives it.
    #[test]
    fn no_proof_passes_twice(
        capacity in 64..400_usize,
        uses in prop::collection::vec((0..60_u32, 0..6_u32, -400..400_i64, any::<bool>(), any::<bool>()), 1..400),
    ) {
        let memory = ReplayMemory::new(capacity);
        let mut passed = HashSet::new();
        let mut clock = 10_000_i64;
        for (id, owner, step, jumps, fails) in uses {
            clock = (clock + if jumps { step } else { step.abs() / 40 }).max(1_000);
            // Made around the start, one every 20 s.
            let made_at = 10_000 + i64::from(id) * 20;
            let now = at(clock.unsigned_abs());
            let is_recent = (made_at - 60..made_at + 120).contains(&clock);
            if !is_recent {
                continue;
            }
            let mark = Mark::new(Asker::unknown(), &now);
            let expires_at = at(made_at.unsigned_abs() + LIFE).unix;
            if memory.record(key(id), &owner, mark, expires_at, &now) == Recorded::First {
                prop_assert!(!passed.contains(&id), "{} passed twice", id);
                if fails {
                    memory.withdraw(&key(id), &mark);
                } else {
                    passed.insert(id);
                }
            }
        }
        let table = memory.table();
        prop_assert!(table.seen.len() <= 2 * capacity);
        prop_assert_eq!(table.owners.values().flatten().map(|(_, count)| count).sum::<usize>(), table.seen.len());
    }
}

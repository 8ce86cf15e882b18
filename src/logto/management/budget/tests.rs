use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn place(snapshot: u64) -> Place {
    Place { snapshot, number: 0 }
}

/// Asks, and begins all that is granted.
fn burst(budget: &mut Budget, snapshot: u64, calls: usize, now: Duration) -> Answer {
    let answer = budget.ask(place(snapshot), calls, now);
    if answer == Answer::Granted {
        for _ in 0..calls {
            budget.begin(now).unwrap();
        }
    }
    answer
}

#[test]
fn a_window_is_filled_and_passes() {
    let mut budget = Budget::new(3);
    assert_eq!(burst(&mut budget, 1, 2, at(0)), Answer::Granted);
    assert_eq!(burst(&mut budget, 2, 1, at(4000)), Answer::Granted);
    assert_eq!(burst(&mut budget, 3, 1, at(5000)), Answer::Refused(Refusal::Full(at(5000))));
    assert_eq!(burst(&mut budget, 3, 1, at(9000)), Answer::Wait(at(1000)));
    assert_eq!(burst(&mut budget, 3, 1, at(9999)), Answer::Wait(at(1)));
    assert_eq!(burst(&mut budget, 3, 1, at(10_000)), Answer::Granted);
    assert_eq!(burst(&mut budget, 4, 2, at(10_000)), Answer::Refused(Refusal::Full(at(4000))));
    assert_eq!(burst(&mut budget, 4, 1, at(10_000)), Answer::Granted);
}

#[test]
fn what_was_granted_is_kept() {
    let mut budget = Budget::new(3);
    assert_eq!(budget.ask(place(1), 2, at(0)), Answer::Granted);
    // Two of them may still be given back.
    assert_eq!(budget.ask(place(2), 2, at(0)), Answer::Wait(PATIENCE));
    budget.give_back(1);
    assert_eq!(budget.ask(place(2), 2, at(1)), Answer::Granted);
    assert_eq!((0..3).map(|_| budget.begin(at(1))).collect::<Vec<_>>(), [Ok(()); 3]);
    assert_eq!(budget.ask(place(3), 1, at(1)), Answer::Refused(Refusal::Full(at(10_000))));
}

#[test]
fn who_came_first_goes_first() {
    let mut budget = Budget::new(3);
    assert_eq!(budget.ask(place(1), 2, at(0)), Answer::Granted);
    assert!(matches!(budget.ask(place(2), 3, at(0)), Answer::Wait(_)));
    // There would be room for one.
    assert!(matches!(budget.ask(place(3), 1, at(0)), Answer::Wait(_)));
    // What the first did not foresee comes before both.
    assert_eq!(budget.ask(Place { snapshot: 1, number: 1 }, 1, at(0)), Answer::Granted);
    budget.give_back(3);
    assert!(matches!(budget.ask(place(3), 1, at(0)), Answer::Wait(_)));
    budget.leave(place(2));
    assert_eq!(budget.ask(place(3), 1, at(0)), Answer::Granted);
    assert_eq!(budget.ask(place(2), 2, at(0)), Answer::Granted);
}

#[test]
fn closed_is_closed() {
    let mut budget = Budget::new(3);
    assert_eq!(budget.ask(place(1), 1, at(0)), Answer::Granted);
    budget.close(at(5000));
    budget.close(at(2000));
    assert_eq!(budget.begin(at(1)), Err(Refusal::Closed(at(4999))));
    assert_eq!(budget.ask(place(2), 1, at(4000)), Answer::Refused(Refusal::Closed(at(1000))));
    assert_eq!(budget.begin(at(5000)), Ok(()));
    assert_eq!(budget.ask(place(2), 1, at(5000)), Answer::Granted);
}

#[test]
fn more_than_the_limit_is_the_limit() {
    let mut budget = Budget::new(3);
    assert_eq!(budget.ask(place(1), 10, at(0)), Answer::Granted);
    assert_eq!(budget.granted, 3);
}

#[test]
fn share_too_small_for_a_look_up_is_counted_over_a_longer_window_at_the_same_rate() {
    let of = |all, replicas| {
        let mut budget = Budget::new(all);
        budget.share(all, replicas);
        (budget.most, budget.window)
    };
    assert_eq!(of(40, 0), (40, WINDOW));
    assert_eq!(of(40, 4), (10, WINDOW));
    assert_eq!(of(40, 10), (10, at(25_000)));
    assert_eq!(of(40, 100), (10, at(250_000)));
    assert_eq!(of(1000, 3), (333, WINDOW));
    assert_eq!(of(10, usize::MAX).0, 10, "whatever is told, a look-up fits and the window ends");

    let mut budget = Budget::new(40);
    budget.share(40, 10);
    assert_eq!(burst(&mut budget, 1, 9, at(0)), Answer::Granted, "all calls of a look-up");
    assert_eq!(burst(&mut budget, 2, 8, at(10_000)), Answer::Refused(Refusal::Full(at(15_000))));
    assert_eq!(burst(&mut budget, 2, 8, at(25_000)), Answer::Granted);
    // Others have gone: what was asked within ten seconds counts, as before.
    budget.share(40, 1);
    assert_eq!(burst(&mut budget, 3, 33, at(25_001)), Answer::Refused(Refusal::Full(at(9_999))));
    assert_eq!(burst(&mut budget, 3, 32, at(25_001)), Answer::Granted);
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Ask(u64, usize),
    Begin,
    GiveBack,
    Leave(u64),
    Close(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4000_u64).prop_map(Step::Pass),
        6 => (0..6_u64, 1..4_usize).prop_map(|(place, calls)| Step::Ask(place, calls)),
        8 => Just(Step::Begin),
        2 => Just(Step::GiveBack),
        1 => (0..6_u64).prop_map(Step::Leave),
        1 => (0..3000_u64).prop_map(Step::Close),
    ]
}

proptest! {
    #[test]
    fn never_more_than_the_limit_in_any_window(most in 1..6_usize, steps in prop::collection::vec(step(), 0..200)) {
        let mut budget = Budget::new(most);
        let (mut now, mut granted, mut closed) = (at(3_600_000), 0_usize, Duration::ZERO);
        let mut begun: Vec<Duration> = Vec::new();
        let mut waiting: BTreeMap<Place, usize> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Pass(millis) => now += at(millis),
                Step::Ask(who, calls) => {
                    let calls = calls.min(most);
                    let ahead = waiting.range(..place(who)).next().is_some();
                    match budget.ask(place(who), calls, now) {
                        Answer::Granted => {
                            granted += calls;
                            let room = waiting.range(..place(who)).map(|(_, calls)| calls).sum::<usize>() + granted;
                            prop_assert!(!ahead || room <= most, "nobody is overtaken who could have gone");
                            waiting.remove(&place(who));
                        }
                        Answer::Wait(time) => {
                            prop_assert!(!time.is_zero());
                            waiting.insert(place(who), calls);
                        }
                        Answer::Refused(Refusal::Closed(wait)) => {
                            prop_assert_eq!(now + wait, closed);
                            waiting.remove(&place(who));
                        }
                        Answer::Refused(Refusal::Full(wait)) => {
                            prop_assert!(wait > PATIENCE && wait <= WINDOW);
                            waiting.remove(&place(who));
                        }
                    }
                }
                Step::Begin if granted > 0 => {
                    let outcome = budget.begin(now);
                    prop_assert_eq!(outcome.is_ok(), closed <= now);
                    if outcome.is_ok() {
                        granted -= 1;
                        begun.push(now);
                        let window = begun.iter().filter(|&&began| began + WINDOW > now).count();
                        prop_assert!(window <= most, "{window} calls within {WINDOW:?}");
                    }
                }
                Step::GiveBack if granted > 0 => {
                    budget.give_back(1);
                    granted -= 1;
                }
                Step::Begin | Step::GiveBack => {}
                Step::Leave(who) => {
                    budget.leave(place(who));
                    waiting.remove(&place(who));
                }
                Step::Close(millis) => {
                    budget.close(now + at(millis));
                    closed = closed.max(now + at(millis));
                }
            }
        }
        // Nothing is lost for ever: after a while all of it is free again.
        budget.give_back(granted);
        for who in 0..6 {
            budget.leave(place(who));
        }
        prop_assert_eq!(budget.ask(place(9), most, now.max(closed) + WINDOW), Answer::Granted);
    }
}

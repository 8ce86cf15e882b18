//! Each rule by itself, then all of them under random histories.

mod model;

use super::*;

const START: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The jitter that changes nothing.
const EVEN: f64 = 0.5;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A state machine with its clock.
struct Machine {
    state: KeyState,
    now: Duration,
}

impl Machine {
    fn empty() -> Self {
        Self { state: KeyState::new(DAY), now: START }
    }

    /// With a set fetched just now, for ten minutes.
    fn fresh() -> Self {
        let mut machine = Self::empty();
        let flight = machine.fetch();
        machine.arrive_with(flight, None);
        machine
    }

    fn at(mut self, since_start: Duration) -> Self {
        self.now = START + since_start;
        self
    }

    fn held(&mut self) -> Advice {
        self.state.ask(Need::Held, self.now)
    }

    fn kid(&mut self, kid: &str) -> Advice {
        let arrival = self.state.arrival();
        self.kid_since(kid, arrival)
    }

    fn kid_since(&mut self, kid: &str, arrival: Arrival) -> Advice {
        self.state.ask(Need::Kid { kid, arrival }, self.now)
    }

    #[track_caller]
    fn fetch(&mut self) -> FlightId {
        let advice = self.held();
        flight(advice)
    }

    #[track_caller]
    fn arrive_with(&mut self, flight: FlightId, max_age: Option<Duration>) {
        assert!(self.state.fetched(flight, max_age, EVEN, self.now));
    }

    #[track_caller]
    fn fail(&mut self, flight: FlightId) -> Duration {
        self.state.failed(flight, EVEN, self.now).expect("in flight")
    }
}

#[track_caller]
fn flight(advice: Advice) -> FlightId {
    match advice {
        Advice::Fetch(flight) | Advice::UseAndFetch(flight) => flight,
        other => panic!("no fetch: {other:?}"),
    }
}

#[test]
fn the_first_request_fetches_and_the_others_wait() {
    let mut machine = Machine::empty();
    let flight = machine.fetch();
    assert_eq!(machine.held(), Advice::Wait);
    assert_eq!(machine.kid("a"), Advice::Wait);
    machine.arrive_with(flight, None);
    assert_eq!(machine.held(), Advice::Use);
}

#[test]
fn max_age_counts_between_a_minute_and_a_day() {
    let lifetime = |max_age| {
        let mut machine = Machine::empty();
        let flight = machine.fetch();
        machine.arrive_with(flight, max_age);
        let expires_at = machine.state.held.unwrap().expires_at;
        assert_ne!(machine.state.phase(expires_at.checked_sub(Duration::from_nanos(1)).unwrap()).0, Phase::Expired);
        assert_eq!(machine.state.phase(expires_at).0, Phase::Expired);
        expires_at.checked_sub(START).unwrap()
    };
    for honoured in [s(60), s(61), s(3600), DAY] {
        assert_eq!(lifetime(Some(honoured)), honoured);
    }
    for ignored in [None, Some(Duration::ZERO), Some(s(59)), Some(DAY + s(1)), Some(Duration::MAX)] {
        assert_eq!(lifetime(ignored), s(600), "{ignored:?}");
    }
}

#[test]
fn a_refresh_begins_at_four_fifths_of_the_life_time_in_the_background() {
    for (jitter, due) in [(0.0, s(432)), (EVEN, s(480)), (1.0, s(528)), (-7.0, s(432)), (7.0, s(528))] {
        let mut machine = Machine::empty();
        let first = machine.fetch();
        assert!(machine.state.fetched(first, None, jitter, START));
        let due = START + due;
        let unquestioned = machine.state.unquestioned_until(machine.now);
        assert!(unquestioned.abs_diff(due) < Duration::from_micros(1), "{unquestioned:?}");
        machine.now = unquestioned.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(machine.held(), Advice::Use);
        machine.now = unquestioned;
        assert!(matches!(machine.held(), Advice::UseAndFetch(_)));
        assert_eq!(machine.held(), Advice::Use, "one refresh at a time");
    }
}

#[test]
fn a_failed_refresh_is_tried_again_after_the_back_off() {
    let mut machine = Machine::fresh().at(s(500));
    let flight = machine.fetch();
    assert_eq!(machine.fail(flight), s(1));
    assert_eq!(machine.held(), Advice::Use);
    machine.now += s(1);
    assert!(matches!(machine.held(), Advice::UseAndFetch(_)));
}

#[test]
fn nobody_asks_twice_while_a_refresh_is_out_or_backs_off() {
    let mut machine = Machine::fresh().at(s(480));
    let flight = machine.fetch();
    let since_start = |machine: &Machine| machine.state.unquestioned_until(machine.now).saturating_sub(START);
    assert_eq!(since_start(&machine), s(480) + LOST_AFTER, "until there is no hope for the fetch");
    let pause = machine.fail(flight);
    assert_eq!(since_start(&machine), s(480) + pause);

    machine.now = START + s(600);
    assert_eq!(since_start(&machine), Duration::ZERO, "not known to be stale yet");
    let flight = machine.fetch();
    let pause = machine.fail(flight);
    assert_eq!(machine.held(), Advice::Use);
    assert_eq!(since_start(&machine), s(600) + pause);
}

#[test]
fn past_the_life_time_one_fetch_is_waited_for() {
    let mut machine = Machine::fresh().at(s(600));
    assert!(matches!(machine.held(), Advice::Fetch(_)));
    assert_eq!(machine.held(), Advice::Wait);
    machine.now += MAX_WAIT;
    assert_eq!(machine.held(), Advice::Use, "two seconds were waited");

    let mut machine = Machine::fresh().at(s(600));
    let flight = machine.fetch();
    machine.fail(flight);
    assert_eq!(machine.held(), Advice::Use, "the fetch has failed");
    machine.now += s(1);
    assert!(matches!(machine.held(), Advice::UseAndFetch(_)), "no second wait");
    assert_eq!(machine.held(), Advice::Use);
}

#[test]
fn a_failure_shortly_before_the_end_of_the_life_time_counts_within_its_back_off() {
    let mut machine = Machine::fresh().at(s(600).checked_sub(Duration::from_millis(1)).unwrap());
    let flight = machine.fetch();
    machine.fail(flight);
    machine.now = START + s(600);
    assert_eq!(machine.held(), Advice::Use);
    machine.now += s(1);
    assert!(matches!(machine.held(), Advice::Fetch(_)));
}

#[test]
fn stale_keys_have_an_end() {
    for stale_for in [Duration::ZERO, s(1), DAY] {
        let mut machine = Machine { state: KeyState::new(stale_for), now: START };
        let flight = machine.fetch();
        machine.arrive_with(flight, None);
        machine.now += s(600);
        let flight = machine.fetch();
        machine.fail(flight);
        machine.now = (START + s(600) + stale_for).checked_sub(Duration::from_nanos(1)).unwrap();
        if stale_for > Duration::ZERO {
            assert!(matches!(machine.held(), Advice::Use | Advice::UseAndFetch(_)), "{stale_for:?}");
        }
        let mut machine = Machine { now: machine.now + Duration::from_nanos(1), ..machine };
        assert!(!matches!(machine.held(), Advice::Use | Advice::UseAndFetch(_)), "{stale_for:?}");
        assert!(matches!(machine.state.give_up(Need::Held, machine.now), Advice::Unavailable(_)));
    }
}

#[test]
fn stale_keys_never_answer_for_an_unknown_kid() {
    let mut machine = Machine::fresh().at(s(600));
    let flight = flight(machine.kid("a"));
    assert_eq!(machine.kid("a"), Advice::Wait);
    machine.fail(flight);
    assert_eq!(machine.kid("a"), Advice::Unavailable(s(1)));
    let need = Need::Kid { kid: "a", arrival: machine.state.arrival() };
    assert_eq!(machine.state.give_up(need, machine.now), Advice::Unavailable(s(1)));
}

#[test]
fn the_waits_end() {
    let kid = |machine: &mut Machine| {
        let arrival = machine.state.arrival();
        machine.state.give_up(Need::Kid { kid: "a", arrival }, machine.now)
    };
    let mut machine = Machine::empty();
    machine.fetch();
    assert_eq!(machine.state.give_up(Need::Held, START), Advice::Unavailable(s(1)));
    assert_eq!(kid(&mut machine), Advice::Unavailable(s(1)));
    let mut machine = Machine::fresh();
    assert_eq!((machine.state.give_up(Need::Held, START), kid(&mut machine)), (Advice::Use, Advice::Unresolved(s(1))));
    let mut machine = machine.at(s(600));
    assert_eq!(machine.state.give_up(Need::Held, machine.now), Advice::Use);
}

#[test]
fn an_unknown_kid_is_looked_up_once_and_remembered_for_half_a_minute() {
    let mut machine = Machine::fresh();
    let arrival = machine.state.arrival();
    let forced = flight(machine.kid_since("a", arrival));
    assert_eq!(machine.kid_since("b", arrival), Advice::Wait);
    assert_eq!(machine.held(), Advice::Use, "a known key never waits");
    machine.arrive_with(forced, None);
    assert_eq!(machine.kid_since("a", arrival), Advice::NotInSet);
    assert_eq!(machine.kid("a"), Advice::NotInSet, "from memory");
    machine.now += s(30).checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!(machine.kid("a"), Advice::NotInSet);
    machine.now += Duration::from_nanos(1);
    let forced = flight(machine.kid("a"));
    machine.arrive_with(forced, None);
    assert!(machine.state.refused.is_empty());
}

#[test]
fn a_successful_fetch_forgets_the_rejected() {
    let mut machine = Machine::fresh();
    let arrival = machine.state.arrival();
    let forced = flight(machine.kid_since("a", arrival));
    machine.arrive_with(forced, None);
    assert_eq!(machine.kid_since("a", arrival), Advice::NotInSet);
    machine.now += s(5);
    let forced = flight(machine.kid("b"));
    machine.arrive_with(forced, None);
    machine.now += s(5);
    assert!(matches!(machine.kid("a"), Advice::Fetch(_)));
}

#[test]
fn only_a_fetch_that_started_later_proves_that_a_kid_is_not_there() {
    let mut machine = Machine::fresh().at(s(500));
    let refresh = machine.fetch();
    let arrival = machine.state.arrival();
    assert_eq!(machine.kid_since("a", arrival), Advice::Wait);
    machine.arrive_with(refresh, None);
    let forced = flight(machine.kid_since("a", arrival));
    machine.arrive_with(forced, None);
    assert_eq!(machine.kid_since("a", arrival), Advice::NotInSet);
}

#[test]
fn forced_fetches_have_a_budget() {
    let mut machine = Machine::fresh();
    let mut buy = |since_start: u64| {
        machine.now = START + s(since_start);
        let advice = machine.kid("a");
        if let Advice::Fetch(flight) = advice {
            machine.arrive_with(flight, None);
        } else {
            assert!(matches!(advice, Advice::Unresolved(rest) if rest > s(0) && rest <= s(30)), "{advice:?}");
        }
        matches!(advice, Advice::Fetch(_))
    };
    let spent: Vec<u64> = (0..150).filter(|second| buy(*second)).collect();
    assert_eq!(spent, [0, 5, 10, 30, 60, 90, 120]);
}

#[test]
fn a_failed_forced_fetch_is_an_outage() {
    let mut machine = Machine::fresh();
    let arrival = machine.state.arrival();
    let forced = flight(machine.kid_since("a", arrival));
    machine.fail(forced);
    assert_eq!(machine.kid_since("a", arrival), Advice::Unavailable(s(1)));
    assert_eq!(machine.kid("b"), Advice::Unavailable(s(1)));
    assert_eq!(machine.held(), Advice::Use);
}

#[test]
fn back_off_doubles_to_half_a_minute_and_ends_with_a_success() {
    let mut machine = Machine::empty();
    for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
        let flight = machine.fetch();
        assert_eq!(machine.fail(flight), s(expected));
        assert_eq!(machine.held(), Advice::Unavailable(s(expected)));
        machine.now += s(expected);
    }
    let success = machine.fetch();
    machine.arrive_with(success, None);
    let forced = flight(machine.kid("a"));
    assert_eq!(machine.fail(forced), s(1));
    for (jitter, pause) in [(0.0, 900), (1.0, 1100)] {
        let mut machine = Machine::empty();
        let flight = machine.fetch();
        let pause = Duration::from_millis(pause);
        assert!(machine.state.failed(flight, jitter, START).unwrap().abs_diff(pause) < Duration::from_micros(1));
    }
}

#[test]
fn the_memory_of_rejected_kids_is_bounded() {
    let mut machine = Machine::fresh();
    let arrival = machine.state.arrival();
    let forced = flight(machine.kid("a"));
    machine.arrive_with(forced, None);
    assert_eq!(machine.kid_since(&"x".repeat(MAX_REFUSED_KID + 1), arrival), Advice::NotInSet);
    assert!(machine.state.refused.is_empty(), "too long to be kept");
    for number in 0..MAX_REFUSED + 10 {
        assert_eq!(machine.kid_since(&number.to_string(), arrival), Advice::NotInSet);
    }
    assert_eq!(machine.state.refused.len(), MAX_REFUSED);
    machine.now += REFUSED_FOR;
    assert_eq!(machine.kid_since("later", arrival), Advice::NotInSet);
    assert_eq!(machine.state.refused.len(), 1, "the old ones make room");
}

#[test]
fn a_fetch_that_never_ends_is_given_up() {
    let mut machine = Machine::empty();
    let lost = machine.fetch();
    machine.now += LOST_AFTER.checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!(machine.state.overdue(machine.now), None);
    machine.now += Duration::from_nanos(1);
    assert_eq!(machine.state.overdue(machine.now), Some(lost));
    machine.state.lost(lost);
    let next = machine.fetch();
    assert!(!machine.state.fetched(lost, None, EVEN, machine.now));
    assert_eq!(machine.state.failed(lost, EVEN, machine.now), None);
    assert_eq!(machine.held(), Advice::Wait, "the outcome of another fetch changes nothing");
    machine.arrive_with(next, None);
}

#[test]
fn fetch_that_is_lost_costs_no_back_off_and_no_budget() {
    let mut machine = Machine::fresh();
    for kid in ["a", "b", "c", "d", "e"] {
        let lost = flight(machine.kid(kid));
        machine.state.lost(lost);
        assert_eq!(machine.state.view(machine.now).failures, 0);
        assert_eq!(machine.state.failed(lost, EVEN, machine.now), None);
    }
    let forced = flight(machine.kid("f"));
    machine.arrive_with(forced, None);
    assert_eq!(machine.kid("g"), Advice::Unresolved(s(5)), "the one that landed is counted");
    let arrival = machine.state.arrival();
    let Refresh::Fetch(lost) = machine.state.refresh(arrival, machine.now) else { panic!("no fetch") };
    machine.state.lost(lost);
    assert!(matches!(machine.state.refresh(arrival, machine.now), Refresh::Fetch(_)), "nor is it a failure by hand");
}

#[test]
fn set_without_a_key_is_believed_after_three_fetches_in_a_row_over_a_minute() {
    let mut machine = Machine::fresh();
    machine.now += s(480);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let fetch = machine.fetch();
        seen.push(machine.state.emptied(fetch, EVEN, machine.now).unwrap());
        if !seen.last().unwrap().gone {
            assert_eq!(machine.held(), Advice::Use, "the old set stays at first");
            machine.now += s(30);
        }
    }
    let kept = Emptied { gone: false, retry_in: s(30) };
    assert_eq!(seen, [kept, kept, Emptied { gone: true, retry_in: s(4) }]);
    assert_eq!(machine.held(), Advice::Unavailable(s(4)), "gone, though it was within its life time");
    machine.now += s(4);
    let fetch = machine.fetch();
    machine.arrive_with(fetch, None);
    assert_eq!(machine.held(), Advice::Use);
}

#[test]
fn set_without_a_key_is_not_believed_sooner_nor_after_a_good_one() {
    let mut machine = Machine::fresh();
    let by_hand = |machine: &mut Machine, empty: bool| {
        let arrival = machine.state.arrival();
        let Refresh::Fetch(fetch) = machine.state.refresh(arrival, machine.now) else { panic!("no fetch") };
        if empty {
            return machine.state.emptied(fetch, EVEN, machine.now).unwrap().gone;
        }
        machine.arrive_with(fetch, None);
        false
    };
    for _ in 0..10 {
        assert!(!by_hand(&mut machine, true), "ten times within a minute");
    }
    machine.now += s(59);
    by_hand(&mut machine, false);
    machine.now += s(1);
    assert!(!by_hand(&mut machine, true), "the count begins anew");
    machine.now += s(60);
    assert!(!by_hand(&mut machine, true));
    assert!(by_hand(&mut machine, true));
}

#[test]
fn a_clock_at_its_end_does_no_harm() {
    let mut machine = Machine { state: KeyState::new(Duration::MAX), now: Duration::MAX };
    let flight = machine.fetch();
    machine.fail(flight);
    let flight = machine.fetch();
    machine.arrive_with(flight, Some(DAY));
    for kid in ["a", "b"] {
        machine.kid(kid);
    }
    machine.state.overdue(machine.now);
    machine.held();
}

#[test]
fn a_refresh_by_hand_waits_for_a_fetch_of_its_own_and_ends_a_back_off() {
    let mut state = KeyState::new(Duration::ZERO);
    let Advice::Fetch(first) = state.ask(Need::Held, s(1)) else { panic!("the first fetch") };
    let arrival = state.arrival();
    assert_eq!(state.refresh(arrival, s(1)), Refresh::Wait);
    assert!(state.fetched(first, None, 0.5, s(1)));
    let Refresh::Fetch(second) = state.refresh(arrival, s(1)) else { panic!("a fetch after its arrival") };
    state.failed(second, 0.5, s(1));
    assert_eq!(state.refresh(arrival, s(1)), Refresh::Failed);
    let arrival = state.arrival();
    let unknown = Need::Kid { kid: "a", arrival };
    assert_eq!(state.ask(unknown, s(1)), Advice::Unavailable(s(1)));
    let Refresh::Fetch(third) = state.refresh(arrival, s(1)) else { panic!("a back-off does not stop a hand") };
    assert!(state.fetched(third, None, 0.5, s(1)));
    assert_eq!(state.refresh(arrival, s(1)), Refresh::Done);
    let unknown = Need::Kid { kid: "b", arrival: state.arrival() };
    assert!(matches!(state.ask(unknown, s(1)), Advice::Fetch(_)), "the back-off is over");
}

#[test]
fn a_seed_serves_once_a_fetch_was_tried_and_failed() {
    let mut state = KeyState::new(s(100));
    state.seed(s(1));
    assert_eq!((state.view(s(1)).state, state.view(s(5)).age), (KeySetState::Stale, None));
    let Advice::Fetch(first) = state.ask(Need::Held, s(1)) else { panic!("it is tried first") };
    state.failed(first, 0.5, s(2));
    assert_eq!((state.ask(Need::Held, s(2)), state.note()), (Advice::Use, Some(Note::StaleServed { age: None })));
    assert_eq!((state.ask(Need::Held, s(2)), state.note()), (Advice::Use, None), "said once");
    assert!(matches!(state.ask(Need::Held, s(101)), Advice::Fetch(_)), "beyond the bound there are no keys");
    assert_eq!(state.view(s(101)).state, KeySetState::Empty);
}

#[test]
fn suppressed_kids_are_mentioned_now_and_then() {
    let mut state = KeyState::new(s(100));
    let Advice::Fetch(first) = state.ask(Need::Held, s(1)) else { panic!("the first fetch") };
    state.fetched(first, None, 0.5, s(1));
    let mut notes = 0;
    for tenth in 0..100_u32 {
        let now = s(1) + Duration::from_millis(100) * tenth;
        let need = Need::Kid { kid: &tenth.to_string(), arrival: state.arrival() };
        if let Advice::Fetch(forced) = state.ask(need, now) {
            state.fetched(forced, None, 0.5, now);
        }
        notes += u32::from(state.note() == Some(Note::KidSuppressed));
    }
    assert_eq!(notes, 2, "in ten seconds");
}

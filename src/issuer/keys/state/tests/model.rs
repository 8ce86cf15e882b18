//! Random histories, judged by rules that are written down a second time, over the history instead of over a state.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{DAY, START, s};
use crate::issuer::keys::state::*;

#[derive(Clone, Debug)]
enum Event {
    Advance(Duration),
    AskHeld,
    AskKid(u8),
    /// A request that was told to wait asks again.
    AskAgain(prop::sample::Index),
    GiveUp,
    /// Somebody asks for a new set by hand, or asks again.
    ByHand(Option<prop::sample::Index>),
    Fetched {
        max_age: Option<u64>,
        jitter: f64,
    },
    Failed {
        jitter: f64,
    },
    /// A well-formed set without a usable key.
    Emptied {
        jitter: f64,
    },
    /// The runtime that drove the fetch ended.
    Lost,
    /// The outcome of a fetch that is not, or no longer, in flight.
    Late {
        flight: prop::sample::Index,
        good: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let advance = prop_oneof![
        4 => 0..3_000_u64,
        4 => 1_000..40_000_u64,
        2 => 40_000..700_000_u64,
        1 => 600_000..300_000_000_u64,
    ];
    let max_age = prop::option::of(prop_oneof![0..200_u64, 3_000..100_000_u64, Just(u64::MAX)]);
    prop_oneof![
        6 => advance.prop_map(|ms| Event::Advance(Duration::from_millis(ms))),
        5 => Just(Event::AskHeld),
        5 => (0..6_u8).prop_map(Event::AskKid),
        3 => any::<prop::sample::Index>().prop_map(Event::AskAgain),
        1 => Just(Event::GiveUp),
        1 => prop::option::of(any::<prop::sample::Index>()).prop_map(Event::ByHand),
        3 => (max_age, 0.0..1.0).prop_map(|(max_age, jitter)| Event::Fetched { max_age, jitter }),
        2 => (0.0..1.0).prop_map(|jitter| Event::Failed { jitter }),
        1 => (0.0..1.0).prop_map(|jitter| Event::Emptied { jitter }),
        1 => Just(Event::Lost),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(flight, good)| Event::Late { flight, good }),
    ]
}

/// What has happened so far.
struct History {
    state: KeyState,
    now: Duration,
    stale_for: Duration,
    /// The start of every fetch; the number of a fetch is its place, from one.
    starts: Vec<Duration>,
    in_flight: Option<u64>,
    forced: Vec<Duration>,
    /// The newest set: its fetch, when it came, and its lifetime.
    set: Option<(u64, Duration, Duration)>,
    failures_in_a_row: u32,
    /// The last fetch that failed, and the last one that was forced.
    failed: u64,
    forced_flight: u64,
    /// When sets without a usable key came, since the newest set.
    empties: Vec<Duration>,
    /// When the last fetch failed, if the last one did, and until when nothing may start.
    last_failure: Option<(Duration, Duration)>,
    /// When a kid was proven to be absent by a fetch, since the newest set.
    proven: HashMap<String, Duration>,
    waiting: Vec<(String, Arrival, u64)>,
    /// Those who asked by hand, and how many fetches had started then.
    hands: Vec<(Arrival, u64)>,
}

impl History {
    fn new(stale_for: Duration, seeded: bool) -> Self {
        let mut state = KeyState::new(stale_for);
        if seeded {
            state.seed(START);
        }
        Self {
            state,
            now: START,
            stale_for,
            starts: Vec::new(),
            in_flight: None,
            forced: Vec::new(),
            // A seed is no fetch's, and past its lifetime from the start.
            set: seeded.then_some((0, START, Duration::ZERO)),
            failures_in_a_row: 0,
            failed: 0,
            forced_flight: 0,
            empties: Vec::new(),
            last_failure: None,
            proven: HashMap::new(),
            waiting: Vec::new(),
            hands: Vec::new(),
        }
    }

    fn expires_at(&self) -> Option<Duration> {
        self.set.map(|(_, since, lifetime)| since + lifetime)
    }

    fn is_fresh(&self) -> bool {
        self.expires_at().is_some_and(|end| self.now < end)
    }

    fn is_stale(&self) -> bool {
        self.expires_at().is_some_and(|end| self.now >= end && self.now < end + self.stale_for)
    }

    fn backing_off(&self) -> Option<Duration> {
        self.last_failure.and_then(|(_, until)| until.checked_sub(self.now)).filter(|rest| !rest.is_zero())
    }

    fn may_start(&self) -> bool {
        self.in_flight.is_none() && self.backing_off().is_none()
    }

    /// A fetch was tried after the lifetime ended, or as shortly before as the back-off reaches; or it is being tried
    /// and was waited for.
    fn stale_is_justified(&self) -> bool {
        let tried = self.last_failure.is_some_and(|(at, _)| Some(at) >= self.expires_at());
        let waited = self.in_flight.is_some_and(|flight| self.now >= self.start_of(flight) + s(2));
        tried || self.backing_off().is_some() || waited
    }

    fn start_of(&self, flight: u64) -> Duration {
        self.starts[usize::try_from(flight).unwrap() - 1]
    }

    fn started(&mut self, flight: FlightId) {
        assert!(self.may_start(), "one fetch at a time, and none inside the back-off");
        self.flies(flight);
    }

    fn flies(&mut self, flight: FlightId) {
        assert!(self.in_flight.is_none(), "one fetch at a time");
        self.starts.push(self.now);
        assert_eq!(flight.0, self.starts.len() as u64);
        self.in_flight = Some(flight.0);
    }

    fn ask_held(&mut self) {
        let advice = self.state.ask(Need::Held, self.now);
        if self.is_fresh() {
            let (_, since, lifetime) = self.set.unwrap();
            let age = self.now.checked_sub(since).unwrap();
            match advice {
                Advice::UseAndFetch(_) => assert!(age >= lifetime.mul_f64(0.719), "a refresh too early: {age:?}"),
                Advice::Use => assert!(age < lifetime.mul_f64(0.881) || !self.may_start(), "no refresh: {age:?}"),
                other => panic!("a known key within its life time got {other:?}"),
            }
        } else if self.is_stale() {
            match advice {
                Advice::Use => assert!(self.stale_is_justified() && !(self.may_start())),
                Advice::UseAndFetch(_) => assert!(self.stale_is_justified()),
                Advice::Wait => assert!(self.in_flight.is_some_and(|flight| self.now < self.start_of(flight) + s(2))),
                Advice::Fetch(_) => assert!(!self.stale_is_justified()),
                other => panic!("{other:?}"),
            }
        } else {
            self.nothing_to_decide_by(advice);
        }
        if let Advice::Fetch(flight) | Advice::UseAndFetch(flight) = advice {
            self.started(flight);
        }
    }

    fn nothing_to_decide_by(&self, advice: Advice) {
        match advice {
            Advice::Wait => assert!(self.in_flight.is_some()),
            Advice::Fetch(_) => assert!(self.may_start()),
            Advice::Unavailable(rest) => {
                assert!(self.in_flight.is_none() && self.backing_off() == Some(rest), "{rest:?}");
            }
            other => panic!("without a set that may answer: {other:?}"),
        }
    }

    /// `fetches`: how many had started when the request came.
    fn ask_kid(&mut self, kid: String, arrival: Arrival, fetches: u64) {
        let advice = self.state.ask(Need::Kid { kid: &kid, arrival }, self.now);
        if self.is_fresh() {
            let (newest, ..) = self.set.unwrap();
            let proven_now = newest > fetches;
            let remembered = self.proven.get(&kid).is_some_and(|since| self.now < *since + s(30));
            match advice {
                Advice::NotInSet => {
                    assert!(proven_now || remembered, "{kid} was never looked up");
                    if proven_now && !remembered {
                        self.proven.entry(kid.clone()).or_insert(self.now);
                    }
                }
                _ if proven_now || remembered => panic!("{kid} is not there, and got {advice:?}"),
                Advice::Wait => assert!(self.in_flight.is_some()),
                Advice::Unavailable(rest) => assert!(self.in_flight.is_none() && self.backing_off() == Some(rest)),
                Advice::Unresolved(rest) => {
                    assert!(self.may_start());
                    assert!(rest > Duration::ZERO && rest <= s(30), "when to come again: {rest:?}");
                    assert!(self.forced.last().is_some_and(|last| self.now < *last + s(30)), "the budget is refilled");
                }
                Advice::Fetch(flight) => {
                    self.force();
                    self.forced_flight = flight.0;
                }
                Advice::Use | Advice::UseAndFetch(_) => panic!("{advice:?} for an unknown kid"),
            }
        } else {
            self.nothing_to_decide_by(advice);
        }
        match advice {
            Advice::Fetch(flight) => {
                self.started(flight);
                self.waiting.push((kid, arrival, fetches));
            }
            Advice::Wait => self.waiting.push((kid, arrival, fetches)),
            _ => {}
        }
    }

    fn force(&mut self) {
        assert!(self.forced.last().is_none_or(|last| self.now >= *last + s(5)), "two forced within 5 s");
        self.forced.push(self.now);
        for (at, first) in self.forced.iter().enumerate() {
            let refilled = self.now.checked_sub(*first).unwrap().as_secs() / 30;
            assert!(self.forced[at..].len() as u64 <= 3 + refilled, "the budget: {:?}", self.forced);
        }
    }

    /// A back-off does not stop a hand; it gets a set that was asked for after it came, or the failure of that fetch.
    fn by_hand(&mut self, arrival: Arrival, fetches: u64) {
        let newest = self.set.map_or(0, |(flight, ..)| flight);
        match self.state.refresh(arrival, self.now) {
            Refresh::Done => assert!(newest > fetches),
            Refresh::Wait => {
                assert!(newest <= fetches && self.in_flight.is_some());
                self.hands.push((arrival, fetches));
            }
            Refresh::Failed => {
                assert!(newest <= fetches && self.in_flight.is_none() && self.failed > fetches);
            }
            Refresh::Fetch(flight) => {
                assert!(newest <= fetches && self.failed <= fetches);
                self.flies(flight);
                self.hands.push((arrival, fetches));
            }
        }
    }

    fn fetched(&mut self, max_age: Option<u64>, jitter: f64) {
        let Some(flight) = self.in_flight.take() else { return };
        assert!(self.state.fetched(FlightId(flight), max_age.map(Duration::from_secs), jitter, self.now));
        let lifetime = s(max_age.filter(|age| (60..=86_400).contains(age)).unwrap_or(600));
        self.set = Some((flight, self.now, lifetime));
        (self.failures_in_a_row, self.last_failure) = (0, None);
        self.empties.clear();
        self.proven.clear();
        assert!(self.state.refused.is_empty());
    }

    fn failed(&mut self, jitter: f64) {
        let Some(flight) = self.in_flight.take() else { return };
        let pause = self.state.failed(FlightId(flight), jitter, self.now).expect("it was in flight");
        let nominal = 2_f64.powi(self.failures_in_a_row.try_into().unwrap()).min(30.0);
        assert!((0.899 * nominal..=1.101 * nominal).contains(&pause.as_secs_f64()), "{pause:?}, not {nominal} s");
        self.failures_in_a_row += 1;
        self.failed = flight;
        self.last_failure = Some((self.now, self.now + pause));
    }

    fn emptied(&mut self, jitter: f64) {
        let Some(flight) = self.in_flight.take() else { return };
        let had_keys = self.is_fresh() || self.is_stale();
        let Emptied { gone, retry_in } = self.state.emptied(FlightId(flight), jitter, self.now).expect("in flight");
        self.empties.push(self.now);
        let is_believed = self.empties.len() >= 3 && self.now >= self.empties[0] + s(60);
        assert_eq!(gone, is_believed && had_keys);
        if is_believed {
            self.set = None;
        }
        let usual = 2_f64.powi(self.failures_in_a_row.try_into().unwrap()).min(30.0);
        let nominal = if self.set.is_some() { 30.0 } else { usual };
        assert!((0.899 * nominal..=1.101 * nominal).contains(&retry_in.as_secs_f64()), "{retry_in:?}, not {nominal} s");
        self.failures_in_a_row += 1;
        self.failed = flight;
        self.last_failure = Some((self.now, self.now + retry_in));
    }

    fn lost(&mut self) {
        let Some(flight) = self.in_flight.take() else { return };
        self.state.lost(FlightId(flight));
        if self.forced_flight == flight {
            self.forced.pop();
        }
    }

    fn late(&mut self, flight: u64, good: bool) {
        if self.in_flight == Some(flight) {
            return;
        }
        let before = format!("{:?}", self.state);
        if good {
            assert!(!self.state.fetched(FlightId(flight), None, 0.5, self.now));
        } else {
            assert_eq!(self.state.failed(FlightId(flight), 0.5, self.now), None);
            assert_eq!(self.state.emptied(FlightId(flight), 0.5, self.now), None);
            self.state.lost(FlightId(flight));
        }
        assert_eq!(format!("{:?}", self.state), before);
    }

    fn give_up(&mut self) {
        let arrival = self.state.arrival();
        let held = self.state.give_up(Need::Held, self.now);
        let kid = self.state.give_up(Need::Kid { kid: "x", arrival }, self.now);
        assert_eq!(held == Advice::Use, self.is_fresh() || self.is_stale());
        assert_eq!(kid == Advice::Unresolved(s(1)), self.is_fresh());
        for advice in [held, kid] {
            let ok = match advice {
                Advice::Unavailable(rest) => rest >= s(1) && Some(rest) >= self.backing_off(),
                other => matches!(other, Advice::Use | Advice::Unresolved(_)),
            };
            assert!(ok, "{advice:?}");
        }
    }

    /// Until then, whoever does not ask misses nothing.
    fn unquestioned(&self) {
        let until = self.state.unquestioned_until(self.now);
        let last = until.saturating_sub(Duration::from_nanos(1));
        for now in [self.now, (self.now + last) / 2, last].into_iter().filter(|now| (self.now..until).contains(now)) {
            let mut state = self.state.clone();
            assert_eq!(state.ask(Need::Held, now), Advice::Use);
            assert_eq!(state.overdue(now), None);
            assert_eq!(format!("{state:?}"), format!("{:?}", self.state));
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "an event happens once")]
    fn step(&mut self, event: Event) {
        match event {
            Event::Advance(by) => self.now += by,
            Event::AskHeld => self.ask_held(),
            Event::AskKid(kid) => {
                let arrival = self.state.arrival();
                self.ask_kid(format!("kid-{kid}"), arrival, self.starts.len() as u64);
            }
            Event::AskAgain(index) => {
                if !self.waiting.is_empty() {
                    let (kid, arrival, fetches) = self.waiting.swap_remove(index.index(self.waiting.len()));
                    self.ask_kid(kid, arrival, fetches);
                }
            }
            Event::GiveUp => self.give_up(),
            Event::ByHand(Some(index)) if !self.hands.is_empty() => {
                let (arrival, fetches) = self.hands.swap_remove(index.index(self.hands.len()));
                self.by_hand(arrival, fetches);
            }
            Event::ByHand(_) => self.by_hand(self.state.arrival(), self.starts.len() as u64),
            Event::Fetched { max_age, jitter } => self.fetched(max_age, jitter),
            Event::Failed { jitter } => self.failed(jitter),
            Event::Emptied { jitter } => self.emptied(jitter),
            Event::Lost => self.lost(),
            Event::Late { flight, good } => self.late(flight.index(self.starts.len() + 2) as u64, good),
        }
        self.unquestioned();
        let overdue = self.in_flight.filter(|flight| self.now >= self.start_of(*flight) + s(8));
        assert_eq!(self.state.overdue(self.now), overdue.map(FlightId));
        assert!(self.state.refused.len() <= MAX_REFUSED);
        assert!(self.state.refused.values().all(|until| *until <= self.now + s(30)));
        assert_eq!(self.state.held.map(|held| held.flight.0), self.set.map(|(flight, ..)| flight));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_history_keeps_the_rules(
        stale_for in prop_oneof![Just(Duration::ZERO), Just(s(90)), Just(DAY)],
        seeded in any::<bool>(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut history = History::new(stale_for, seeded);
        for event in events {
            history.step(event);
        }
    }
}

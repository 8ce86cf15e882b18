use super::*;

const AT: Duration = Duration::from_secs(100);
const MARK: Epoch = Epoch::numbered(0);

fn now(seconds: u64) -> Now {
    Now::new(Duration::from_secs(1_800_000_000 + seconds), AT + Duration::from_secs(seconds))
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The monotonic hand, so many seconds after the beginning.
fn at(seconds: u64) -> Duration {
    AT + s(seconds)
}

fn within(seconds: u64) -> Freshness {
    Freshness::Within(s(seconds), Epoch::numbered(u64::MAX))
}

#[allow(clippy::unnecessary_wraps, reason = "an outcome")]
fn scopes(name: &str) -> Result<Permissions, SourceError> {
    Ok(Permissions::of([name]))
}

#[allow(clippy::unnecessary_wraps, reason = "an outcome")]
fn error() -> Result<Permissions, SourceError> {
    Err(SourceError::new("down"))
}

#[track_caller]
fn fetch(slot: &mut Slot, need: Freshness, mark: Epoch, now: Duration) -> FlightId {
    match slot.ask(need, mark, now) {
        Advice::Fetch(flight) => flight,
        other => panic!("not a fetch: {other:?}"),
    }
}

/// A slot whose snapshot began at ticket 5, second 0.
fn holding() -> Slot {
    let mut slot = Slot::default();
    let flight = fetch(&mut slot, Freshness::After(Epoch::numbered(4)), MARK, at(0));
    slot.begin(flight, Epoch::numbered(5), now(0));
    slot.land(flight, scopes("a"), at(1));
    slot
}

fn word(advice: &Advice) -> &'static str {
    match advice {
        Advice::Use(_) => "use",
        Advice::Fetch(_) => "fetch",
        Advice::Wait => "wait",
        Advice::Failed(_) => "failed",
    }
}

#[test]
fn an_age_and_an_order() {
    for (need, mark, seconds, expected) in [
        (within(30), 0, 30, "use"),
        (within(30), 0, 31, "fetch"),
        (within(30), 4, 0, "use"),
        (within(30), 5, 0, "fetch"),
        (Freshness::After(Epoch::numbered(4)), 0, 100_000, "use"),
        (Freshness::After(Epoch::numbered(5)), 0, 0, "fetch"),
        (Freshness::After(Epoch::numbered(4)), 5, 0, "fetch"),
        // Begun after the request came: however long it took.
        (Freshness::Within(s(1), Epoch::numbered(4)), 0, 3, "use"),
        (Freshness::Within(s(1), Epoch::numbered(5)), 0, 3, "fetch"),
        (Freshness::Within(s(1), Epoch::numbered(4)), 5, 3, "fetch"),
    ] {
        let advice = holding().ask(need, Epoch::numbered(mark), at(seconds));
        assert_eq!(word(&advice), expected, "{need:?} after {mark} at {seconds}");
        let held = holding().held(need, Epoch::numbered(mark), at(seconds));
        assert_eq!(held.is_some(), expected == "use", "{need:?} after {mark} at {seconds}");
    }
}

#[test]
fn it_may_deny_who_cannot_know_better() {
    let snapshot = holding().held(within(30), MARK, at(0)).unwrap();
    let settled = |before: u64| now(0).unix.checked_sub(s(before));
    assert!(snapshot.may_deny(Epoch::numbered(4), None), "it began after the request came");
    assert!(!snapshot.may_deny(Epoch::numbered(5), None));
    assert!(!snapshot.may_deny(Epoch::numbered(5), settled(0)));
    assert!(snapshot.may_deny(Epoch::numbered(5), settled(1)));
}

#[test]
fn one_fetch_at_a_time() {
    let mut slot = Slot::default();
    let flight = fetch(&mut slot, within(30), MARK, at(0));
    for need in [within(30), Freshness::After(Epoch::numbered(9))] {
        assert_eq!(word(&slot.ask(need, MARK, at(0))), "wait");
    }
    slot.begin(flight, Epoch::numbered(5), now(0));
    assert_eq!(word(&slot.ask(within(30), MARK, at(1))), "wait");
    assert!(slot.refresh_ahead(s(0), at(1)).is_none());
    slot.land(flight, scopes("a"), at(1));
    assert_eq!(word(&slot.ask(within(30), MARK, at(1))), "use");
    // Who came while it was under way needs the next one.
    let next = fetch(&mut slot, Freshness::After(Epoch::numbered(7)), MARK, at(1));
    assert_ne!(flight, next);
    assert_eq!(word(&slot.ask(within(30), MARK, at(1))), "use", "what is held serves meanwhile");
}

#[test]
fn a_change_in_mid_flight_is_not_lost() {
    let mut slot = Slot::default();
    let flight = fetch(&mut slot, within(30), MARK, at(0));
    slot.begin(flight, Epoch::numbered(5), now(0));
    let mark = Epoch::numbered(6);
    assert_eq!(word(&slot.ask(within(30), mark, at(0))), "wait");
    slot.land(flight, scopes("before"), at(1));
    let next = fetch(&mut slot, within(30), mark, at(1));
    slot.begin(next, Epoch::numbered(7), now(1));
    slot.land(next, scopes("after"), at(1));
    let Advice::Use(snapshot) = slot.ask(within(30), mark, at(1)) else { panic!("it began after the change") };
    assert!(snapshot.permissions.holds("after"));
}

#[test]
fn a_failure_counts_for_a_second() {
    let mut slot = holding();
    let flight = fetch(&mut slot, within(30), MARK, at(40));
    slot.begin(flight, Epoch::numbered(8), now(40));
    slot.land(flight, error(), at(42));
    for need in [within(30), Freshness::After(Epoch::numbered(8))] {
        assert_eq!(word(&slot.ask(need, MARK, at(42))), "failed");
        assert_eq!(word(&slot.ask(need, MARK, at(42) + Duration::from_millis(999))), "failed");
    }
    assert_eq!(word(&slot.ask(within(50), MARK, at(42))), "use", "what was known before is known still");
    assert!(slot.refresh_ahead(s(0), at(42)).is_none(), "nothing is asked in the background either");
    let flight = fetch(&mut slot, within(30), MARK, at(43));
    slot.begin(flight, Epoch::numbered(9), now(43));
    slot.land(flight, scopes("a"), at(43));
    assert_eq!(word(&slot.ask(within(30), MARK, at(43))), "use");
    assert!(slot.refresh_ahead(s(0), at(43)).is_some(), "and the failure is forgotten");
}

#[test]
fn a_refresh_ahead_serves_on() {
    let mut slot = holding();
    assert!(slot.refresh_ahead(s(24), at(23)).is_none());
    let flight = slot.refresh_ahead(s(24), at(24)).unwrap();
    assert!(slot.refresh_ahead(s(24), at(25)).is_none(), "one at a time");
    assert_eq!(word(&slot.ask(within(30), MARK, at(25))), "use");
    slot.begin(flight, Epoch::numbered(8), now(25));
    slot.land(flight, scopes("b"), at(26));
    let Advice::Use(snapshot) = slot.ask(within(30), MARK, at(55)) else { panic!("its age counts from its beginning") };
    assert!(snapshot.permissions.holds("b"));
    assert_eq!(word(&slot.ask(within(30), MARK, at(56))), "fetch");
    assert!(Slot::default().refresh_ahead(s(0), at(0)).is_none(), "there is nothing to refresh");
}

#[test]
fn reports_of_other_flights_are_ignored() {
    let mut slot = Slot::default();
    let lost = fetch(&mut slot, within(30), MARK, at(0));
    slot.land(lost, error(), at(0));
    let flight = fetch(&mut slot, within(30), MARK, at(2));
    slot.begin(lost, Epoch::numbered(9), now(2));
    slot.land(lost, scopes("lost"), at(2));
    assert_eq!(word(&slot.ask(within(30), MARK, at(2))), "wait");
    slot.begin(flight, Epoch::numbered(5), now(2));
    slot.land(flight, scopes("a"), at(2));
    slot.land(flight, error(), at(2));
    let Advice::Use(snapshot) = slot.ask(Freshness::After(Epoch::numbered(4)), MARK, at(2)) else {
        panic!("it landed")
    };
    assert!(snapshot.permissions.holds("a"));
    assert_eq!(
        word(&slot.ask(Freshness::After(Epoch::numbered(5)), MARK, at(2))),
        "fetch",
        "it began when it said, not when others did"
    );
}

#[test]
fn what_never_began_is_no_answer() {
    let mut slot = Slot::default();
    let flight = fetch(&mut slot, within(30), MARK, at(0));
    slot.land(flight, scopes("a"), at(1));
    assert_eq!(word(&slot.ask(within(30), MARK, at(1))), "failed");
}

#[test]
fn empty_sets_are_ordinary_values() {
    for permissions in [Permissions::none(), Permissions::of([""; 0])] {
        let mut slot = Slot::default();
        let flight = fetch(&mut slot, within(30), MARK, at(0));
        slot.begin(flight, Epoch::numbered(5), now(0));
        slot.land(flight, Ok(permissions.clone()), at(0));
        let Advice::Use(snapshot) = slot.ask(within(30), MARK, at(30)) else { panic!("it is kept: {permissions:?}") };
        assert_eq!(snapshot.permissions, permissions);
    }
}

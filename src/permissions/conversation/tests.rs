use proptest::prelude::*;

use super::*;
use Remediation::{None as Nothing, Reconsent, Refresh, RequestScope};

const LEEWAY: u64 = 60;
const NOON: u32 = 1_800_000_000;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A token by its number, issued so many seconds after noon.
fn token(number: u8, issued: i32) -> Spoken {
    Spoken { digest: [number; 32], issued_at: Some(f64::from(NOON) + f64::from(issued)) }
}

fn topic(organization: &str) -> Topic {
    Topic {
        issuer_name: "main".into(),
        subject: "u1".into(),
        client: Some("web".into()),
        organization: Some(organization.into()),
        requirement: "resource and scope a".into(),
    }
}

struct Talk {
    conversations: Conversations,
    now: u32,
}

impl Talk {
    fn new() -> Self {
        Self { conversations: Conversations::new(), now: 0 }
    }

    /// Whether the subject holds it follows from the difference.
    fn hears(&self, token: Spoken, difference: Difference) -> Remediation {
        self.hears_of(token, difference, difference != Difference::Lost)
    }

    fn hears_of(&self, token: Spoken, difference: Difference, holds: bool) -> Remediation {
        self.conversations.answer(topic("acme"), token, difference, holds, s(u64::from(NOON + self.now)), s(LEEWAY))
    }
}

#[test]
fn each_row_goes_its_own_way() {
    for (difference, steps) in [
        (Difference::Lost, &[Refresh, Nothing, Nothing][..]),
        (Difference::GainedInOrganization, &[Refresh, Reconsent, Nothing, Nothing]),
        (Difference::GainedForApi, &[Reconsent, Nothing, Nothing]),
        (Difference::GainedByMachine, &[RequestScope, Nothing, Nothing]),
    ] {
        let talk = Talk::new();
        for (number, step) in (0..).zip(steps) {
            assert_eq!(talk.hears(token(number, 0), difference), *step, "{difference:?}, token {number}");
        }
        for (number, step) in (0..).zip(steps) {
            assert_eq!(
                talk.hears(token(number, 0), difference),
                *step,
                "the same token hears the same: {difference:?}"
            );
        }
    }
}

#[test]
fn who_gains_what() {
    for (kind, in_organization, expected) in [
        (SubjectKind::User, true, Difference::GainedInOrganization),
        (SubjectKind::User, false, Difference::GainedForApi),
        (SubjectKind::Unknown, true, Difference::GainedInOrganization),
        (SubjectKind::Unknown, false, Difference::GainedForApi),
        (SubjectKind::Machine, true, Difference::GainedByMachine),
        (SubjectKind::Machine, false, Difference::GainedByMachine),
    ] {
        assert_eq!(Difference::gained(kind, in_organization), expected);
    }
}

#[test]
fn later_is_by_iat_less_the_leeway_rounded_down() {
    for (issued, expected) in [(-61, Refresh), (-60, Nothing), (0, Nothing), (100, Nothing)] {
        let talk = Talk::new();
        assert_eq!(talk.hears(token(0, -100), Difference::Lost), Refresh);
        assert_eq!(talk.hears(token(1, issued), Difference::Lost), expected, "{issued} s");
    }
    // The answer was given within a second that `iat` does not show.
    let talk = Talk::new();
    let at = s(NOON.into()) + Duration::from_millis(999);
    let answer = |token| talk.conversations.answer(topic("acme"), token, Difference::Lost, false, at, s(LEEWAY));
    assert_eq!((answer(token(0, -100)), answer(token(1, -60)), answer(token(2, -61))), (Refresh, Nothing, Nothing));
}

#[test]
fn a_token_without_iat_is_later() {
    let talk = Talk::new();
    let undated = |number| Spoken { digest: [number; 32], issued_at: None };
    assert_eq!(talk.hears(undated(0), Difference::Lost), Refresh);
    assert_eq!(talk.hears(undated(0), Difference::Lost), Refresh);
    assert_eq!(talk.hears(undated(1), Difference::Lost), Nothing);
}

#[test]
fn an_older_token_beside_it_hears_the_same_and_goes_on_hearing_it() {
    let mut talk = Talk::new();
    talk.now = 1000;
    assert_eq!(talk.hears(token(0, 0), Difference::GainedInOrganization), Refresh);
    assert_eq!(talk.hears(token(1, 10), Difference::GainedInOrganization), Refresh, "it was issued before the answer");
    assert_eq!(talk.hears(token(2, 1001), Difference::GainedInOrganization), Reconsent);
    assert_eq!(talk.hears(token(1, 10), Difference::GainedInOrganization), Refresh);
    assert_eq!(talk.hears(token(3, 20), Difference::GainedInOrganization), Reconsent, "where the conversation stands");
    talk.now = 2000;
    assert_eq!(talk.hears(token(4, 2000), Difference::GainedInOrganization), Nothing);
    assert_eq!(talk.hears(token(2, 1001), Difference::GainedInOrganization), Reconsent);
}

#[test]
fn a_change_or_a_pass_starts_anew() {
    let talk = Talk::new();
    assert_eq!(talk.hears(token(0, 0), Difference::GainedForApi), Reconsent);
    assert_eq!(talk.hears(token(1, 0), Difference::GainedForApi), Nothing);
    // Lost, and the token does not have it either: nothing to say, and yet a change.
    talk.conversations.see(&topic("acme"), false);
    assert_eq!(
        talk.hears(token(1, 0), Difference::GainedForApi),
        Reconsent,
        "another sign-in brings what was regained"
    );

    assert_eq!(talk.hears(token(2, 0), Difference::GainedForApi), Nothing);
    talk.conversations.see(&topic("acme"), true);
    assert_eq!(talk.hears(token(3, 0), Difference::GainedForApi), Nothing, "no change");
    talk.conversations.forget(&topic("acme"));
    assert_eq!(talk.hears(token(3, 0), Difference::GainedForApi), Reconsent);

    assert_eq!(talk.hears_of(token(4, 0), Difference::Lost, false), Refresh, "a step back, for now it is lost");
    assert_eq!(talk.hears_of(token(5, 0), Difference::Lost, false), Nothing);
    assert_eq!(talk.hears_of(token(6, 0), Difference::GainedForApi, true), Reconsent);
}

#[test]
fn steps_only_go_up_while_nothing_changes() {
    // Of `any_of(a, b)` the token has one and the subject the other: the next token has neither.
    let talk = Talk::new();
    assert_eq!(talk.hears_of(token(0, 0), Difference::Lost, true), Refresh);
    assert_eq!(talk.hears_of(token(1, 0), Difference::GainedInOrganization, true), Reconsent);
    assert_eq!(talk.hears_of(token(2, 0), Difference::GainedInOrganization, true), Nothing);
    assert_eq!(talk.hears_of(token(3, 0), Difference::Lost, true), Nothing);
}

#[test]
fn each_topic_is_a_conversation_of_its_own() {
    let conversations = Conversations::new();
    let answer = |topic: Topic, number| {
        conversations.answer(topic, token(number, 0), Difference::Lost, false, s(NOON.into()), s(LEEWAY))
    };
    assert_eq!(answer(topic("acme"), 0), Refresh);
    let others = [
        topic("globex"),
        Topic { issuer_name: "other".into(), ..topic("acme") },
        Topic { subject: "u2".into(), ..topic("acme") },
        Topic { client: None, ..topic("acme") },
        Topic { organization: None, ..topic("acme") },
        Topic { requirement: "resource and scope b".into(), ..topic("acme") },
    ];
    for other in others {
        assert_eq!(answer(other, 1), Refresh);
    }
    assert_eq!(answer(topic("acme"), 1), Nothing);
}

#[test]
fn what_is_remembered_is_bounded() {
    let talk = Talk::new();
    for number in 0..=u8::MAX {
        talk.hears(token(number, 0), Difference::Lost);
    }
    let conversation = talk.conversations.0.get(&topic("acme")).unwrap();
    assert_eq!(conversation.lock().unwrap().told.len(), MOST_TOKENS);
    assert_eq!(talk.conversations.0.policy().max_capacity(), Some(MOST_CONVERSATIONS));
}

/// One subject, one scope, one client, an issuer, an API.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "a case")]
struct Life {
    kind: SubjectKind,
    in_organization: bool,
    held_before: bool,
    holds_now: bool,
    /// What the source of live permissions says, whatever is true.
    source_says: Option<bool>,
    /// Whether the client asks for the scope at sign-in, or a machine at all.
    asks: bool,
    /// How far the API's clock is ahead of the issuer's, in seconds.
    ahead: i64,
    /// How long each step of the client takes, in milliseconds.
    pauses: Vec<u64>,
}

fn lives() -> impl Strategy<Value = Life> {
    let kind = prop_oneof![Just(SubjectKind::User), Just(SubjectKind::Machine)];
    let pauses = prop::collection::vec(prop_oneof![0..3000_u64, 0..200_000_u64], 8);
    let what = (any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<bool>>(), any::<bool>());
    (kind, what, prop_oneof![Just(-60_i64), Just(0), Just(60), -60..=60_i64], pauses).prop_map(
        |(kind, (in_organization, held_before, holds_now, source_says, asks), ahead, pauses)| Life {
            kind,
            in_organization,
            held_before,
            holds_now,
            source_says,
            asks,
            ahead,
            pauses,
        },
    )
}

impl Life {
    /// What the client hears, and whether it passes in the end.
    fn live(&self) -> (Vec<Remediation>, bool) {
        let conversations = Conversations::new();
        let mut millis = u64::from(NOON) * 1000;
        let is_machine = self.kind == SubjectKind::Machine;
        // A machine asks for what it was told to ask for, if it is able to.
        let mut asks = self.asks && !is_machine;
        let mut granted = self.held_before;
        let mut in_token = self.held_before && asks;
        let (mut number, mut issued) = (0, u32::try_from(millis / 1000).unwrap());
        let live = self.source_says.unwrap_or(self.holds_now);
        let mut heard = Vec::new();
        for pause in &self.pauses {
            millis += pause;
            if in_token && live {
                return (heard, true);
            }
            let difference = match (in_token, live) {
                (true, _) => Difference::Lost,
                (false, true) => Difference::gained(self.kind, self.in_organization),
                (false, false) => return (heard, false),
            };
            let api = Duration::from_millis(millis).checked_add_signed(self.ahead).unwrap();
            let spoken = Spoken { digest: [number; 32], issued_at: Some(issued.into()) };
            let answer = || conversations.answer(topic("acme"), spoken, difference, live, api, s(LEEWAY));
            let step = answer();
            assert_eq!(answer(), step, "the same token hears the same");
            heard.push(step);
            match step {
                Nothing => return (heard, false),
                Refresh => {}
                Reconsent => granted = self.holds_now,
                RequestScope => asks = self.asks,
                other => panic!("{other:?}"),
            }
            millis += pause;
            // What the issuer puts into the next token.
            let needs_consent = !is_machine && !self.in_organization;
            in_token = self.holds_now && asks && (granted || !needs_consent);
            (number, issued) = (number + 1, u32::try_from(millis / 1000).unwrap());
        }
        panic!("it does not end: {heard:?}")
    }
}

trait AddSigned: Sized {
    fn checked_add_signed(self, seconds: i64) -> Option<Self>;
}

impl AddSigned for Duration {
    fn checked_add_signed(self, seconds: i64) -> Option<Self> {
        let by = s(seconds.unsigned_abs());
        if seconds < 0 { self.checked_sub(by) } else { self.checked_add(by) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_conversation_ends_within_three_answers(life in lives()) {
        let (heard, passed) = life.live();
        prop_assert!(heard.len() <= 3, "{heard:?}");
        // Nobody can tell that a source is wrong which says of an old token that it is still true.
        let is_old = life.held_before && life.kind != SubjectKind::Machine;
        let live = life.source_says.unwrap_or(life.holds_now);
        prop_assert_eq!(passed, live && life.asks && (life.holds_now || is_old), "{:?}", heard);
    }
}

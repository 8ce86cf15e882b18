mod model;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use super::*;
use crate::change::{FactKey, Rank};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::scope::ScopeList;
use crate::scoped::ScopedId;
use crate::time::Now;
use crate::token::{
    AccessToken, EntryVersion, IssuerId, NumericDate, Provenance, Subject, SubjectKind, Times, Verified,
};

/// What a row outlives the longest life of a token by.
const SLACK: u64 = 300;

/// One fact about one issuer entry, in short.
#[derive(Clone, Copy, Debug)]
enum Revocation<'a> {
    Subject { subject: &'a str, not_before: SystemTime },
    Member { organization: &'a str, subject: &'a str, not_before: SystemTime },
    Organization { organization: &'a str, not_before: SystemTime },
    Client { client: &'a str, not_before: SystemTime },
    Everyone { not_before: SystemTime },
    Token { token_id: &'a str, at: SystemTime },
    Suspension { subject: &'a str, suspended: bool, at: SystemTime },
    Deletion { subject: &'a str, at: SystemTime },
}

impl Revocation<'_> {
    fn fact(self) -> (FactKey, Rank) {
        match self {
            Self::Subject { subject, not_before } => (FactKey::subject(subject), Rank::new(not_before, true)),
            Self::Member { organization, subject, not_before } => {
                (FactKey::member(organization, subject), Rank::new(not_before, true))
            }
            Self::Organization { organization, not_before } => {
                (FactKey::organization(organization), Rank::new(not_before, true))
            }
            Self::Client { client, not_before } => (FactKey::client(client), Rank::new(not_before, true)),
            Self::Everyone { not_before } => (FactKey::Everyone, Rank::new(not_before, true)),
            Self::Token { token_id, at } => (FactKey::token(token_id), Rank::new(at, true)),
            Self::Suspension { subject, suspended, at } => (FactKey::suspension(subject), Rank::new(at, suspended)),
            Self::Deletion { subject, at } => (FactKey::deletion(subject), Rank::new(at, true)),
        }
    }
}

fn id(entry: &str) -> IssuerId {
    static IDS: LazyLock<[IssuerId; 2]> = LazyLock::new(|| [IssuerId::unique(), IssuerId::unique()]);
    IDS[usize::from(entry != "main")]
}

/// The list by names, with clocks that agree.
impl RevocationList {
    fn note(&self, entry: &str, revocation: Revocation<'_>, now: Now) -> bool {
        let (key, rank) = revocation.fact();
        let recorded = self.record(id(entry), &key, rank, now);
        self.tell(entry, &recorded);
        recorded.is_news
    }

    fn judged(&self, token: &AccessToken, now: Now) -> Result<(), Revoked> {
        self.judge(token, now, Duration::ZERO)
    }

    fn rows(&self) -> usize {
        self.counts().rows
    }

    fn suspensions(&self) -> usize {
        self.counts().suspensions
    }

    fn weakened_blocks(&self) -> u64 {
        self.counts().weakened_blocks
    }
}

fn bounds() -> Bounds {
    Bounds::default()
}

impl Bounds {
    fn token_life(self, token_life: Duration) -> Self {
        Self { token_life, ..self }
    }

    fn max_rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    fn max_suspensions(self, suspensions: usize) -> Self {
        Self { suspensions, ..self }
    }
}

#[derive(Clone, Debug)]
struct Token {
    actors: Vec<&'static str>,
    entry: &'static str,
    subject: String,
    client: &'static str,
    id: Option<String>,
    claim: Option<String>,
    audience: Vec<String>,
    issued: Option<f64>,
}

impl Token {
    fn of(subject: impl Into<String>, issued: u64) -> Self {
        Self {
            actors: Vec::new(),
            entry: "main",
            subject: subject.into(),
            client: "client",
            id: None,
            claim: None,
            audience: vec!["https://api.example.com".into()],
            issued: Some(f64::from(u32::try_from(issued).unwrap())),
        }
    }

    fn within(mut self, organization: &str) -> Self {
        self.claim = Some(organization.into());
        self
    }

    fn for_organization(mut self, organization: &str) -> Self {
        self.audience.push(format!("urn:logto:organization:{organization}"));
        self
    }

    fn named(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    fn mint(&self) -> AccessToken {
        let subject = Subject::new(self.entry.into(), (&*self.subject).into(), SubjectKind::User);
        let organizations =
            self.audience.iter().filter_map(|audience| audience.strip_prefix("urn:logto:organization:"));
        let verified = Verified {
            entry: EntryVersion::of(id(self.entry)),
            parties: crate::token::Parties::of(
                organizations.map(Into::into).collect(),
                self.actors.iter().map(|actor| (*actor).into()).collect(),
            ),
            issuer: "https://issuer.example".into(),
            subject,
            resources: Arc::from(["https://api.example.com".into()]),
            client_id: Some(self.client.into()),
            token_id: self.id.as_deref().map(Into::into),
            scopes: ScopeList::default(),
            audience: self.audience.iter().map(|audience| (&**audience).into()).collect(),
            organization: self.claim.as_deref().map(|id| ScopedId::new(&self.entry.into(), id)),
            audience_organization: None,
            confirmation: None,
            authentication: None,
            times: Times {
                expires_at: NumericDate::new(1e10).unwrap(),
                issued_at: self.issued.and_then(NumericDate::new),
                not_before: None,
            },
        };
        AccessToken::mint(verified, b"{}", Provenance::dangling())
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn at_ms(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

fn now(seconds: u64) -> Now {
    Now::new(Duration::from_secs(seconds), Duration::ZERO)
}

/// A list with facts about the entry `main`, recorded at the second 1000.
fn list(facts: &[Revocation<'_>]) -> RevocationList {
    filled(RevocationList::new(bounds()), facts)
}

fn filled(list: RevocationList, facts: &[Revocation<'_>]) -> RevocationList {
    for fact in facts {
        list.note("main", *fact, now(1000));
    }
    list
}

fn verdict(list: &RevocationList, token: &Token) -> Result<(), Revoked> {
    list.judged(&token.mint(), now(1000))
}

const fn suspension(subject: &str, suspended: bool, at: SystemTime) -> Revocation<'_> {
    Revocation::Suspension { subject, suspended, at }
}

#[test]
fn an_empty_list_rejects_nothing() {
    assert_eq!(verdict(&RevocationList::new(bounds()), &Token::of("a", 0)), Ok(()));
}

#[test]
fn not_before_means_that_second_and_earlier() {
    let list = list(&[Revocation::Subject { subject: "a", not_before: at_ms(900_999) }]);
    for (issued, expected) in [(0, Err(Revoked::NotBefore)), (900, Err(Revoked::NotBefore)), (901, Ok(()))] {
        assert_eq!(verdict(&list, &Token::of("a", issued)), expected, "{issued}");
        assert_eq!(verdict(&list, &Token::of("b", issued)), Ok(()));
        assert_eq!(verdict(&list, &Token { entry: "other", ..Token::of("a", issued) }), Ok(()), "another's ids");
    }
    assert_eq!(verdict(&list, &Token { issued: Some(900.999), ..Token::of("a", 0) }), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token { issued: None, ..Token::of("a", 0) }), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token { issued: None, ..Token::of("b", 0) }), Ok(()));
}

#[test]
fn not_before_only_moves_forward() {
    let not_before = |seconds| Revocation::Subject { subject: "a", not_before: at(seconds) };
    let list = list(&[not_before(900), not_before(800), not_before(900)]);
    assert_eq!(verdict(&list, &Token::of("a", 900)), Err(Revoked::NotBefore));
    assert_eq!(list.rows(), 1);
}

#[test]
fn whose_tokens_a_fact_is_about() {
    let not_before = at(900);
    let token = || Token::of("a", 900).named("j");
    let (member, other) = (token().within("o"), Token { subject: "b".into(), ..token().within("o") });
    let elsewhere = token().within("p");
    let machine = Token { client: "machine", ..Token::of("machine", 900) };
    for (fact, refused, passed) in [
        (
            Revocation::Member { organization: "o", subject: "a", not_before },
            vec![member.clone(), token().for_organization("o"), token().for_organization("p").for_organization("o")],
            vec![token(), other.clone(), elsewhere.clone(), token().for_organization("p")],
        ),
        (
            Revocation::Organization { organization: "o", not_before },
            vec![member.clone(), other.clone(), token().for_organization("o")],
            vec![token(), elsewhere.clone()],
        ),
        (
            Revocation::Subject { subject: "a", not_before },
            vec![member.clone(), token(), elsewhere.clone()],
            vec![other.clone()],
        ),
        (Revocation::Client { client: "machine", not_before }, vec![machine.clone()], vec![member.clone()]),
        (Revocation::Subject { subject: "machine", not_before }, vec![machine.clone()], vec![member.clone()]),
        (Revocation::Everyone { not_before }, vec![member.clone(), other, machine, token()], vec![Token::of("a", 901)]),
    ] {
        let list = list(&[fact]);
        for token in refused {
            assert_eq!(verdict(&list, &token), Err(Revoked::NotBefore), "{fact:?} {token:?}");
            assert_eq!(verdict(&list, &Token { issued: Some(901.0), ..token }), Ok(()), "{fact:?}");
        }
        for token in passed {
            assert_eq!(verdict(&list, &token), Ok(()), "{fact:?} {token:?}");
        }
    }
    let list = list(&[Revocation::Token { token_id: "j", at: not_before }]);
    assert_eq!(verdict(&list, &Token { issued: Some(990.0), ..token() }), Err(Revoked::TokenId), "whatever its iat");
    assert_eq!(verdict(&list, &token().named("k")), Ok(()));
    assert_eq!(verdict(&list, &Token::of("j", 900)), Ok(()));
}

#[test]
fn a_block_holds_whatever_the_iat() {
    let late = Token { issued: Some(999.0), ..Token::of("a", 0) };
    for fact in [suspension("a", true, at(900)), Revocation::Deletion { subject: "a", at: at(900) }] {
        let list = list(&[fact, Revocation::Subject { subject: "a", not_before: at(999) }]);
        assert_eq!(verdict(&list, &late), Err(Revoked::Blocked), "before any other reason");
        assert_eq!(verdict(&list, &Token { issued: None, ..late.clone() }), Err(Revoked::Blocked));
        assert_eq!(verdict(&list, &Token::of("b", 0)), Ok(()));
    }
}

#[test]
fn a_suspension_is_lifted_by_a_later_event_only() {
    let a = Token::of("a", 999);
    let (suspended, lifted) = (suspension("a", true, at_ms(900_500)), suspension("a", false, at_ms(900_501)));
    let again = suspension("a", true, at_ms(900_502));
    for (facts, expected) in [
        (vec![suspended, lifted], Ok(())),
        (vec![lifted, suspended], Ok(())),
        (vec![suspended, lifted, suspended, suspended], Ok(())),
        (vec![suspended, lifted, again, lifted, suspended], Err(Revoked::Blocked)),
        (vec![suspended, suspension("a", false, at_ms(900_500))], Err(Revoked::Blocked)),
        (vec![suspension("a", false, at_ms(900_500)), suspended], Err(Revoked::Blocked)),
        (vec![suspended, suspension("a", false, at_ms(900_499))], Err(Revoked::Blocked)),
        (vec![suspended, suspension("b", false, at_ms(900_501))], Err(Revoked::Blocked)),
        (vec![Revocation::Deletion { subject: "a", at: at(900) }, lifted], Err(Revoked::Blocked)),
    ] {
        assert_eq!(verdict(&list(&facts), &a), expected, "{facts:?}");
    }
}

#[test]
fn what_ends_and_when() {
    let life = 1000;
    let end = 900 + life + SLACK;
    let token = Token::of("a", 100).within("o").named("j");
    for fact in [
        Revocation::Subject { subject: "a", not_before: at(900) },
        Revocation::Member { organization: "o", subject: "a", not_before: at(900) },
        Revocation::Organization { organization: "o", not_before: at(900) },
        Revocation::Client { client: "client", not_before: at(900) },
        Revocation::Everyone { not_before: at(900) },
        Revocation::Deletion { subject: "a", at: at(900) },
    ] {
        let list = filled(RevocationList::new(bounds().token_life(Duration::from_secs(life))), &[fact]);
        assert!(list.judged(&token.mint(), now(end - 1)).is_err(), "{fact:?}");
        assert_eq!(list.judged(&token.mint(), now(end)), Ok(()), "{fact:?}");
        // The next writer clears up, and what has ended is not taken up again.
        list.note("main", fact, now(end));
        assert_eq!(list.rows(), 0, "{fact:?}");
        assert!(list.is_idle(), "{fact:?}");
        assert_eq!(list.judged(&token.mint(), now(end - 1)), Ok(()), "{fact:?}");
    }
    let list = filled(
        RevocationList::new(bounds().token_life(Duration::from_secs(life))),
        &[suspension("a", true, at(900)), Revocation::Token { token_id: "k", at: at(900) }],
    );
    assert_eq!(list.judged(&token.clone().named("k").mint(), now(end - 1)), Err(Revoked::Blocked));
    list.note("other", Revocation::Everyone { not_before: at(end * 100) }, now(end * 100));
    assert_eq!((list.rows(), list.suspensions()), (0, 1));
    assert_eq!(list.judged(&token.mint(), now(end * 100)), Err(Revoked::Blocked), "a suspension does not end");
}

#[test]
fn the_default_bounds() {
    let list = list(&[Revocation::Subject { subject: "a", not_before: at(1000) }]);
    let end = 1000 + 24 * 3600 + SLACK;
    assert_eq!(list.judged(&Token::of("a", 1000).mint(), now(end - 1)), Err(Revoked::NotBefore));
    assert_eq!(list.judged(&Token::of("a", 1000).mint(), now(end)), Ok(()));
}

#[test]
fn absurd_moments() {
    let far = at(100_000_000_000);
    let list = list(&[
        Revocation::Subject { subject: "a", not_before: SystemTime::UNIX_EPOCH - Duration::from_secs(1) },
        Revocation::Token { token_id: "j", at: far },
        Revocation::Subject { subject: "b", not_before: far },
    ]);
    assert_eq!(verdict(&list, &Token { issued: Some(-1e9), ..Token::of("a", 0) }), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token::of("a", 1)), Ok(()));
    assert_eq!(verdict(&list, &Token { issued: Some(1e300), ..Token::of("b", 0) }), Ok(()));
    assert_eq!(verdict(&list, &Token::of("b", 4_000_000_000)), Err(Revoked::NotBefore));
}

#[test]
fn removed_members_become_their_organization_first() {
    let list = RevocationList::new(bounds().max_rows(100));
    let crowd: Vec<String> = (0..80).map(|id| format!("crowd{id}")).collect();
    for (second, subject) in (900..).zip(&crowd) {
        list.note("main", Revocation::Member { organization: "big", subject, not_before: at(second) }, now(1000));
    }
    for few in ["p", "q", "r"] {
        for subject in &crowd[..15] {
            list.note("main", Revocation::Member { organization: few, subject, not_before: at(999) }, now(1000));
        }
    }
    assert!(list.rows() <= 100, "{}", list.rows());
    let stayed = |issued| Token::of("stayed", issued);
    assert_eq!(verdict(&list, &stayed(900).within("big")), Err(Revoked::NotBefore), "the crowd's organization pays");
    assert_eq!(verdict(&list, &stayed(0).within("p")), Ok(()));
    assert_eq!(verdict(&list, &stayed(0)), Ok(()));
    for subject in &crowd[..15] {
        assert_eq!(verdict(&list, &Token::of(subject, 900).within("big")), Err(Revoked::NotBefore));
        assert_eq!(verdict(&list, &Token::of(subject, 999).within("q")), Err(Revoked::NotBefore));
    }
}

#[test]
fn the_oldest_rows_become_the_whole_entry() {
    let list = RevocationList::new(bounds().max_rows(100));
    let subjects: Vec<String> = (0..101).map(|id| format!("subject{id}")).collect();
    list.note("other", Revocation::Subject { subject: "x", not_before: at(1) }, now(1000));
    for (second, subject) in (500..).zip(&subjects) {
        list.note("main", Revocation::Subject { subject, not_before: at(second) }, now(1000));
    }
    assert!(list.rows() < 100, "{}", list.rows());
    for (second, subject) in (500..).zip(&subjects) {
        assert_eq!(verdict(&list, &Token::of(subject, second)), Err(Revoked::NotBefore), "none is forgotten");
    }
    assert_eq!(verdict(&list, &Token::of("anybody", 500)), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token::of("anybody", 540)), Ok(()), "an eighth and no more");
    assert_eq!(
        verdict(&list, &Token { entry: "other", ..Token::of("anybody", 0) }),
        Ok(()),
        "the other entry does not pay"
    );
    assert_eq!(verdict(&list, &Token { entry: "other", ..Token::of("x", 1) }), Err(Revoked::NotBefore));
    assert_eq!(list.weakened_blocks(), 0);
}

#[test]
fn a_deletion_without_room_is_told() {
    let list = RevocationList::new(bounds().max_rows(4));
    for (second, subject) in (900..).zip(["a", "b", "c", "d", "e"]) {
        list.note("main", Revocation::Deletion { subject, at: at(second) }, now(1000));
    }
    assert_eq!(list.weakened_blocks(), 1);
    assert_eq!(verdict(&list, &Token::of("a", 900)), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token::of("a", 999)), Ok(()), "the loss that was told");
    assert_eq!(verdict(&list, &Token::of("e", 999)), Err(Revoked::Blocked));
    // What everybody's not-before covers is a block all the same, as long as there is room.
    let list = filled(RevocationList::new(bounds().max_rows(4)), &[Revocation::Everyone { not_before: at(950) }]);
    list.note("main", Revocation::Deletion { subject: "a", at: at(900) }, now(1000));
    list.note("main", Revocation::Subject { subject: "b", not_before: at(60_000) }, now(60_000));
    assert_eq!(list.judged(&Token::of("a", 59_000).mint(), now(60_000)), Err(Revoked::Blocked));
    assert_eq!(list.weakened_blocks(), 0);
}

#[test]
fn suspensions_have_room_of_their_own() {
    let list = RevocationList::new(bounds().max_rows(1).max_suspensions(3));
    for subject in ["a", "b", "c"] {
        list.note("main", suspension(subject, true, at(900)), now(1000));
        list.note("main", Revocation::Subject { subject, not_before: at(900) }, now(1000));
    }
    for subject in ["a", "b", "c"] {
        assert_eq!(verdict(&list, &Token::of(subject, 999)), Err(Revoked::Blocked));
    }
    assert_eq!((list.weakened_blocks(), list.suspensions()), (0, 3));
    list.note("main", suspension("d", true, at(950)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (1, 3));
    assert_eq!(verdict(&list, &Token::of("d", 950)), Err(Revoked::NotBefore));
    assert_eq!(verdict(&list, &Token::of("d", 951)), Ok(()), "the loss that was told");
    assert_eq!(verdict(&list, &Token::of("a", 999)), Err(Revoked::Blocked), "nobody else pays");
    // A suspension that is known already needs no room.
    list.note("main", suspension("a", true, at(960)), now(1000));
    assert_eq!(list.weakened_blocks(), 1);
}

#[test]
fn lifted_suspensions_make_room_the_oldest_first() {
    let list = RevocationList::new(bounds().max_suspensions(3));
    for (subject, lifted) in [("a", 910), ("b", 905), ("c", 920)] {
        list.note("main", suspension(subject, true, at(900)), now(1000));
        list.note("main", suspension(subject, false, at(lifted)), now(1000));
    }
    list.note("main", suspension("d", true, at(950)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (0, 3));
    assert_eq!(verdict(&list, &Token::of("d", 999)), Err(Revoked::Blocked));
    for subject in ["a", "c"] {
        list.note("main", suspension(subject, true, at(900)), now(1000));
        assert_eq!(verdict(&list, &Token::of(subject, 999)), Ok(()), "a replay against what is remembered");
    }
    list.note("main", suspension("a", true, at(960)), now(1000));
    list.note("main", suspension("e", true, at(960)), now(1000));
    list.note("main", suspension("f", true, at(960)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (1, 3), "a stands again, c made room for e, f found none");
    assert_eq!(verdict(&list, &Token::of("e", 999)), Err(Revoked::Blocked));
    assert_eq!(verdict(&list, &Token::of("f", 999)), Ok(()));
    // Without room for it, an end is not remembered, and nothing is told.
    list.note("main", suspension("g", false, at(960)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (1, 3));
}

#[test]
fn entry_with_most_suspensions_makes_room_for_those_of_another() {
    let list = RevocationList::new(bounds().max_suspensions(3));
    for (subject, moment) in [("a", 900), ("b", 920), ("c", 910)] {
        list.note("main", suspension(subject, true, at(moment)), now(1000));
    }
    list.note("other", suspension("d", true, at(950)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (1, 3));
    let of_other = |subject| Token { entry: "other", ..Token::of(subject, 999) };
    assert_eq!(verdict(&list, &of_other("d")), Err(Revoked::Blocked), "the entry with one suspension pays for none");
    for (subject, expected) in [("a", Err(Revoked::Blocked)), ("b", Ok(())), ("c", Err(Revoked::Blocked))] {
        assert_eq!(verdict(&list, &Token::of(subject, 999)), expected, "{subject}");
    }
    assert_eq!(verdict(&list, &Token::of("b", 920)), Err(Revoked::NotBefore), "tokens up to its block");
    // Of two and two, the entry of the fact pays.
    list.note("other", suspension("e", true, at(960)), now(1000));
    assert_eq!((verdict(&list, &of_other("d")), verdict(&list, &of_other("e"))), (Err(Revoked::Blocked), Ok(())));
    // Whoever floods the list weakens only what is its own.
    for number in 0..50 {
        list.note("main", suspension(&number.to_string(), true, at(970 + number)), now(1020));
    }
    assert_eq!(verdict(&list, &of_other("d")), Err(Revoked::Blocked));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (52, 3));
}

#[test]
fn flood_of_lifted_suspensions_displaces_none_of_another_entry() {
    let list = RevocationList::new(bounds().max_suspensions(4));
    list.note("other", suspension("d", true, at(800)), now(1000));
    list.note("other", suspension("d", false, at(900)), now(1000));
    for number in 0..10 {
        let subject = number.to_string();
        list.note("main", suspension(&subject, true, at(950)), now(1000));
        list.note("main", suspension(&subject, false, at(960 + number)), now(1000));
    }
    for subject in ["x", "y", "z"] {
        list.note("main", suspension(subject, true, at(990)), now(1000));
    }
    // An end that comes before its suspension weakens none that stands, and is not remembered.
    list.note("other", suspension("e", false, at(990)), now(1000));
    assert_eq!((list.weakened_blocks(), list.suspensions()), (0, 4));
    for subject in ["x", "y", "z"] {
        assert_eq!(verdict(&list, &Token::of(subject, 999)), Err(Revoked::Blocked), "{subject}");
    }
    list.note("other", suspension("d", true, at(890)), now(1000));
    let token = Token { entry: "other", ..Token::of("d", 999) };
    assert_eq!(verdict(&list, &token), Ok(()), "a replay against what is remembered");
    list.remove(id("other"), now(1000));
    assert_eq!(list.suspensions(), 3);
}

#[test]
fn each_verdict_says_what_helps() {
    let left = Duration::from_secs(7);
    for (revoked, remediation, retry_after) in [
        (Revoked::NotBefore, Remediation::Refresh, None),
        (Revoked::NotYet(left), Remediation::Retry, Some(left)),
        (Revoked::TokenId, Remediation::Refresh, None),
        (Revoked::Blocked, Remediation::Authenticate, None),
        (Revoked::Removed, Remediation::Authenticate, None),
    ] {
        let rejection = Rejection::from(revoked);
        assert_eq!((rejection.kind(), rejection.remediation()), (RejectionKind::RevokedToken, remediation));
        assert_eq!((rejection.status().as_u16(), rejection.retry_after()), (401, retry_after));
        assert!(!rejection.detail().is_empty());
    }
}

#[test]
fn token_issued_just_before_a_moment_ahead_is_told_to_wait() {
    let leeway = Duration::from_secs(60);
    // By hand at 1000: up to 1060.
    let list = list(&[Revocation::Subject { subject: "a", not_before: at(1060) }]);
    let verdict = |issued, seconds| list.judge(&Token::of("a", issued).mint(), now(seconds), leeway);
    let wait = |seconds| Err(Revoked::NotYet(Duration::from_secs(seconds)));
    assert_eq!(verdict(1000, 1000), Err(Revoked::NotBefore), "what was issued before it gets a new token");
    assert_eq!(verdict(1001, 1001), wait(60), "a new one would be too old as well");
    assert_eq!(verdict(1059, 1059), wait(2));
    assert_eq!(verdict(1060, 1060), Err(Revoked::NotBefore), "a new one is young enough in a moment");
    assert_eq!(verdict(1061, 1061), Ok(()));
    let without = Token { issued: None, ..Token::of("a", 0) };
    assert_eq!(list.judge(&without.mint(), now(1001), leeway), Err(Revoked::NotBefore));
}

#[test]
fn what_rejects_a_subject_rejects_tokens_in_which_it_acts() {
    let acting = Token { actors: vec!["agent", "robot"], ..Token::of("a", 950) };
    for (fact, expected) in [
        (suspension("robot", true, at(900)), Err(Revoked::Blocked)),
        (Revocation::Deletion { subject: "agent", at: at(900) }, Err(Revoked::Blocked)),
        (Revocation::Subject { subject: "agent", not_before: at(950) }, Err(Revoked::NotBefore)),
        (Revocation::Subject { subject: "agent", not_before: at(949) }, Ok(())),
        (suspension("robot", false, at(900)), Ok(())),
        (suspension("other", true, at(900)), Ok(())),
        (Revocation::Member { organization: "o", subject: "agent", not_before: at(950) }, Ok(())),
    ] {
        assert_eq!(verdict(&list(&[fact]), &acting), expected, "{fact:?}");
    }
}

#[test]
fn removed_entry_rejects_its_tokens_and_leaves_nothing() {
    let list = list(&[
        Revocation::Subject { subject: "a", not_before: at(900) },
        suspension("b", true, at(900)),
        suspension("c", false, at(900)),
    ]);
    list.note("other", Revocation::Client { client: "x", not_before: at(900) }, now(1000));
    list.remove(id("main"), now(1000));
    assert_eq!((list.rows(), list.suspensions()), (1, 0));
    assert_eq!(verdict(&list, &Token::of("z", 999)), Err(Revoked::Removed), "a request that verified it just before");
    assert_eq!(verdict(&list, &Token { entry: "other", ..Token::of("z", 999) }), Ok(()));
    assert!(!list.note("main", suspension("b", true, at(950)), now(1000)), "it comes too late");
    assert_eq!((list.rows(), list.suspensions(), list.facts(id("main"), now(1000)).len()), (1, 0, 0));
}

#[test]
fn what_is_known_is_exported_and_makes_the_same_list() {
    let facts = [
        Revocation::Everyone { not_before: at(800) },
        Revocation::Subject { subject: "a", not_before: at(900) },
        Revocation::Member { organization: "o", subject: "b", not_before: at(901) },
        Revocation::Organization { organization: "p", not_before: at(902) },
        Revocation::Client { client: "c", not_before: at(903) },
        Revocation::Token { token_id: "j", at: at(904) },
        suspension("d", true, at_ms(905_123)),
        suspension("e", false, at_ms(906_456)),
        Revocation::Deletion { subject: "f", at: at(907) },
    ];
    let list = list(&facts);
    let sort = |mut facts: Vec<(FactKey, Rank)>| {
        facts.sort();
        facts
    };
    let exported = sort(list.facts(id("main"), now(1000)));
    assert_eq!(exported, sort(facts.iter().map(|fact| fact.fact()).collect()));
    let other = RevocationList::new(bounds());
    for (key, rank) in &exported {
        assert!(other.record(id("main"), key, *rank, now(1000)).is_news, "{key:?}");
        assert!(!other.record(id("main"), key, *rank, now(1000)).is_news, "{key:?}: again");
    }
    assert_eq!(sort(other.facts(id("main"), now(1000))), exported);
    let end = 907 + 24 * 3600 + SLACK + 300;
    let left = sort(list.facts(id("main"), now(end)));
    assert_eq!(left.len(), 2, "what has ended is not shown: {left:?}");
}

#[test]
fn its_debug_form_names_nobody() {
    let list = list(&[Revocation::Subject { subject: "alice", not_before: at(900) }, suspension("bob", true, at(900))]);
    assert_eq!(format!("{list:?}"), "RevocationList { rows: 1, suspensions: 1, weakened_blocks: 0, .. }");
}

/// While rows move into coarser ones, there is no moment in which they are in neither.
#[test]
fn a_revoked_token_never_passes_meanwhile() {
    let cases = [
        (Token::of("a", 900), Revocation::Subject { subject: "a", not_before: at(900) }),
        (Token::of("b", 900).within("o"), Revocation::Member { organization: "o", subject: "b", not_before: at(900) }),
        (Token { client: "c", ..Token::of("x", 900) }, Revocation::Client { client: "c", not_before: at(900) }),
        (Token::of("y", 900).named("j"), Revocation::Token { token_id: "j", at: at(900) }),
    ];
    let subjects: Vec<String> = (0..90).map(|id| id.to_string()).collect();
    for (token, fact) in cases.iter().cycle().take(600) {
        let list = &filled(RevocationList::new(bounds().max_rows(40)), &[*fact]);
        let (token, done) = (token.mint(), &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut refused = 0;
                while !done.load(Ordering::Relaxed) {
                    assert!(list.judged(&token, now(1000)).is_err());
                    refused += 1;
                }
                refused
            });
            for subject in &subjects {
                list.note("main", Revocation::Member { organization: "o", subject, not_before: at(950) }, now(1000));
                list.note("main", Revocation::Subject { subject, not_before: at(1200) }, now(1000));
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert!(list.rows() <= 40);
    }
}

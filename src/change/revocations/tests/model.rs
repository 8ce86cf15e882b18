//! Random histories, judged a second time by a reader that keeps every fact and never merges any.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Fact {
    Subject(u8),
    Member(u8, u8),
    Organization(u8),
    Client(u8),
    Everyone,
    Token(u8),
    Suspension(u8, bool),
    Deletion(u8),
}

#[derive(Clone, Debug)]
struct Noted {
    entry: bool,
    fact: Fact,
    /// In milliseconds.
    at: u32,
}

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const CLIENTS: [&str; 2] = ["web", "app"];
const ENTRIES: [&str; 2] = ["main", "other"];
/// In seconds: how long rows last, and how much longer.
const LIFE: u32 = 100;
const LEEWAY: u32 = 300;

fn fact() -> impl Strategy<Value = Fact> {
    let id = || 0..5_u8;
    prop_oneof![
        4 => id().prop_map(Fact::Subject),
        6 => (id(), id()).prop_map(|(organization, subject)| Fact::Member(organization, subject)),
        2 => id().prop_map(Fact::Organization),
        1 => (0..2_u8).prop_map(Fact::Client),
        1 => Just(Fact::Everyone),
        2 => id().prop_map(Fact::Token),
        4 => (id(), any::<bool>()).prop_map(|(subject, suspended)| Fact::Suspension(subject, suspended)),
        2 => id().prop_map(Fact::Deletion),
    ]
}

fn history(latest: u32, length: usize) -> impl Strategy<Value = Vec<Noted>> {
    // Coarse moments, so that some are the same.
    let moment = prop_oneof![(0..latest * 2).prop_map(|half| half * 500), 0..latest * 1000];
    let noted = (prop::bool::weighted(0.8), fact(), moment).prop_map(|(entry, fact, at)| Noted { entry, fact, at });
    prop::collection::vec(noted, 0..length)
}

impl Noted {
    fn entry(&self) -> &'static str {
        ENTRIES[usize::from(!self.entry)]
    }

    fn revocation(&self) -> Revocation<'static> {
        let (id, at) = (|id: u8| IDS[usize::from(id)], at_ms(self.at.into()));
        match self.fact {
            Fact::Subject(subject) => Revocation::Subject { subject: id(subject), not_before: at },
            Fact::Member(organization, subject) => {
                Revocation::Member { organization: id(organization), subject: id(subject), not_before: at }
            }
            Fact::Organization(organization) => {
                Revocation::Organization { organization: id(organization), not_before: at }
            }
            Fact::Client(client) => Revocation::Client { client: CLIENTS[usize::from(client)], not_before: at },
            Fact::Everyone => Revocation::Everyone { not_before: at },
            Fact::Token(token_id) => Revocation::Token { token_id: id(token_id), at },
            Fact::Suspension(subject, suspended) => Revocation::Suspension { subject: id(subject), suspended, at },
            Fact::Deletion(subject) => Revocation::Deletion { subject: id(subject), at },
        }
    }

    fn is_alive(&self, now: u32) -> bool {
        // A token known by its `jti` has the leeway once more.
        let ahead = if matches!(self.fact, Fact::Token(_)) { LEEWAY } else { 0 };
        now < self.at / 1000 + ahead + LIFE + LEEWAY
    }
}

/// What the rules say, and from when on tokens may be without a block that was told to be lost.
struct Expected {
    verdict: Result<(), Revoked>,
    blocked_from: Option<u32>,
    /// Up to when the token, known by its `jti`, must have been issued.
    issued_by: Option<u32>,
}

fn expected(history: &[Noted], token: &Token, now: u32) -> Expected {
    let organizations: Vec<&str> = token
        .audience
        .iter()
        .filter_map(|audience| audience.strip_prefix("urn:logto:organization:"))
        .chain(token.claim.as_deref())
        .collect();
    let is = |id: u8| IDS[usize::from(id)] == token.subject;
    let (mut reasons, mut blocks, mut issued_by) = (Vec::new(), Vec::new(), None);
    let mut latest: Option<(u32, bool)> = None;
    for noted in history.iter().filter(|noted| noted.entry() == token.entry) {
        let matches = match noted.fact {
            Fact::Suspension(subject, suspended) => {
                if is(subject) {
                    latest = latest.max(Some((noted.at, suspended)));
                }
                false
            }
            _ if !noted.is_alive(now) => false,
            Fact::Deletion(subject) => {
                blocks.extend(is(subject).then_some(noted.at / 1000));
                false
            }
            Fact::Token(id) => {
                if token.id.as_deref() == Some(IDS[usize::from(id)]) {
                    reasons.push(Revoked::TokenId);
                    issued_by = issued_by.max(Some(noted.at / 1000 + LEEWAY));
                }
                false
            }
            Fact::Subject(subject) => is(subject),
            Fact::Member(organization, subject) => {
                is(subject) && organizations.contains(&IDS[usize::from(organization)])
            }
            Fact::Organization(organization) => organizations.contains(&IDS[usize::from(organization)]),
            Fact::Client(client) => CLIENTS[usize::from(client)] == token.client,
            Fact::Everyone => true,
        };
        if matches && token.issued.is_none_or(|issued| issued < f64::from(noted.at / 1000 + 1)) {
            reasons.push(Revoked::NotBefore);
        }
    }
    if let Some((at, true)) = latest {
        blocks.push(at / 1000);
    }
    // Where the block is weakened, what is left of it ends like any other row.
    let blocked_from = blocks.iter().copied().filter(|at| now < at + LIFE + LEEWAY).max();
    // The `jti` last, so that it stands only where it is the one reason.
    reasons.sort_by_key(|reason| *reason == Revoked::TokenId);
    let verdict = match (blocks.is_empty(), reasons.first()) {
        (false, _) => Err(Revoked::Blocked),
        (true, Some(reason)) => Err(*reason),
        (true, None) => Ok(()),
    };
    Expected { verdict, blocked_from, issued_by }
}

fn tokens(latest: u32) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (at, subject) in IDS.into_iter().enumerate() {
        for (other, issued) in (0..=latest).step_by(5).enumerate() {
            let token = Token { client: CLIENTS[at % 2], ..Token::of(subject, issued.into()) };
            tokens.push(token.clone().named(IDS[other % 5]));
            tokens.push(token.clone().within(IDS[(at + other) % 5]));
            tokens.push(token.clone().for_organization(IDS[(at + other + 1) % 5]));
            tokens.push(Token { entry: "other", ..token.clone() });
            tokens.push(Token { issued: None, ..token });
        }
    }
    tokens.push(Token::of("nobody", 10));
    tokens
}

fn told(bounds: Bounds, history: &[Noted], now: impl Fn(usize) -> u32) -> RevocationList {
    let list = RevocationList::new(bounds);
    for (at, noted) in history.iter().enumerate() {
        list.note(noted.entry(), noted.revocation(), self::now(now(at).into()));
    }
    list
}

fn small() -> Bounds {
    bounds().token_life(Duration::from_secs(LIFE.into()))
}

/// `Ok`, a block, or another reason.
fn sort(verdict: Result<(), Revoked>) -> u8 {
    match verdict {
        Ok(()) => 0,
        Err(Revoked::Blocked) => 2,
        Err(_) => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// With room for all of it, the list says what the rules say, in whatever order and however often it was told.
    #[test]
    fn order_and_repetition_change_nothing(
        (first, again) in history(60, 40).prop_flat_map(|first| {
            let twice = [first.clone(), first.clone()].concat();
            let some = 0..=first.len();
            (Just(first), Just(twice).prop_shuffle(), some)
        }).prop_map(|(first, mut twice, some)| {
            // Each fact once at least: what is cut off is told again.
            let rest = twice.split_off(twice.len() - some);
            twice.extend(rest.into_iter().rev());
            (first, twice)
        })
    ) {
        let list = told(small(), &first, |_| 60);
        let other = told(small(), &again, |at| 60 + u32::from(at > 20));
        for token in tokens(60) {
            let expected = expected(&first, &token, 70).verdict;
            let minted = token.mint();
            prop_assert_eq!(sort(list.judged(&minted, now(70))), sort(expected), "{:?}", token);
            prop_assert_eq!(sort(other.judged(&minted, now(70))), sort(expected), "{:?}", token);
        }
        prop_assert_eq!(list.suspensions(), other.suspensions());
    }

    /// Whatever the rules reject is rejected however little room there is, except for blocks that were told to be lost: of
    /// them the tokens up to then.
    #[test]
    fn nothing_is_forgotten_for_want_of_room(
        history in history(600, 80), rows in 0..12_usize, suspensions in 0..5_usize, later in 0..500_u32
    ) {
        // Time goes by: each fact is heard of a little after it happened, or long after.
        let mut history = history;
        history.sort_by_key(|noted| noted.at / 50_000);
        let list = told(
            small().max_rows(rows).max_suspensions(suspensions),
            &history,
            |at| history[..=at].iter().map(|noted| noted.at / 1000).max().unwrap_or_default(),
        );
        prop_assert!(list.rows() <= rows && list.suspensions() <= suspensions);
        let latest = history.iter().map(|noted| noted.at / 1000).max().unwrap_or_default();
        for token in tokens(600) {
            let expected = expected(&history, &token, latest + later);
            let verdict = list.judged(&token.mint(), now((latest + later).into()));
            match expected.verdict {
                Ok(()) => {}
                // A coarser row knows the token by its `iat`.
                Err(Revoked::TokenId) if token.issued > expected.issued_by.map(|by| f64::from(by) + 0.9) => {}
                Err(Revoked::Blocked) if list.weakened_blocks() > 0 => {
                    let issued = token.issued.unwrap_or_default();
                    if expected.blocked_from.is_some_and(|at| issued < f64::from(at + 1)) {
                        prop_assert!(verdict.is_err(), "{:?}", token);
                    }
                }
                Err(Revoked::Blocked) => prop_assert_eq!(verdict, Err(Revoked::Blocked), "{:?}", token),
                Err(_) => prop_assert!(verdict.is_err(), "{:?}", token),
            }
        }
    }

    /// Crowds of removed members, more than there is room for: each of them stays rejected, and the entry beside is spared.
    #[test]
    fn no_removed_member_is_forgotten(
        removed in prop::collection::vec((0..3_u32, 0..60_u32, 0..900_u64), 0..200), rows in 0..60_usize
    ) {
        let list = RevocationList::new(small().max_rows(rows));
        list.note("other", Revocation::Client { client: "x", not_before: at(0) }, now(0));
        for (organization, subject, second) in &removed {
            let (organization, subject) = (organization.to_string(), subject.to_string());
            let not_before = at(*second);
            list.note("main", Revocation::Member { organization: &organization, subject: &subject, not_before }, now(0));
        }
        prop_assert!(list.rows() <= rows);
        for (organization, subject, second) in removed {
            let token = Token::of(subject.to_string(), second).within(&organization.to_string());
            prop_assert_eq!(list.judged(&token.mint(), now(0)), Err(Revoked::NotBefore));
        }
        prop_assert_eq!(list.judged(&Token { entry: "other", ..Token::of("y", 1) }.mint(), now(0)), Ok(()));
    }
}

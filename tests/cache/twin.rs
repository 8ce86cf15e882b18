//! A server with a cache and one without, side by side: whatever happens, they answer alike.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use orgate::change::{About, Change};
use orgate::policy::{any_of, organization, path, resource, user};
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::support::{API, Api, builder};

/// How long a set lives here. Its refresh is due somewhere between 72 and 88 percent of that, by chance, and no step ends
/// there: both servers always see the same.
const LIFE: &str = "max-age=86400";
const OTHER: &str = "https://other.example/oidc";

#[derive(Clone, Debug)]
enum Step {
    /// A token of the pool, counted from the newest, in one of the ways to write it, to one of the routes.
    Send {
        token: usize,
        scheme: &'static str,
        path: &'static str,
    },
    Mint(Token),
    Rotate,
    RotateWithoutOverlap,
    ReplaceKey,
    Withdraw,
    Refresh(&'static str),
    /// Tokens age, backwards too.
    Wall(i64),
    /// Key sets age.
    Timers(u64),
    Fail(Fault),
    Recover,
    Remove(&'static str),
    Add(&'static str),
    /// At a moment so many seconds from now.
    Revoke {
        entry: &'static str,
        what: Revoke,
        moment: i64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Revoke {
    Subject(&'static str),
    Member(&'static str),
    Organization,
    Client(&'static str),
    Everyone,
    /// A token of the pool.
    Token(usize),
    Suspend(&'static str),
    Resume(&'static str),
    Delete(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Good,
    Short,
    Machine,
    Unscoped,
    OfAnother,
    Organization,
    OfOther,
    Future,
    Expired,
    Forged,
    ExpiredForged,
    Tampered,
    Unsigned,
    UnknownKid,
    ExpiredUnknownKid,
    WrongIssuer,
    WrongModel,
    WrongType,
    Malformed,
}

impl Token {
    const ALL: [Self; 19] = [
        Self::Good,
        Self::Short,
        Self::Machine,
        Self::Unscoped,
        Self::OfAnother,
        Self::Organization,
        Self::OfOther,
        Self::Future,
        Self::Expired,
        Self::Forged,
        Self::ExpiredForged,
        Self::Tampered,
        Self::Unsigned,
        Self::UnknownKid,
        Self::ExpiredUnknownKid,
        Self::WrongIssuer,
        Self::WrongModel,
        Self::WrongType,
        Self::Malformed,
    ];

    fn mint(self, issuer: &TestIssuer, token_id: &str) -> String {
        let token = issuer.resource_token(API).scope("read").claim("jti", token_id);
        let in_a_minute = issuer.clock().now().unix + Duration::from_secs(90);
        match self {
            Self::Good => token,
            Self::Short => token.client("app_2").expires_in(Duration::from_secs(30)),
            Self::Machine => token.machine("worker"),
            Self::Unscoped => issuer.resource_token(API).claim("jti", token_id),
            Self::OfAnother => token.subject("user_2"),
            Self::Organization => issuer.organization_token("acme").scope("read").claim("jti", token_id),
            Self::OfOther => token.issuer(OTHER),
            Self::Future => token.not_before(in_a_minute),
            Self::Expired => token.expired(),
            Self::Forged => token.forged(),
            Self::ExpiredForged => token.expired().forged(),
            Self::Tampered => token.tampered(),
            Self::Unsigned => token.unsigned(),
            Self::UnknownKid => token.signed_with_unknown_key(),
            Self::ExpiredUnknownKid => token.expired().signed_with_unknown_key(),
            Self::WrongIssuer => token.issuer("https://nobody.example"),
            Self::WrongModel => token.audience(["https://elsewhere.example"]),
            Self::WrongType => token.typ("JWT"),
            Self::Malformed => return token.mint().replacen('.', "..", 1),
        }
        .mint()
    }
}

/// Of a token: often one of the newest.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..6_usize, 1 => any::<usize>()]
}

fn step() -> impl Strategy<Value = Step> {
    let send = (
        number(),
        select(vec!["Bearer ", "bearer ", "BEARER   "]),
        select(vec!["/", "/", "/users", "/write", "/orgs/acme", "/orgs/other"]),
    );
    let names = || select(vec!["issuer", "other"]);
    let faults = vec![Fault::Status(503), Fault::Garbage, Fault::NoKeys, Fault::Reset];
    prop_oneof![
        60 => send.prop_map(|(token, scheme, path)| Step::Send { token, scheme, path }),
        6 => select(Token::ALL.to_vec()).prop_map(Step::Mint),
        8 => select(vec![Token::Good, Token::OfAnother, Token::Organization]).prop_map(Step::Mint),
        2 => Just(Step::Rotate),
        2 => Just(Step::RotateWithoutOverlap),
        2 => Just(Step::ReplaceKey),
        1 => Just(Step::Withdraw),
        4 => names().prop_map(Step::Refresh),
        4 => select(vec![-3700, -200, -61, -60, -1, 1, 29, 30, 31, 60, 90, 91, 200, 3700]).prop_map(Step::Wall),
        4 => select(vec![40, 40, 80_000, 100_000, 250_000]).prop_map(Step::Timers),
        2 => select(faults).prop_map(Step::Fail),
        3 => Just(Step::Recover),
        1 => names().prop_map(Step::Remove),
        4 => names().prop_map(Step::Add),
        6 => (select(vec!["issuer", "issuer", "other"]), revoke(), select(vec![-60, 0, 0, 30]))
            .prop_map(|(entry, what, moment)| Step::Revoke { entry, what, moment }),
    ]
}

/// Seldom of all: of one who is deleted nothing ever passes again.
fn revoke() -> impl Strategy<Value = Revoke> {
    let subjects = || select(vec!["user_1", "user_2", "worker"]);
    prop_oneof![
        2 => subjects().prop_map(Revoke::Subject),
        2 => subjects().prop_map(Revoke::Member),
        2 => Just(Revoke::Organization),
        2 => select(vec!["app_1", "app_2", "worker"]).prop_map(Revoke::Client),
        1 => Just(Revoke::Everyone),
        4 => number().prop_map(Revoke::Token),
        3 => subjects().prop_map(Revoke::Suspend),
        3 => subjects().prop_map(Revoke::Resume),
        1 => subjects().prop_map(Revoke::Delete),
    ]
}

/// Both servers, and what happens to them.
struct Twins {
    issuer: TestIssuer,
    cached: Api,
    plain: Api,
    tokens: Vec<String>,
    /// The numbers of those that were found valid once.
    known: HashSet<usize>,
    seen: Seen,
}

/// What became of tokens that had been valid before: how much of all this happened to tokens in the cache.
#[derive(Clone, Copy, Default)]
struct Seen {
    valid: u32,
    revoked: u32,
    /// For any other reason, with 401.
    invalid: u32,
}

impl Twins {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        issuer.cache_control(LIFE);
        let api = |bytes| {
            Api::with(
                builder(&issuer).issuer(entry(&issuer, "other")).token_cache_bytes(bytes),
                [
                    ("/", resource().and(any_of(["read", "write"]))),
                    ("/users", resource().and(user())),
                    ("/write", resource().scope("write")),
                    ("/orgs/{org}", organization(path("org"))),
                ],
            )
        };
        let (cached, plain) = (api(1024 * 1024), api(0));
        let tokens = [Token::Good, Token::Short, Token::Organization, Token::OfOther, Token::Forged];
        let mut twins =
            Self { issuer, cached, plain, tokens: Vec::new(), known: HashSet::new(), seen: Seen::default() };
        tokens.into_iter().for_each(|token| twins.mint(token));
        twins
    }

    /// In the pool, of the one that is so many from the newest.
    fn number(&self, token: usize) -> usize {
        self.tokens.len() - 1 - token % self.tokens.len()
    }

    /// Its number in the pool is its `jti`.
    fn mint(&mut self, token: Token) {
        let token = token.mint(&self.issuer, &self.tokens.len().to_string());
        self.tokens.push(token);
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let clock = self.issuer.clock();
        match step {
            Step::Send { token, scheme, path } => self.send(*token, scheme, path).await?,
            Step::Mint(token) => self.mint(*token),
            Step::Rotate => self.issuer.rotate(),
            Step::RotateWithoutOverlap => self.issuer.rotate_without_overlap(),
            Step::ReplaceKey => self.issuer.replace_key_keeping_kid(),
            Step::Withdraw => {
                if let [.., _, oldest] = &self.issuer.kids()[..] {
                    self.issuer.withdraw(oldest);
                }
            }
            Step::Refresh(name) => {
                let (one, two) = (self.cached.server.issuer(name), self.plain.server.issuer(name));
                prop_assert_eq!(one.is_ok(), two.is_ok());
                if let (Ok(one), Ok(two)) = (one, two) {
                    prop_assert_eq!(one.refresh_keys().await.is_ok(), two.refresh_keys().await.is_ok());
                }
            }
            Step::Wall(by) => {
                let (now, step) = (clock.now().unix, Duration::from_secs(by.unsigned_abs()));
                clock.set_wall(if *by < 0 { now - step } else { now + step });
            }
            Step::Timers(seconds) => clock.advance_monotonic(Duration::from_secs(*seconds)),
            Step::Fail(fault) => self.issuer.fail_always(Endpoint::Keys, fault.clone()),
            Step::Recover => self.issuer.recover(),
            Step::Remove(name) => {
                let remove = |server: &ResourceServer| server.issuer(name).is_ok_and(|entry| entry.remove().is_ok());
                prop_assert_eq!(remove(&self.cached.server), remove(&self.plain.server));
            }
            Step::Add(name) => {
                let add = |server: &ResourceServer| server.add_issuer(entry(&self.issuer, name)).is_ok();
                prop_assert_eq!(add(&self.cached.server), add(&self.plain.server));
            }
            Step::Revoke { entry, what, moment } => {
                let (now, by) = (SystemTime::UNIX_EPOCH + clock.now().unix, Duration::from_secs(moment.unsigned_abs()));
                self.revoke(entry, *what, if *moment < 0 { now - by } else { now + by });
            }
        }
        Ok(())
    }

    fn revoke(&self, entry: &str, what: Revoke, at: SystemTime) {
        for server in [&self.cached.server, &self.plain.server] {
            let Ok(entry) = server.issuer(entry) else { continue };
            let iss = entry.issuer();
            let not_before = |about| Change::not_before(iss, about, at);
            let change = match what {
                Revoke::Subject(subject) => not_before(About::subject(subject)),
                Revoke::Member(subject) => not_before(About::member("acme", subject)),
                Revoke::Organization => not_before(About::organization("acme")),
                Revoke::Client(client) => not_before(About::client(client)),
                Revoke::Everyone => not_before(About::Everyone),
                Revoke::Token(token) => not_before(About::token(self.number(token).to_string())),
                Revoke::Suspend(subject) => Change::suspended(iss, subject, at),
                Revoke::Resume(subject) => Change::restored(iss, subject, at),
                Revoke::Delete(subject) => Change::subject_deleted(iss, subject, at),
            };
            entry.apply_change(&change).unwrap();
        }
    }

    async fn send(&mut self, token: usize, scheme: &str, path: &str) -> Result<(), TestCaseError> {
        let number = self.number(token);
        let authorization = format!("{scheme}{}", self.tokens[number]);
        let cached = self.cached.send(path, &authorization).await;
        settle(&self.cached.server).await;
        let plain = self.plain.send(path, &authorization).await;
        settle(&self.plain.server).await;
        // What a route asks of it is asked once it is valid.
        let is_valid = matches!(cached.status, 200 | 403);
        if self.known.contains(&number) {
            let is_revoked = cached.kind.as_deref() == Some("RevokedToken");
            self.seen.valid += u32::from(is_valid);
            self.seen.revoked += u32::from(is_revoked);
            self.seen.invalid += u32::from(cached.status == 401 && !is_revoked);
        } else if is_valid {
            self.known.insert(number);
        }
        prop_assert_eq!(cached, plain);
        Ok(())
    }
}

fn entry(issuer: &TestIssuer, name: &str) -> Issuer {
    match name {
        "issuer" => Issuer::new(issuer.url()).name(name),
        _ => Issuer::new(OTHER).name(name).jwks_uri(issuer.jwks_uri()),
    }
}

/// Waits for what was started in the background.
async fn settle(server: &ResourceServer) {
    while server.keys().iter().any(|keys| keys.is_fetching()) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_cache_changes_no_answer() {
    let seen = Cell::new(Seen::default());
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 30..120), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut twins = Twins::start().await;
            for step in &steps {
                twins.take(step).await?;
            }
            let (before, case) = (seen.get(), twins.seen);
            seen.set(Seen {
                valid: before.valid + case.valid,
                revoked: before.revoked + case.revoked,
                invalid: before.invalid + case.invalid,
            });
            Ok(())
        })
    });
    outcome.unwrap_or_else(|found| panic!("{found}"));
    let Seen { valid, revoked, invalid } = seen.get();
    println!("{valid} hits, {revoked} revoked and {invalid} invalid by then");
    assert!(valid > 100 && revoked > 3 && invalid > 50, "{valid}, {revoked}, {invalid}");
}

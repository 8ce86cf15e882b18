//! A server with a cache and one without, side by side: whatever happens, they answer alike.

use std::time::Duration;

use orgate::policy::{any_of, organization, path, resource, user};
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{API, Api, builder};

/// How long a set lives here. Its refresh is due somewhere between 72 and 88 percent of that, by chance, and no step ends
/// there: both servers always see the same.
const LIFE: &str = "max-age=86400";
const OTHER: &str = "https://other.example/oidc";

#[derive(Clone, Debug)]
enum Step {
    /// A token of the pool, by its number, in one of the ways to write it, to one of the routes.
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
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Good,
    Short,
    Machine,
    Unscoped,
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
    WrongAudience,
    WrongType,
    Malformed,
}

impl Token {
    const ALL: [Self; 18] = [
        Self::Good,
        Self::Short,
        Self::Machine,
        Self::Unscoped,
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
        Self::WrongAudience,
        Self::WrongType,
        Self::Malformed,
    ];

    fn mint(self, issuer: &TestIssuer) -> String {
        let token = issuer.resource_token(API).scope("read");
        let in_a_minute = issuer.clock().now().unix + Duration::from_secs(90);
        match self {
            Self::Good => token,
            Self::Short => token.expires_in(Duration::from_secs(30)),
            Self::Machine => token.machine("worker"),
            Self::Unscoped => issuer.resource_token(API),
            Self::Organization => issuer.organization_token("acme").scope("read"),
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
            Self::WrongAudience => token.audience(["https://elsewhere.example"]),
            Self::WrongType => token.typ("JWT"),
            Self::Malformed => return token.mint().replacen('.', "..", 1),
        }
        .mint()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let send = (
        any::<usize>(),
        select(vec!["Bearer ", "bearer ", "BEARER   "]),
        select(vec!["/", "/", "/users", "/write", "/orgs/acme", "/orgs/other"]),
    );
    let names = || select(vec!["issuer", "other"]);
    let faults = vec![Fault::Status(503), Fault::Garbage, Fault::NoKeys, Fault::Reset];
    prop_oneof![
        30 => send.prop_map(|(token, scheme, path)| Step::Send { token, scheme, path }),
        6 => select(Token::ALL.to_vec()).prop_map(Step::Mint),
        4 => Just(Step::Mint(Token::Good)),
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
        2 => names().prop_map(Step::Add),
    ]
}

/// Both servers, and what happens to them.
struct Twins {
    issuer: TestIssuer,
    cached: Api,
    plain: Api,
    tokens: Vec<String>,
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
        let tokens = tokens.map(|token| token.mint(&issuer)).to_vec();
        Self { issuer, cached, plain, tokens }
    }

    async fn take(&mut self, step: &Step) -> Result<bool, TestCaseError> {
        let clock = self.issuer.clock();
        match step {
            Step::Send { token, scheme, path } => return self.send(*token, scheme, path).await,
            Step::Mint(token) => self.tokens.push(token.mint(&self.issuer)),
            Step::Rotate => self.issuer.rotate(),
            Step::RotateWithoutOverlap => self.issuer.rotate_without_overlap(),
            Step::ReplaceKey => self.issuer.replace_key_keeping_kid(),
            Step::Withdraw => {
                if let [.., _, oldest] = &self.issuer.kids()[..] {
                    self.issuer.withdraw(oldest);
                }
            }
            Step::Refresh(name) => {
                let (one, two) =
                    (self.cached.server.refresh_keys(name).await, self.plain.server.refresh_keys(name).await);
                prop_assert_eq!(one.is_ok(), two.is_ok());
            }
            Step::Wall(by) => {
                let (now, step) = (clock.now().unix, Duration::from_secs(by.unsigned_abs()));
                clock.set_wall(if *by < 0 { now - step } else { now + step });
            }
            Step::Timers(seconds) => clock.advance_monotonic(Duration::from_secs(*seconds)),
            Step::Fail(fault) => self.issuer.fail_always(Endpoint::Keys, fault.clone()),
            Step::Recover => self.issuer.recover(),
            Step::Remove(name) => {
                prop_assert_eq!(self.cached.server.remove_issuer(name), self.plain.server.remove_issuer(name));
            }
            Step::Add(name) => {
                let add = |server: &ResourceServer| server.add_issuer(entry(&self.issuer, name)).is_ok();
                prop_assert_eq!(add(&self.cached.server), add(&self.plain.server));
            }
        }
        Ok(false)
    }

    async fn send(&self, token: usize, scheme: &str, path: &str) -> Result<bool, TestCaseError> {
        let authorization = format!("{scheme}{}", self.tokens[token % self.tokens.len()]);
        let cached = self.cached.send(path, &authorization).await;
        settle(&self.cached.server).await;
        let plain = self.plain.send(path, &authorization).await;
        settle(&self.plain.server).await;
        let is_ok = cached.is_ok();
        prop_assert_eq!(cached, plain);
        Ok(is_ok)
    }
}

fn entry(issuer: &TestIssuer, name: &str) -> Issuer {
    match name {
        "issuer" => Issuer::new(issuer.url()).name(name),
        _ => Issuer::new(OTHER).name(name).jwks_url(issuer.jwks_url()),
    }
}

/// Waits for what was started in the background.
async fn settle(server: &ResourceServer) {
    while server.keys().iter().any(|keys| keys.is_fetching()) {
        tokio::task::yield_now().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cache_changes_no_answer(steps in prop::collection::vec(step(), 20..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut twins = Twins::start().await;
            for step in &steps {
                twins.take(step).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

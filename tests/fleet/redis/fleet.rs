//! Replicas of one fleet, and a model that sees every change.

use std::collections::HashMap;
use std::time::Duration;

use orgate::change::redis::{Redis, RedisBuilder, RedisState, WhenBehind};
use orgate::change::{About, Change};
use orgate::server::Builder;
use orgate::testing::{TestClock, TestIssuer};
use orgate::time::SystemClock;

use super::server::Server;
use crate::support::{Replica, builder, now};

/// Subjects that are asked about.
pub(crate) const USERS: usize = 100;
pub(crate) const FLEET: &str = "shop";
pub(crate) const FACTS: &str = "{orgate:1:shop}:facts";
pub(crate) const FEED: &str = "{orgate:1:shop}:feed";

pub(crate) struct Fleet {
    pub(crate) issuer: TestIssuer,
    tokens: Vec<String>,
    /// Who is rejected: 401.
    model: HashMap<usize, bool>,
    ticks: u64,
}

/// A replica and its view of Redis.
pub(crate) struct Member {
    pub(crate) replica: Replica,
    pub(crate) redis: Redis,
}

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";
pub(crate) const OLDER: &str = "an older secret that has as many bytes";

/// With a bound that a busy machine does not miss.
pub(crate) fn redis(url: &str) -> RedisBuilder {
    let settings = Redis::builder(url, FLEET).when_behind(WhenBehind::Refuse);
    settings.beat(Duration::from_millis(200)).bound(Duration::from_secs(20))
}

/// The shortest bound: three beats of 200 ms and two seconds.
pub(crate) const BRIEF: Duration = Duration::from_millis(2600);

pub(crate) fn brief(url: &str) -> RedisBuilder {
    redis(url).bound(BRIEF)
}

/// A table that is not new: no replica waits for others to push what they know.
pub(crate) fn settle(server: &Server) {
    server.ask(&["HSET", FACTS, "#gen", "1700000000000", "#seq", "0", "#tip", "-", "#whole", "1"]);
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        let issuer = TestIssuer::builder().clock(clock()).start().await;
        let tokens =
            (0..USERS).map(|user| issuer.resource_token(crate::support::API).subject(name(user)).mint()).collect();
        Self { issuer, tokens, model: HashMap::new(), ticks: 0 }
    }

    pub(crate) fn token(&self, user: usize) -> &str {
        &self.tokens[user]
    }

    pub(crate) fn builder(&self) -> Builder {
        builder(&self.issuer).clock(SystemClock::new())
    }

    /// A replica that is current.
    pub(crate) async fn join(&self, settings: RedisBuilder) -> Member {
        let member = self.start(settings).await;
        member.becomes(RedisState::Current).await;
        member
    }

    pub(crate) async fn start(&self, settings: RedisBuilder) -> Member {
        self.start_as(self.builder(), settings).await
    }

    pub(crate) async fn start_as(&self, builder: Builder, settings: RedisBuilder) -> Member {
        let redis = settings.build().unwrap();
        let replica = Replica::plain(builder.change_log(redis.clone())).await;
        _ = replica.server.ready().await;
        Member { replica, redis }
    }

    /// A replica that is current, and whose clock is turned by the test.
    pub(crate) async fn join_at(&self, clock: &TestClock, settings: RedisBuilder) -> Member {
        let member = self.start_as(self.builder().clock(clock.clone()), settings).await;
        member.becomes(RedisState::Current).await;
        member
    }

    pub(crate) fn suspend(&mut self, at: &Member, user: usize) {
        self.change(at, user, true);
    }

    pub(crate) fn restore(&mut self, at: &Member, user: usize) {
        self.change(at, user, false);
    }

    /// Each change is a millisecond later than the one before.
    pub(crate) fn change(&mut self, at: &Member, user: usize, is_suspended: bool) {
        self.ticks += 1;
        let moment = now(&self.issuer) + Duration::from_millis(self.ticks);
        let iss = self.issuer.url();
        let change = if is_suspended {
            Change::suspended(iss, name(user), moment)
        } else {
            Change::restored(iss, name(user), moment)
        };
        at.replica.entry().apply_change(&change).unwrap();
        self.model.insert(user, is_suspended);
    }

    /// Has the member say that what the user holds was edited. It changes no answer of the model.
    pub(crate) fn edit(&self, at: &Member, user: usize) {
        let change = Change::edited(self.issuer.url(), About::subject(name(user)), now(&self.issuer));
        at.replica.entry().apply_change(&change).unwrap();
    }

    pub(crate) fn revoke(&mut self, at: &Member, user: usize) {
        at.replica
            .entry()
            .apply_change(&Change::not_before(self.issuer.url(), About::subject(name(user)), now(&self.issuer)))
            .unwrap();
        self.model.insert(user, true);
    }

    /// Waits until the member answers as the model does, to all tokens.
    pub(crate) async fn agrees(&self, member: &Member) {
        for _ in 0..4000 {
            if self.differences(member).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not agree: {:?}, {:?}", self.differences(member).await, member.redis.status());
    }

    pub(crate) async fn all_agree(&self, members: &[&Member]) {
        for member in members {
            self.agrees(member).await;
        }
    }

    /// Whose answers are others than the model's. The answers of a replica that is behind are 503.
    pub(crate) async fn differences(&self, member: &Member) -> Vec<(usize, u16)> {
        let mut differences = Vec::new();
        for (user, token) in self.tokens.iter().enumerate() {
            let expected = if self.model.get(&user) == Some(&true) { 401 } else { 200 };
            let status = member.replica.status(token).await;
            if status != expected {
                differences.push((user, status));
                if differences.len() > 3 {
                    break;
                }
            }
        }
        differences
    }
}

impl Member {
    pub(crate) async fn becomes(&self, state: RedisState) {
        for _ in 0..4000 {
            if self.redis.status().state == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never becomes {state:?}: {:?}", self.redis.status());
    }

    /// Waits until a counter or a state is as it should be.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Redis) -> bool) {
        for _ in 0..4000 {
            if holds(&self.redis) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what}: {:?}", self.redis.status());
    }

    pub(crate) fn reconciles(&self, cause: &str) -> u64 {
        self.redis.status().counts.reconciles[cause]
    }
}

/// A clock of an issuer that shows what the machine's does when the test begins.
pub(crate) fn clock() -> TestClock {
    TestClock::new(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap())
}

pub(crate) fn name(user: usize) -> String {
    format!("user_{user}")
}

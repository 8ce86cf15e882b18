//! A server that caches and is restarted from its file between requests, and one that does neither: they answer alike.

use std::cell::Cell;
use std::time::Duration;

use orgate::ResourceServer;
use orgate::change::{About, Change};
use orgate::policy::{header, resource};
use orgate::testing::TestIssuer;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::support::{API, Directory, builder, now};

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Mint(&'static str, &'static str),
    Change(Kind, &'static str, i64),
    Forward(u64),
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Subject,
    Member,
    Organization,
    Client,
    Token,
    Everyone,
    Suspend,
    Restore,
    Delete,
}

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const CLIENTS: [&str; 2] = ["app_1", "app_2"];

fn step() -> impl Strategy<Value = Step> {
    use Kind::{Client, Delete, Everyone, Member, Organization, Restore, Subject, Suspend, Token};
    let kinds = vec![
        Subject,
        Subject,
        Member,
        Organization,
        Client,
        Token,
        Everyone,
        Suspend,
        Suspend,
        Restore,
        Restore,
        Delete,
    ];
    prop_oneof![
        40 => any::<usize>().prop_map(Step::Send),
        10 => (select(USERS.to_vec()), select(CLIENTS.to_vec())).prop_map(|(user, client)| Step::Mint(user, client)),
        16 => (select(kinds), select(USERS.to_vec()), select(vec![-90, -1, 0, 0, 30, 90]))
            .prop_map(|(kind, user, moment)| Step::Change(kind, user, moment)),
        4 => select(vec![1, 30, 61, 200, 90_000]).prop_map(Step::Forward),
        10 => Just(Step::Restart),
    ]
}

struct Twins {
    issuer: TestIssuer,
    directory: Directory,
    restarted: Option<ResourceServer>,
    plain: ResourceServer,
    tokens: Vec<String>,
    ids: usize,
    restarts: usize,
    revoked: usize,
}

impl Twins {
    async fn start() -> Self {
        let (issuer, directory) = (TestIssuer::start().await, Directory::new());
        issuer.cache_control("max-age=31536000");
        let plain = builder(&issuer).token_cache_bytes(0).build().unwrap();
        let mut twins =
            Self { issuer, directory, restarted: None, plain, tokens: Vec::new(), ids: 0, restarts: 0, revoked: 0 };
        twins.restart().await;
        USERS.into_iter().for_each(|user| twins.mint(user, "app_1"));
        twins
    }

    async fn restart(&mut self) {
        if let Some(server) = self.restarted.take() {
            server.changes_kept().await;
            drop(server);
            self.restarts += 1;
        }
        let path = self.directory.path("changes");
        // The task that kept the changes may hold the log a moment longer.
        for _ in 0..1000 {
            match builder(&self.issuer).change_file(&*path).build() {
                Ok(server) => return self.restarted = Some(server),
                Err(error) => assert!(error.to_string().contains("another process"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the file is never free");
    }

    fn mint(&mut self, user: &str, client: &str) {
        self.ids += 1;
        let token = self.issuer.resource_token(API).subject(user).client(client).claim("jti", self.ids.to_string());
        self.tokens.push(token.claim("organization_id", "acme").expires_in(Duration::from_secs(80_000)).mint());
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Mint(user, client) => self.mint(user, client),
            Step::Forward(seconds) => self.issuer.clock().advance(Duration::from_secs(seconds)),
            Step::Restart => self.restart().await,
            Step::Change(kind, user, moment) => self.change(kind, user, moment),
            Step::Send(token) => {
                let token = &self.tokens[token % self.tokens.len()];
                let restarted = answers(self.restarted.as_ref().unwrap(), token).await;
                let plain = answers(&self.plain, token).await;
                self.revoked += usize::from(plain[0].starts_with("RevokedToken"));
                prop_assert_eq!(restarted, plain);
            }
        }
        Ok(())
    }

    fn change(&self, kind: Kind, user: &str, moment: i64) {
        let (now, by) = (now(&self.issuer), Duration::from_secs(moment.unsigned_abs()));
        let at = if moment < 0 { now - by } else { now + by };
        let iss = self.issuer.url();
        let not_before = |about| Change::not_before(iss, about, at);
        let change = match kind {
            Kind::Subject => not_before(About::subject(user)),
            Kind::Member => not_before(About::member("acme", user)),
            Kind::Organization => not_before(About::organization("acme")),
            Kind::Client => not_before(About::client(CLIENTS[user.len() % 2])),
            Kind::Token => not_before(About::token((self.ids - user.len() % 3).to_string())),
            Kind::Everyone => not_before(About::Everyone),
            Kind::Suspend => Change::suspended(iss, user, at),
            Kind::Restore => Change::restored(iss, user, at),
            Kind::Delete => Change::subject_deleted(iss, user, at),
        };
        for server in [self.restarted.as_ref().unwrap(), &self.plain] {
            server.issuers()[0].apply_change(&change).unwrap();
        }
    }
}

/// What becomes of a token by itself, and of a request to a route in its organization.
async fn answers(server: &ResourceServer, token: &str) -> [String; 2] {
    let verified = server.verify(token).await.map(drop);
    let policy = resource().in_organization(header("organization-id"));
    let request = http::Request::get("/").header("authorization", format!("Bearer {token}"));
    let (mut request, ()) = request.header("organization-id", "acme").body(()).unwrap().into_parts();
    let authorized = server.requirement(policy).unwrap().authorize(&mut request).await.map(drop);
    [verified, authorized].map(|outcome| match outcome {
        Ok(()) => String::new(),
        Err(rejection) => format!("{:?} {}", rejection.kind(), rejection.remediation().as_str()),
    })
}

#[test]
fn restart_from_the_file_changes_no_answer() {
    let seen = Cell::new((0, 0));
    let cases = std::env::var("ORGATE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 20..80), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut twins = Twins::start().await;
            for step in &steps {
                twins.take(step).await?;
            }
            let (restarts, revoked) = seen.get();
            seen.set((restarts + twins.restarts, revoked + twins.revoked));
            Ok(())
        })
    });
    outcome.unwrap_or_else(|found| panic!("{found}"));
    let (restarts, revoked) = seen.get();
    println!("{restarts} restarts, {revoked} revoked");
    assert!(restarts > 20 && revoked > 20, "{restarts}, {revoked}");
}

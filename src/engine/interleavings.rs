//! Changes in one thread while another one decides, in every order: once a change has returned, nothing passes by what was
//! true before it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;

use super::{Grant, Requirement};
use crate::change::{About, Change};
use crate::future::BoxFuture;
use crate::interleave::{Thread, drive, every_order};
use crate::lock::step;
use crate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use crate::policy::{Policy, resource};
use crate::server::IssuerHandle;
use crate::testing::{TestClock, TestIssuer};
use crate::time::Clock as _;
use crate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";

/// One finds most races; `ORGATE_PREEMPTIONS=2` takes half a minute.
pub(crate) fn preemptions() -> usize {
    std::env::var("ORGATE_PREEMPTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// An issuer that is asked once, and is not there any more.
pub(crate) struct Fixture {
    pub(crate) iss: String,
    keys: String,
    keys_of_another: String,
    now: Duration,
    pub(crate) token: String,
    /// The same, with a longer life and another `jti`.
    pub(crate) renewed: String,
}

pub(crate) static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let (issuer, other) = drive_really(async { (TestIssuer::start().await, TestIssuer::start().await) });
    let token = |id: &str, seconds: u64| {
        let token = issuer.resource_token(API).subject("alice").scope("read").claim("jti", id);
        token.expires_in(Duration::from_secs(seconds)).mint()
    };
    Fixture {
        iss: issuer.url().to_owned(),
        keys: issuer.jwks_json(),
        keys_of_another: other.jwks_json(),
        now: issuer.clock().now().unix,
        token: token("first", 600),
        renewed: token("second", 1200),
    }
});

/// With waits for a network.
fn drive_really<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happens {
    Suspended,
    FirstRevoked,
    SecondRevoked,
    NotBeforeOfEveryone,
    Removed,
    OtherResource,
    OtherKeys,
    Edited,
    Closed,
}

/// What the issuer says, until it changes.
#[derive(Clone)]
struct Truth(Arc<AtomicBool>);

impl PermissionSource for Truth {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            step();
            let holds = self.0.load(Ordering::SeqCst);
            step();
            Ok(if holds { Permissions::of(["read"]) } else { Permissions::of([""; 0]) })
        })
    }
}

pub(crate) struct World {
    pub(crate) happens: Happens,
    pub(crate) server: ResourceServer,
    entry: IssuerHandle,
    requirement: Requirement,
    truth: Truth,
    pub(crate) is_over: AtomicBool,
    passed: AtomicUsize,
}

impl World {
    pub(crate) fn new(happens: Happens, policy: Policy, is_known: bool) -> Self {
        let fixture = &*FIXTURE;
        let truth = Truth(Arc::new(AtomicBool::new(true)));
        let issuer = issuer(&fixture.keys).permissions(truth.clone());
        let server = ResourceServer::builder(issuer, API)
            // Not one for all: tests run beside each other, and its lock would be held by another one.
            .clock(TestClock::new(fixture.now))
            .max_concurrent_verifications(8)
            .build()
            .unwrap();
        let (entry, requirement) = (server.issuer("main").unwrap(), server.requirement(policy).unwrap());
        let (is_over, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let world = Self { happens, server, entry, requirement, truth, is_over, passed };
        assert!(!is_known || world.passes());
        world
    }

    fn passes(&self) -> bool {
        self.grant().is_some()
    }

    pub(crate) fn grant(&self) -> Option<Grant> {
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {}", FIXTURE.token));
        let mut parts = request.body(()).unwrap().into_parts().0;
        drive(self.requirement.authorize(&mut parts)).ok()
    }

    pub(crate) fn change(&self) {
        let (iss, at) = (FIXTURE.iss.clone(), std::time::SystemTime::UNIX_EPOCH + FIXTURE.now);
        self.truth.0.store(false, Ordering::SeqCst);
        match self.happens {
            Happens::Suspended => self.entry.apply_change(&Change::suspended(iss, "alice", at)).unwrap(),
            Happens::FirstRevoked => self.revoke(About::token("first"), at),
            Happens::SecondRevoked => self.revoke(About::token("second"), at),
            Happens::NotBeforeOfEveryone => self.revoke(About::Everyone, at),
            Happens::Closed => self.server.close(),
            Happens::Edited => self.entry.apply_change(&Change::edited(iss, About::subject("alice"), at)).unwrap(),
            Happens::Removed => self.entry.remove().unwrap(),
            Happens::OtherResource => {
                let other = Issuer::new(&*iss).name("main").jwks_json(&*FIXTURE.keys).resource("https://other.example");
                self.entry.update(other).unwrap();
            }
            Happens::OtherKeys => self.entry.update(issuer(&FIXTURE.keys_of_another)).unwrap(),
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn revoke(&self, about: About, now: std::time::SystemTime) {
        let after = now + Duration::from_secs(1);
        self.entry.apply_change(&Change::not_before(FIXTURE.iss.clone(), about, after)).unwrap();
    }
}

fn issuer(keys: &str) -> Issuer {
    Issuer::new(&*FIXTURE.iss).name("main").jwks_json(keys)
}

const ASKS: Thread<World> = |world| {
    let was_over = world.is_over.load(Ordering::SeqCst);
    let passed = world.passes();
    assert!(!(was_over && passed), "{:?}: passed after the change had returned", world.happens);
    world.passed.fetch_add(usize::from(passed), Ordering::SeqCst);
};

const CHANGES: Thread<World> = |world| {
    world.change();
    assert!(!world.passes(), "{:?}: the thread that made the change passes", world.happens);
};

/// Tries every order, and that some of them differ.
fn explore(happens: Happens, policy: impl Fn() -> Policy, is_known: bool, threads: &[Thread<World>]) {
    let (passed, rejected) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let orders = every_order(
        preemptions(),
        || World::new(happens, policy(), is_known),
        threads,
        |world| {
            assert!(!world.passes(), "{happens:?}: passes at the end");
            let count = if world.passed.load(Ordering::SeqCst) > 0 { &passed } else { &rejected };
            count.fetch_add(1, Ordering::SeqCst);
        },
    );
    let (passed, rejected) = (passed.into_inner(), rejected.into_inner());
    assert!(passed > 0 && rejected > 0, "{happens:?}: {orders} orders, {passed} passed, {rejected} did not");
}

#[test]
fn known_token_is_rejected_once_a_change_has_returned_in_every_order() {
    use Happens::{NotBeforeOfEveryone, OtherKeys, OtherResource, Removed, Suspended};
    for happens in [Suspended, NotBeforeOfEveryone, Removed, OtherResource, OtherKeys] {
        explore(happens, || resource().scope("read"), true, &[ASKS, CHANGES]);
    }
}

#[test]
fn new_token_leaves_nothing_in_the_cache_that_outlives_a_change_in_every_order() {
    use Happens::{NotBeforeOfEveryone, OtherKeys, OtherResource, Removed, Suspended};
    for happens in [Suspended, NotBeforeOfEveryone, Removed, OtherResource, OtherKeys] {
        explore(happens, || resource().scope("read"), false, &[ASKS, CHANGES]);
    }
}

#[test]
fn fetch_of_permissions_that_began_before_a_change_serves_nobody_after_it_in_every_order() {
    let policy = || resource().scope("read").fresh_within(Duration::from_secs(30));
    for is_known in [false, true] {
        explore(Happens::Edited, policy, is_known, &[ASKS, CHANGES]);
    }
}

#[test]
fn suspension_and_its_older_end_leave_a_suspension_in_every_order() {
    const LIFTS: Thread<World> = |world| {
        let earlier = FIXTURE.now.saturating_sub(Duration::from_secs(5));
        let at = std::time::SystemTime::UNIX_EPOCH + earlier;
        world.entry.apply_change(&Change::restored(FIXTURE.iss.clone(), "alice", at)).unwrap();
    };
    let new = || World::new(Happens::Suspended, resource().scope("read"), true);
    let orders = every_order(preemptions(), new, &[LIFTS, CHANGES], |world| assert!(!world.passes()));
    assert!(orders > 10, "{orders}");
}

#[test]
fn issuer_that_two_threads_add_is_there_once_and_removed_once_in_every_order() {
    const ADDS: Thread<World> = |world| {
        let added = world.server.add_issuer(Issuer::new("https://new.example").jwks_json(&*FIXTURE.keys));
        world.passed.fetch_add(usize::from(added.is_ok()), Ordering::SeqCst);
    };
    let new = || World::new(Happens::Removed, resource().scope("read"), false);
    let orders = every_order(preemptions(), new, &[ADDS, ADDS, CHANGES], |world| {
        assert_eq!(world.passed.load(Ordering::SeqCst), 1);
        assert_eq!(world.server.issuers().len(), 1);
    });
    assert!(orders > 10, "{orders}");
}

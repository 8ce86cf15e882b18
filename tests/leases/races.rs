//! Changes between any two steps of making a lease, and many leases at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use orgate::change::{About, Change};
use orgate::lease::Lease;
use orgate::policy::{organization, path, resource};
use orgate::testing::TestClock;
use orgate::time::{Clock, Now};

use crate::support::{World, end, end_now};

type Hook = Arc<Mutex<(usize, Option<Box<dyn FnOnce() + Send>>)>>;

/// A clock that does something when it is read for the nth time: each reading is a step between which others may run.
struct Stepping {
    clock: TestClock,
    hook: Hook,
}

impl Clock for Stepping {
    fn now(&self) -> Now {
        let act = {
            let mut hook = self.hook.lock().unwrap();
            let is_due = hook.0 == 0;
            hook.0 = hook.0.saturating_sub(1);
            if is_due { hook.1.take() } else { None }
        };
        if let Some(act) = act {
            act();
        }
        self.clock.now()
    }
}

#[tokio::test]
async fn change_at_any_step_of_making_a_lease_is_not_lost() {
    let changes: [fn(&str, std::time::SystemTime) -> Change; 7] = [
        |iss, at| Change::suspended(iss, "alice", at),
        |iss, at| Change::member_removed(iss, "acme", "alice", at),
        |iss, at| Change::organization_deleted(iss, "acme", at),
        |iss, at| Change::not_before(iss, About::client("web"), at),
        |iss, at| Change::not_before(iss, About::token("token-1"), at),
        |iss, at| Change::not_before(iss, About::Everyone, at),
        |iss, at| Change::edited(iss, About::subject("alice"), at),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let is_edit = number == 6;
        let (mut step, mut refused, mut ended) = (0, 0, 0);
        loop {
            let hook: Hook = Arc::new(Mutex::new((usize::MAX, None)));
            let issuer = orgate::testing::TestIssuer::start().await;
            let stepping = Stepping { clock: issuer.clock(), hook: hook.clone() };
            let world = World::of(issuer, |builder| builder.clock(stepping));
            world.source.holds("alice", &["read"]);
            let policy = organization(path("org")).scope("read");
            let requirement =
                world.requirement(if is_edit { policy.fresh_within(Duration::from_secs(3600)) } else { policy });
            let mint = world.issuer.organization_token("acme").subject("alice").client("web").scope("read");
            let grant = world.grant(&requirement, &mint.claim("jti", "token-1").mint()).await;
            let (entry, at, source) = (world.entry(), world.now(), world.source.clone());
            *hook.lock().unwrap() = (
                step,
                Some(Box::new(move || {
                    source.holds("alice", &[]);
                    entry.apply_change(&change(entry.issuer(), at)).unwrap();
                })),
            );
            let lease = grant.lease();
            let was_done = hook.lock().unwrap().1.is_none();
            if !was_done {
                break;
            }
            match lease {
                Err(_) => refused += 1,
                // An edit has it asked again, at once.
                Ok(lease) if is_edit => {
                    end(&lease).await;
                    ended += 1;
                }
                Ok(lease) => {
                    assert!(end_now(&lease).is_some(), "change {number} at step {step} is lost");
                    ended += 1;
                }
            }
            step += 1;
        }
        assert!(step >= 2 && refused + ended == step, "change {number}: {step} steps");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_connects_at_once_beside_changes_lose_none() {
    let world = Arc::new(World::start().await);
    let requirement = world.requirement(resource());
    let mut grants = Vec::new();
    for subject in 0..100 {
        let token = world.token(&format!("user-{subject}"), "");
        grants.push(world.grant(&requirement, &token).await);
    }
    let connects = (0..4).map(|part| {
        let grants = grants.clone();
        tokio::spawn(async move {
            let mut leases = Vec::new();
            for round in 0..25 {
                for (subject, grant) in grants.iter().enumerate() {
                    leases.push((subject, grant.lease().ok()));
                }
                if (round + part) % 5 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            leases
        })
    });
    let connects = connects.collect::<Vec<_>>();
    let suspending = {
        let world = world.clone();
        tokio::spawn(async move {
            for subject in (0..100).step_by(2) {
                world.apply(|iss, at| Change::suspended(iss, format!("user-{subject}"), at));
                tokio::task::yield_now().await;
            }
        })
    };
    let leases: Vec<(usize, Option<Lease>)> = join_all(connects).await.into_iter().flat_map(Result::unwrap).collect();
    suspending.await.unwrap();
    assert_eq!(leases.len(), 10_000);
    for (subject, lease) in &leases {
        match lease {
            Some(lease) => assert_eq!(end_now(lease).is_some(), subject % 2 == 0, "user-{subject}"),
            None => assert_eq!(subject % 2, 0, "user-{subject} was refused"),
        }
    }
    assert_eq!(world.server.usage().leases, 5000);
    drop(leases);
    assert_eq!(world.server.usage().leases, 0);
}

//! Leases on routes with live permissions: losses with and without a change, the source's budget, a source that is down, a
//! log that is cut off.

use std::time::Duration;

use orgate::change::About;
use orgate::lease::EndReason::{PermissionLost, Undecided};
use orgate::lease::{Lease, LeaseSettings};
use orgate::policy::{Policy, resource};
use orgate::rejection::Remediation;

use crate::support::{World, end, end_now, until};

fn fresh(seconds: u64) -> Policy {
    resource().scope("read").fresh_within(Duration::from_secs(seconds))
}

#[tokio::test]
async fn loss_that_a_change_tells_of_ends_at_once() {
    for policy in [fresh(3600), resource().scope("read").live()] {
        let world = World::start().await;
        world.source.holds("alice", &["read"]);
        world.source.holds("bob", &["read"]);
        let alice = world.lease(policy.clone(), &world.token("alice", "read")).await;
        let bob = world.lease(policy, &world.token("bob", "read")).await;
        world.source.holds("alice", &[]);
        world.source.holds("bob", &[]);
        // The clock of the server stands still.
        world.edit(About::subject("alice"));
        assert_eq!(end(&alice).await, (PermissionLost, Remediation::Refresh));
        assert!(end_now(&bob).is_none());
    }
}

#[tokio::test]
async fn change_that_takes_nothing_ends_nothing() {
    let world = World::start().await;
    world.source.holds("alice", &["read"]);
    let lease = world.lease(fresh(60), &world.token("alice", "read")).await;
    assert_eq!((lease.bound(), world.source.calls()), (Some(Duration::from_secs(60)), 1));
    world.edit(About::subject("alice"));
    world.source.wait_for_calls(2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(end_now(&lease).is_none());
}

#[tokio::test]
async fn loss_without_a_change_ends_within_the_bound() {
    for (policy, bound) in [(fresh(30), 30.0), (resource().scope("read").live(), 5.0)] {
        let world = World::start().await;
        world.source.holds("alice", &["read"]);
        let lease = world.lease(policy, &world.token("alice", "read")).await;
        assert_eq!(lease.bound(), Some(Duration::from_secs_f64(bound)));
        world.source.holds("alice", &["write"]);
        let mut passed = 0.0;
        while end_now(&lease).is_none() {
            assert!(passed <= bound, "not over after {passed} s");
            world.pass(bound / 20.0);
            passed += bound / 20.0;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert!(passed > bound / 3.0, "it is not asked all the time");
        assert_eq!(end(&lease).await, (PermissionLost, Remediation::Refresh));
    }
}

#[tokio::test]
async fn leases_of_one_subject_share_what_is_asked() {
    let world = World::start().await;
    world.source.holds("alice", &["read"]);
    let requirement = world.requirement(fresh(60));
    let grant = world.grant(&requirement, &world.token("alice", "read")).await;
    let leases: Vec<Lease> = (0..100).map(|_| grant.lease().unwrap()).collect();
    assert_eq!(world.source.calls(), 1);
    world.pass(49.0);
    world.source.wait_for_calls(2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.source.calls(), 2);
    world.source.holds("alice", &[]);
    world.edit(About::OrganizationTemplate);
    world.pass(3.0);
    for lease in &leases {
        assert_eq!(end(lease).await, (PermissionLost, Remediation::Refresh));
    }
    assert_eq!(world.source.calls(), 3);
}

#[tokio::test]
async fn template_change_is_spread_within_the_bound() {
    let world = World::start().await;
    let requirement = world.requirement(fresh(10));
    let mut leases = Vec::new();
    for number in 0..300 {
        let name = format!("user-{number}");
        world.source.holds(&name, &["read"]);
        leases.push(world.grant(&requirement, &world.token(&name, "read")).await.lease().unwrap());
    }
    assert_eq!(world.source.calls(), 300);
    world.edit(About::OrganizationTemplate);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.source.calls() < 360, "not at once: {}", world.source.calls());
    world.pass(0.75);
    world.source.wait_for_calls(330).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let calls = world.source.calls();
    assert!(calls < 580, "not all of them after half the time: {calls}");
    world.pass(0.8);
    world.source.wait_for_calls(600).await;
    assert!(leases.iter().all(|lease| end_now(lease).is_none()));
}

#[tokio::test]
async fn source_that_is_asked_too_seldom_is_503_or_an_honest_bound() {
    let world = World::start().await;
    // One question in six seconds.
    world.source.takes_a_minute(10);
    let requirement = world.requirement(resource().scope("read").live());
    let mut grants = Vec::new();
    for subject in ["alice", "bob", "carol"] {
        world.source.holds(subject, &["read"]);
        grants.push(world.grant(&requirement, &world.token(subject, "read")).await);
    }
    let refused = grants[0].lease().unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.remediation()), (503, Remediation::Retry));
    assert_eq!(world.server.usage().leases, 0, "nothing is left of it");
    let short = LeaseSettings::new().bound_up_to(Duration::from_secs(6));
    assert_eq!(grants[0].lease_with(&short).unwrap_err().status().as_u16(), 503);
    let settings = LeaseSettings::new().bound_up_to(Duration::from_secs(60));
    let first = grants[0].lease_with(&settings).unwrap();
    let bound = first.bound().unwrap();
    assert!(bound > Duration::from_secs(8) && bound < Duration::from_secs(10), "{bound:?}");
    // Nothing is left for another subject; the same one is asked about together.
    assert_eq!(grants[1].lease_with(&settings).unwrap_err().status().as_u16(), 503);
    assert_eq!(grants[0].lease_with(&settings).unwrap().bound(), Some(bound));
    drop(first);
    assert!(grants[2].lease_with(&settings).is_ok());
}

#[tokio::test]
async fn source_that_is_down_ends_leases_spread_over_the_bound() {
    let world = World::start().await;
    let requirement = world.requirement(fresh(20));
    let mut leases = Vec::new();
    for number in 0..40 {
        let name = format!("user-{number}");
        world.source.holds(&name, &["read"]);
        leases.push(world.grant(&requirement, &world.token(&name, "read")).await.lease().unwrap());
    }
    world.source.set_down(true);
    world.pass(16.0);
    world.source.wait_for_calls(80).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let over = |leases: &[Lease]| leases.iter().filter(|lease| end_now(lease).is_some()).count();
    assert!(over(&leases) < 5, "not at once: {}", over(&leases));
    // Each one's end lies between a fifth of the bound and the whole of it.
    world.pass(12.0);
    until(|| (8..32).contains(&over(&leases)), "half of them after half of that time").await;
    world.pass(8.5);
    until(|| over(&leases) == 40, "end of all").await;
    let ended = end_now(&leases[0]).unwrap();
    assert_eq!((ended.reason(), ended.remediation(), ended.close_code()), (Undecided, Remediation::Retry, 1013));
    assert!(ended.retry_after().is_some());
}

#[tokio::test]
async fn source_that_is_back_in_time_ends_nothing() {
    let world = World::start().await;
    world.source.holds("alice", &["read"]);
    let lease = world.lease(fresh(3600), &world.token("alice", "read")).await;
    world.source.set_down(true);
    world.edit(About::subject("alice"));
    world.source.wait_for_calls(2).await;
    world.source.set_down(false);
    world.issuer.clock().advance_monotonic(Duration::from_secs(11));
    world.source.wait_for_calls(3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..4 {
        world.issuer.clock().advance_monotonic(Duration::from_secs(1000));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(end_now(&lease).is_none());
    }
}

#[tokio::test]
async fn tolerant_route_keeps_its_leases_while_the_source_is_down() {
    let world = World::start().await;
    world.source.holds("alice", &["read"]);
    let policy = fresh(10).dangerous_token_only_on_error();
    let lease = world.lease(policy, &world.token("alice", "read")).await;
    world.source.set_down(true);
    world.edit(About::subject("alice"));
    world.source.wait_for_calls(2).await;
    world.pass(60.0);
    world.source.wait_for_calls(3).await;
    assert!(end_now(&lease).is_none());
}

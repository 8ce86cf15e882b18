//! Every end that needs no question: times, changes, keys, issuers, the server.

use std::time::{Duration, SystemTime};

use orgate::change::{About, Change};
use orgate::lease::EndReason::{
    Closing, Expired, IssuerRemoved, IssuerUpdated, KeyWithdrawn, Revoked, SignInTooOld, Suspended,
};
use orgate::lease::{EndReason, Lease};
use orgate::policy::{any_organization, authenticated, optional, organization, path, resource};
use orgate::rejection::Remediation;

use crate::support::{API, LONG, World, end, end_now, request, until};

#[tokio::test]
async fn lease_ends_at_expiry_and_leeway() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).subject("alice").expires_in(Duration::from_secs(600)).mint();
    let lease = world.lease(resource(), &token).await;
    assert_eq!(lease.bound(), None);
    world.pass(659.0);
    assert!(end_now(&lease).is_none());
    world.pass(2.0);
    assert!(lease.is_over(), "at once, by the clock");
    assert_eq!(end(&lease).await, (Expired, Remediation::Refresh));
    assert_eq!(world.server.usage().leases, 0);
}

#[tokio::test]
async fn lease_ends_when_the_sign_in_is_older_than_the_policy_allows() {
    let world = World::start().await;
    let signed_in = world.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = world.issuer.resource_token(API).subject("alice").claim("auth_time", signed_in).mint();
    let lease = world.lease(resource().max_auth_age(Duration::from_secs(300)), &token).await;
    world.pass(290.0);
    assert!(end_now(&lease).is_none());
    world.pass(20.0);
    assert_eq!(end(&lease).await, (SignInTooOld, Remediation::StepUp));
}

/// How a lease ends whose waiter nothing else wakes: neither another branch of a `join!`, nor a timeout of its own.
async fn woken_after(world: &World, lease: Lease, seconds: f64) -> (EndReason, Remediation) {
    let waiting = tokio::spawn(async move { lease.ended().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.pass(seconds);
    let ended = tokio::time::timeout(LONG, waiting).await.expect("an end").unwrap();
    (ended.reason(), ended.remediation())
}

/// Within the half minute after which keys are looked at, and everything with them.
#[tokio::test]
async fn lease_ends_with_the_age_of_its_sign_in_although_nothing_else_is_due() {
    let world = World::start().await;
    let signed_in = world.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = world.issuer.resource_token(API).subject("alice").claim("auth_time", signed_in).mint();
    let lease = world.lease(resource().max_auth_age(Duration::from_secs(10)), &token).await;
    assert_eq!(woken_after(&world, lease, 12.0).await, (SignInTooOld, Remediation::StepUp));
}

#[tokio::test]
async fn waiter_is_woken_when_the_clock_has_passed_the_expiry() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).subject("alice").expires_in(Duration::from_secs(600)).mint();
    let lease = world.lease(resource(), &token).await;
    assert_eq!(woken_after(&world, lease, 700.0).await, (Expired, Remediation::Refresh));
}

#[tokio::test]
async fn each_change_ends_those_that_it_concerns_at_once_and_no_other() {
    let at_acme = || organization(path("org"));
    for (about, own, ends) in [
        (About::subject("alice"), true, (Revoked, Remediation::Refresh)),
        (About::member("acme", "alice"), true, (Revoked, Remediation::Refresh)),
        (About::organization("acme"), true, (Revoked, Remediation::Refresh)),
        (About::client("web"), true, (Revoked, Remediation::Refresh)),
        (About::token("token-1"), true, (Revoked, Remediation::Refresh)),
        (About::Everyone, true, (Revoked, Remediation::Refresh)),
        (About::subject("bob"), false, (Revoked, Remediation::Refresh)),
        (About::member("globex", "alice"), false, (Revoked, Remediation::Refresh)),
        (About::member("acme", "bob"), false, (Revoked, Remediation::Refresh)),
        (About::organization("globex"), false, (Revoked, Remediation::Refresh)),
        (About::client("other"), false, (Revoked, Remediation::Refresh)),
        (About::token("token-2"), false, (Revoked, Remediation::Refresh)),
    ] {
        let world = World::start().await;
        let mint = world.issuer.organization_token("acme").subject("alice");
        let token = mint.client("web").claim("jti", "token-1").mint();
        let lease = world.lease(at_acme(), &token).await;
        world.apply(|iss, at| Change::not_before(iss, about.clone(), at));
        match end_now(&lease) {
            Some(ended) => assert_eq!((own, (ended.reason(), ended.remediation())), (true, ends), "{about:?}"),
            None => assert!(!own, "{about:?}"),
        }
        assert_eq!(world.server.usage().leases, usize::from(!own));
    }
}

/// No lease looks again by itself: the change must find the lease, by whatever it is about, and wake who waits.
#[tokio::test]
async fn change_wakes_whoever_waits_for_the_end() {
    for about in [
        About::subject("alice"),
        About::member("acme", "alice"),
        About::organization("acme"),
        About::client("web"),
        About::token("token-2"),
        About::Everyone,
    ] {
        let world = World::start().await;
        let mint = |id: &str| {
            let mint = world.issuer.organization_token("acme").subject("alice");
            mint.client("web").claim("jti", id).mint()
        };
        let lease = world.lease(organization(path("org")), &mint("token-1")).await;
        lease.renew(&mint("token-2")).await.unwrap();
        // Each in a task of its own, which runs only when it is woken, by no timer either.
        let lease = std::sync::Arc::new(lease);
        let waiting = [lease.clone(), lease].map(|lease| tokio::spawn(async move { lease.ended().await }));
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        world.apply(|iss, at| Change::not_before(iss, about.clone(), at));
        until(|| waiting.iter().all(tokio::task::JoinHandle::is_finished), "end").await;
        for waiting in waiting {
            let ended = waiting.await.unwrap();
            assert_eq!((ended.reason(), ended.remediation()), (Revoked, Remediation::Refresh), "{about:?}");
        }
    }
}

#[tokio::test]
async fn suspension_and_deletion_are_told_apart_from_a_revocation() {
    for is_deleted in [false, true] {
        let world = World::start().await;
        let lease = world.lease(resource(), &world.token("alice", "")).await;
        world.apply(|iss, at| match is_deleted {
            false => Change::suspended(iss, "alice", at),
            true => Change::subject_deleted(iss, "alice", at),
        });
        assert_eq!(end(&lease).await, (Suspended, Remediation::Authenticate));
    }
    let world = World::start().await;
    let acting = world.issuer.resource_token(API).subject("alice").claim("act", serde_json::json!({"sub": "eve"}));
    let lease = world.lease(resource(), &acting.mint()).await;
    world.apply(|iss, at| Change::suspended(iss, "eve", at));
    assert_eq!(end(&lease).await, (Suspended, Remediation::Authenticate), "an actor's suspension ends it too");
}

#[tokio::test]
async fn edit_ends_no_lease_that_rests_on_the_token_alone() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    for about in [About::subject("alice"), About::OrganizationTemplate, About::ApiPermissions, About::Everything] {
        world.edit(about);
        assert!(end_now(&lease).is_none());
    }
    assert_eq!(world.source.calls(), 0);
}

#[tokio::test]
async fn removed_issuer_ends_its_leases() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    world.entry().remove().unwrap();
    assert_eq!(end(&lease).await, (IssuerRemoved, Remediation::Authenticate));
}

#[tokio::test]
async fn updated_issuer_ends_what_its_new_settings_do_not_accept_and_nothing_else() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    world.entry().update(world.settings().name("renamed")).unwrap();
    world.source.holds("alice", &[]);
    // It is verified anew, within two seconds.
    for _ in 0..8 {
        world.pass(0.5);
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(end_now(&lease).is_none());
    }
    let entry = world.server.issuer("renamed").unwrap();
    entry.update(world.settings().resource("https://other.example")).unwrap();
    let (ended, ()) = tokio::join!(end(&lease), async {
        for _ in 0..20 {
            world.pass(0.5);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert_eq!(ended, (IssuerUpdated, Remediation::Authenticate));
}

#[tokio::test]
async fn withdrawn_key_ends_what_it_signed() {
    let world = World::start().await;
    let token = world.token("alice", "");
    let old = world.lease(resource(), &token).await;
    // A token of a moment ago would be told to try again.
    world.pass(61.0);
    let old_kid = world.issuer.signing_kid();
    world.issuer.rotate();
    world.entry().refresh_keys().await.unwrap();
    let new = world.lease(resource(), &world.token("alice", "")).await;
    world.issuer.withdraw(&old_kid);
    world.entry().refresh_keys().await.unwrap();
    assert_eq!(end(&old).await, (KeyWithdrawn, Remediation::Refresh));
    assert!(end_now(&new).is_none());
}

/// None of them is looked at by the test: one lease of the key tells for all.
#[tokio::test]
async fn withdrawn_key_ends_every_idle_lease_that_rests_on_it() {
    let world = World::start().await;
    let grant = world.grant(&world.requirement(resource()), &world.token("alice", "")).await;
    let ends = (0..50).map(|_| {
        let lease = grant.lease().unwrap();
        tokio::spawn(async move { lease.ended().await.reason() })
    });
    let ends: Vec<_> = ends.collect();
    world.pass(61.0);
    let old_kid = world.issuer.signing_kid();
    world.issuer.rotate();
    world.entry().refresh_keys().await.unwrap();
    world.issuer.withdraw(&old_kid);
    world.entry().refresh_keys().await.unwrap();
    for end in ends {
        assert_eq!(tokio::time::timeout(LONG, end).await.expect("an end").unwrap(), KeyWithdrawn);
    }
}

/// What the new settings say of the token is not known yet. That it was suspended is.
#[tokio::test]
async fn suspension_ends_a_lease_that_waits_to_be_decided_anew() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    world.entry().update(world.settings().resource(API)).unwrap();
    assert!(end_now(&lease).is_none(), "it is going to be decided anew");
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    assert_eq!(end_now(&lease).map(|ended| ended.reason()), Some(Suspended));
}

#[tokio::test]
async fn closing_ends_all_and_allows_no_more() {
    let world = World::start().await;
    let requirement = world.requirement(resource());
    let grant = world.grant(&requirement, &world.token("alice", "")).await;
    let open = world.requirement(optional(authenticated()));
    let (mut anonymous, ()) = http::Request::get("/").body(()).unwrap().into_parts();
    let anonymous = open.authorize(&mut anonymous).await.unwrap();
    let leases: Vec<Lease> = (0..20).map(|_| grant.lease().unwrap()).chain([anonymous.lease().unwrap()]).collect();
    assert_eq!(world.server.usage().leases, 21);
    world.server.close();
    let mut moments = std::collections::BTreeSet::new();
    for lease in &leases {
        let ended = end_now(lease).expect("an end");
        assert_eq!((ended.reason(), ended.remediation(), ended.close_code()), (Closing, Remediation::Retry, 1012));
        moments.insert(ended.retry_after().unwrap());
    }
    assert!(moments.len() > 15, "clients come back at different times: {moments:?}");
    let refused = grant.lease().unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.remediation()), (503, Remediation::Retry));
    assert_eq!(world.server.usage().leases, 0);
}

#[tokio::test]
async fn lease_of_what_has_ended_is_rejected() {
    let world = World::start().await;
    let requirement = world.requirement(resource());
    let grant = world.grant(&requirement, &world.token("alice", "")).await;
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    let refused = grant.lease().unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.remediation()), (401, Remediation::Authenticate));
    assert_eq!(world.server.usage().leases, 0);
}

#[tokio::test]
async fn bounds_are_for_each_subject_and_for_all() {
    let world = World::configured(|builder| builder.max_leases(5, 3)).await;
    let requirement = world.requirement(resource());
    let alice = world.grant(&requirement, &world.token("alice", "")).await;
    let bob = world.grant(&requirement, &world.token("bob", "")).await;
    let mut held: Vec<Lease> = (0..3).map(|_| alice.lease().unwrap()).collect();
    assert_eq!(alice.lease().unwrap_err().status().as_u16(), 503);
    held.extend((0..2).map(|_| bob.lease().unwrap()));
    assert_eq!(bob.lease().unwrap_err().status().as_u16(), 503);
    drop(held.remove(0));
    assert_eq!(alice.lease().map(drop).map_err(|rejection| rejection.status().as_u16()), Ok(()));
    drop(held);
    assert_eq!(world.server.usage().leases, 0);
    assert!(orgate::ResourceServer::builder("https://a.example", API).max_leases(0, 1).build().is_err());
    assert!(orgate::ResourceServer::builder("https://a.example", API).max_leases(1, 0).build().is_err());
}

#[tokio::test]
async fn leases_in_which_a_subject_acts_do_not_count_as_its_own() {
    let world = World::configured(|builder| builder.max_leases(100, 2)).await;
    let requirement = world.requirement(resource());
    let acting = serde_json::json!({ "sub": "service" });
    let mut others = Vec::new();
    for subject in ["alice", "bob"] {
        let token = world.issuer.resource_token(API).subject(subject).claim("act", acting.clone()).mint();
        others.push(world.grant(&requirement, &token).await.lease().unwrap());
    }
    let own = world.issuer.resource_token(API).subject("service").claim("act", acting).mint();
    let own = world.grant(&requirement, &own).await;
    let held = [own.lease().unwrap(), own.lease().unwrap()];
    assert_eq!(own.lease().unwrap_err().status().as_u16(), 503);
    drop(held);
    // Its suspension finds those in which it acts: they are woken, and look at nothing by themselves.
    let waiting: Vec<_> =
        others.into_iter().map(|lease| tokio::spawn(async move { lease.ended().await.reason() })).collect();
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    world.apply(|iss, at| Change::suspended(iss, "service", at));
    until(|| waiting.iter().all(tokio::task::JoinHandle::is_finished), "end").await;
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Suspended);
    }
}

#[tokio::test]
async fn ten_thousand_leases_and_one_suspension_end_exactly_its_own() {
    let world = World::start().await;
    let requirement = world.requirement(organization(any_organization()));
    let mut leases = Vec::new();
    for subject in 0..1000 {
        let name = format!("user-{subject}");
        let token = world.issuer.organization_token("acme").subject(&name).mint();
        let grant = world.grant(&requirement, &token).await;
        leases.extend((0..10).map(|_| (subject, grant.lease().unwrap())));
    }
    assert_eq!(world.server.usage().leases, 10_000);
    world.apply(|iss, at| Change::suspended(iss, "user-417", at));
    let ended: Vec<usize> =
        leases.iter().filter(|(_, lease)| end_now(lease).is_some()).map(|(subject, _)| *subject).collect();
    assert_eq!(ended, [417; 10]);
    assert_eq!(world.server.usage().leases, 9990);
}

#[test]
fn without_a_runtime_it_is_right_by_the_clock_and_by_changes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, grant) = runtime.block_on(async {
        let world = World::start().await;
        let requirement = world.requirement(resource());
        let token = world.issuer.resource_token(API).subject("alice").expires_in(Duration::from_secs(300)).mint();
        let grant = requirement.authorize(&mut request(&token)).await.unwrap();
        (world, grant)
    });
    let (one, two) = (grant.lease().unwrap(), grant.lease().unwrap());
    world.pass(200.0);
    assert!(!one.is_over());
    world.apply(|iss, at| Change::not_before(iss, About::subject("bob"), at));
    assert!(!one.is_over());
    world.pass(161.0);
    assert_eq!(end_now(&one).unwrap().reason(), Expired);
    // The wall clock was wrong.
    let now = world.now().duration_since(std::time::UNIX_EPOCH).unwrap();
    world.issuer.clock().set_wall(now - Duration::from_secs(300));
    assert!(!two.is_over());
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    assert_eq!(end_now(&two).unwrap().reason(), Suspended);
}

/// A runtime that looks after the leases may end before they do.
#[test]
fn runtime_that_ends_is_replaced_by_whichever_waits_next() {
    let first = tokio::runtime::Runtime::new().unwrap();
    let (world, lease) = first.block_on(async {
        let world = World::start().await;
        let token = world.issuer.resource_token(API).subject("alice").expires_in(Duration::from_secs(600)).mint();
        let lease = world.lease(resource(), &token).await;
        (world, lease)
    });
    let second = tokio::runtime::Runtime::new().unwrap();
    let waiting = std::thread::spawn(move || second.block_on(async { end(&lease).await }));
    std::thread::sleep(Duration::from_millis(100));
    let clock = world.issuer.clock();
    first.shutdown_timeout(Duration::from_secs(5));
    std::thread::sleep(Duration::from_millis(100));
    clock.advance(Duration::from_secs(700));
    assert_eq!(waiting.join().unwrap(), (Expired, Remediation::Refresh));
}

//! A client that sends a new token over the same connection.

use std::time::Duration;

use orgate::change::Change;
use orgate::lease::EndReason::{Expired, Lessened, Suspended};
use orgate::lease::LeaseSettings;
use orgate::policy::{Policy, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::testing::TokenBuilder;
use orgate::token::binding::Dpop;

use crate::support::{API, World, end_now, request};

fn policy() -> Policy {
    resource().in_organization(path("org")).scope("read")
}

fn bare(world: &World) -> TokenBuilder {
    let token = world.issuer.organization_resource_token(API, "acme").subject("alice").client("web");
    token.expires_in(Duration::from_secs(600))
}

fn mint(world: &World) -> TokenBuilder {
    bare(world).scope("read")
}

#[tokio::test]
async fn renewed_lease_lasts_as_long_as_the_new_token() {
    let world = World::start().await;
    let lease = world.lease(policy(), &mint(&world).mint()).await;
    let first = lease.expires_at().unwrap();
    world.pass(500.0);
    lease.renew(&mint(&world).scope("read write").mint()).await.unwrap();
    assert_eq!(lease.expires_at().unwrap(), first + Duration::from_secs(500));
    world.pass(300.0);
    assert!(end_now(&lease).is_none(), "the first token is over");
    world.pass(400.0);
    assert_eq!(end_now(&lease).unwrap().reason(), Expired);
    let rejection = lease.renew(&mint(&world).mint()).await.unwrap_err();
    assert_eq!(rejection.remediation(), Remediation::Refresh, "what is over stays over");
    assert_eq!(rejection.challenges().len(), 1, "in the form of every rejection");
    assert!(lease.is_over());
}

#[tokio::test]
async fn token_that_cannot_take_the_place_is_rejected_and_the_lease_stays() {
    let world = World::start().await;
    let other = orgate::testing::TestIssuer::start().await;
    let lease = world.lease(policy(), &mint(&world).mint()).await;
    let expires_at = lease.expires_at();
    let globex = world.issuer.organization_resource_token(API, "globex").subject("alice").client("web").scope("read");
    let at = world.issuer.clock();
    for (what, token, kind) in [
        ("garbage", "bad.bad.bad".to_owned(), RejectionKind::InvalidToken),
        ("empty", String::new(), RejectionKind::InvalidRequest),
        ("expired", mint(&world).expired().mint(), RejectionKind::ExpiredToken),
        ("subject", mint(&world).subject("bob").mint(), RejectionKind::InvalidToken),
        ("client", mint(&world).client("other").mint(), RejectionKind::InvalidToken),
        (
            "issuer",
            other.organization_resource_token(API, "acme").subject("alice").client("web").scope("read").mint(),
            RejectionKind::InvalidToken,
        ),
        ("organization", globex.mint(), RejectionKind::WrongOrganization),
        (
            "model",
            world.issuer.resource_token(API).subject("alice").client("web").scope("read").mint(),
            RejectionKind::WrongOrganization,
        ),
        (
            "machine",
            world.issuer.organization_resource_token(API, "acme").machine("web").scope("read").mint(),
            RejectionKind::InvalidToken,
        ),
    ] {
        let rejection = lease.renew(&token).await.expect_err(what);
        assert_eq!(rejection.kind(), kind, "{what}: {rejection:?}");
        assert!(end_now(&lease).is_none(), "{what}");
        assert_eq!(lease.expires_at(), expires_at, "{what}");
    }
    _ = at;
}

#[tokio::test]
async fn lesser_token_ends_the_lease() {
    let world = World::start().await;
    let lease = world.lease(policy(), &mint(&world).mint()).await;
    let rejection = lease.renew(&bare(&world).scope("write").mint()).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::InsufficientScope);
    let ended = end_now(&lease).unwrap();
    assert_eq!((ended.reason(), ended.remediation()), (Lessened, Remediation::RequestScope));
}

#[tokio::test]
async fn renewed_lease_is_found_by_changes_of_its_new_token() {
    let world = World::start().await;
    let lease = world.lease(policy(), &mint(&world).claim("jti", "one").mint()).await;
    lease.renew(&mint(&world).claim("jti", "two").mint()).await.unwrap();
    let revoke =
        |id: &'static str| world.apply(|iss, at| Change::not_before(iss, orgate::change::About::token(id), at));
    revoke("one");
    assert!(end_now(&lease).is_none());
    revoke("two");
    assert!(end_now(&lease).is_some());
}

#[tokio::test]
async fn token_of_another_sender_is_rejected() {
    let world = World::configured(|builder| builder.dpop(Dpop::new(API))).await;
    let (own, other) = (world.issuer.proof_key(), world.issuer.proof_key());
    let requirement = world.requirement(resource().scope("read"));
    let mint = |key: &orgate::testing::TestProofKey| {
        world.issuer.resource_token(API).subject("alice").client("web").scope("read").bound_to(key).mint()
    };
    let token = mint(&own);
    let mut parts = request(&token);
    parts.headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
    let proof = own.proof("GET", format!("{API}/orgs/acme"), &token).mint();
    parts.headers.insert("dpop", proof.parse().unwrap());
    let grant = requirement.authorize(&mut parts).await.unwrap();
    let lease = grant.lease().unwrap();
    assert!(lease.renew(&mint(&other)).await.is_err());
    let unbound = world.issuer.resource_token(API).subject("alice").client("web").scope("read").mint();
    assert!(lease.renew(&unbound).await.is_err());
    assert!(end_now(&lease).is_none());
    lease.renew(&mint(&own)).await.unwrap();
    assert!(end_now(&lease).is_none());
}

#[tokio::test]
async fn policy_that_reads_the_request_needs_it() {
    let world = World::start().await;
    let policy = || resource().check("acme only", |facts| facts.request().uri.path().ends_with("/acme"));
    let requirement = world.requirement(policy());
    let token = world.token("alice", "");
    let mut parts = request(&token);
    let grant = requirement.authorize(&mut parts).await.unwrap();
    let lease = grant.lease().unwrap();
    assert_eq!(lease.renew(&token).await.unwrap_err().kind(), RejectionKind::Misconfigured);
    assert!(end_now(&lease).is_none());
    let lease = grant.lease_with(&LeaseSettings::new().request(&parts)).unwrap();
    lease.renew(&world.token("alice", "more")).await.unwrap();
    parts.uri = http::Uri::from_static("/orgs/globex");
    let elsewhere = grant.lease_with(&LeaseSettings::new().request(&parts)).unwrap();
    assert_eq!(elsewhere.renew(&world.token("alice", "more")).await.unwrap_err().kind(), RejectionKind::Denied);
    assert_eq!(end_now(&elsewhere).unwrap().reason(), Lessened);
}

#[tokio::test]
async fn revoked_subject_cannot_renew() {
    let world = World::start().await;
    let lease =
        world.lease(organization(path("org")), &world.issuer.organization_token("acme").subject("alice").mint()).await;
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    let token = world.issuer.organization_token("acme").subject("alice").mint();
    assert!(lease.renew(&token).await.is_err());
    assert_eq!(end_now(&lease).unwrap().reason(), Suspended);
}

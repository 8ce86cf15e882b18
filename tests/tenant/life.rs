//! A client's life: token, change at the issuer, refresh, a new sign-in. And the API that meets its tokens.

use std::time::Duration;

use orgate::ResourceServer;
use orgate::policy::{organization, path, resource};
use orgate::testing::{LogtoRelease, TestClock, TestTenant, TokenRequest};
use orgate::time::Clock as _;
use tower::ServiceExt as _;

use crate::scenario::{API, Scenario, claims, scopes};

fn held(token: &str) -> String {
    scopes(token).unwrap().join(" ")
}

#[tokio::test]
async fn what_is_gained_and_lost_shows_when_it_does_with_logto() {
    let scenario = Scenario::start().await;
    let tenant = &scenario.tenant;
    let (acme, bob) = (scenario.org("acme"), scenario.user("bob"));
    let mut grant = scenario.sign_in("bob");
    let members = TokenRequest::organization(acme);
    let orders = TokenRequest::resource(API).in_organization(acme);
    let global = TokenRequest::resource(API);

    // An organization permission gained: the next token has it.
    assert_eq!(held(&grant.refresh(&members).unwrap()), "read:members");
    tenant.add_scope_to_organization_role("member", "invite:members");
    assert_eq!(held(&grant.refresh(&members).unwrap()), "invite:members read:members");
    // An API scope gained: only a new sign-in brings it.
    tenant.give_role(bob, "orders-user");
    assert_eq!(held(&grant.refresh(&orders).unwrap()), "read:orders");
    grant.reconsent().unwrap();
    assert_eq!(held(&grant.refresh(&orders).unwrap()), "read:orders write:orders");
    // Lost: gone with the next token.
    tenant.take_role(bob, "orders-user");
    tenant.take_organization_role(acme, bob, "member");
    for request in [&members, &orders, &global] {
        assert_eq!(held(&grant.refresh(request).unwrap()), "");
    }

    // A client that never asks for the scope: neither refresh nor sign-in helps.
    tenant.give_organization_role(acme, bob, "admin");
    let mut modest = tenant.sign_in(bob, scenario.app("orders-web"), &["read:members"]).unwrap();
    modest.reconsent().unwrap();
    assert_eq!(held(&modest.refresh(&members).unwrap()), "read:members");
    assert_eq!(held(&modest.refresh(&orders).unwrap()), "");

    // Without an organization: the scopes of all organizations.
    grant.reconsent().unwrap();
    assert_eq!(held(&grant.refresh(&global).unwrap()), "delete:orders read:orders write:orders");
    tenant.remove_organization(acme);
    assert_eq!(held(&grant.refresh(&global).unwrap()), "");
    assert_eq!(grant.refresh(&orders).unwrap_err().code(), "oidc.access_denied");

    tenant.remove_user(bob);
    assert_eq!(grant.refresh(&global).unwrap_err().code(), "oidc.invalid_grant");
    assert_eq!(grant.reconsent().unwrap_err().code(), "session.invalid_credentials");
}

#[tokio::test]
async fn a_machine_gets_what_it_asks_for() {
    let scenario = Scenario::start().await;
    let (tenant, worker, acme) = (&scenario.tenant, scenario.app("orders-worker"), scenario.org("acme"));
    let orders = TokenRequest::resource(API).in_organization(acme);
    assert_eq!(scopes(&tenant.machine_token(worker, &orders).unwrap()), None);
    let asking = orders.scope("read:orders delete:orders");
    assert_eq!(held(&tenant.machine_token(worker, &asking).unwrap()), "read:orders", "no global role counts here");
    tenant.add_resource_scope_to_organization_role("machine", API, "delete:orders");
    assert_eq!(held(&tenant.machine_token(worker, &asking).unwrap()), "delete:orders read:orders");
    tenant.take_organization_role(acme, worker, "machine");
    assert_eq!(scopes(&tenant.machine_token(worker, &asking).unwrap()), None);
    tenant.remove_member(acme, worker);
    assert_eq!(tenant.machine_token(worker, &asking).unwrap_err().code(), "oidc.access_denied");
}

#[tokio::test]
async fn template_and_resources_can_change() {
    let scenario = Scenario::start().await;
    let (tenant, acme) = (&scenario.tenant, scenario.org("acme"));
    let grant = scenario.sign_in("alice");
    let members = TokenRequest::organization(acme);
    let orders = TokenRequest::resource(API).in_organization(acme);
    tenant.remove_organization_scope("manage:members");
    assert_eq!(held(&grant.refresh(&members).unwrap()), "invite:members read:members");
    tenant.remove_resource_scope(API, "write:orders");
    assert_eq!(held(&grant.refresh(&orders).unwrap()), "delete:orders read:orders");
    tenant.remove_organization_role("admin");
    assert_eq!(held(&grant.refresh(&members).unwrap()), "");
    assert_eq!(held(&grant.refresh(&orders).unwrap()), "read:orders", "by the global role");
    tenant.remove_role("orders-user");
    assert_eq!(held(&grant.refresh(&orders).unwrap()), "");
}

#[tokio::test]
async fn clocks_may_disagree() {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let minute = Duration::from_secs(60);
    for (theirs, iat) in [(clock.ahead(minute), 1_800_000_060), (clock.behind(minute), 1_799_999_940)] {
        let scenario = Scenario::of(TestTenant::builder().clock(theirs).start().await);
        let grant = scenario.sign_in("alice");
        let token = grant.refresh(&TokenRequest::resource(API)).unwrap();
        assert_eq!(claims(&token)["iat"], iat);
        assert_eq!(scenario.tenant.issuer().clock().now().unix.as_secs(), iat);
        let delivery = scenario.tenant.test_delivery();
        let body: serde_json::Value = serde_json::from_slice(delivery.body()).unwrap();
        assert!(
            ["2027-01-15T08:01:00.000Z", "2027-01-15T07:59:00.000Z"].contains(&body["createdAt"].as_str().unwrap())
        );
    }
}

#[tokio::test]
#[should_panic(expected = "the role is of type MachineToMachine, \"p0pv4hoo40e2\" is not")]
async fn a_role_for_machines_is_not_given_to_a_user() {
    let scenario = Scenario::start().await;
    scenario.tenant.give_organization_role(scenario.org("acme"), scenario.user("bob"), "machine");
}

#[tokio::test]
#[should_panic(expected = "\"p0pv4hoo40e2\" is not a member of \"bn1esirt2yr7\"")]
async fn a_role_is_not_given_to_a_stranger() {
    let scenario = Scenario::start().await;
    scenario.tenant.give_organization_role(scenario.org("globex"), scenario.user("bob"), "member");
}

/// Discovery, keys and tokens are those of the issuer that the tenant stands around.
#[tokio::test]
async fn an_api_takes_its_tokens() {
    let scenario = Scenario::of(TestTenant::builder().release(LogtoRelease::V1_42).start().await);
    let (acme, globex) = (scenario.org("acme"), scenario.org("globex"));
    let issuer = scenario.tenant.issuer();
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let orders = resource().in_organization(path("org")).scope("write:orders");
    let app = server
        .guard()
        .get("/orders/{org}", || async {}, orders)
        .get("/members/{org}", || async {}, organization(path("org")).scope("invite:members"))
        .into_router()
        .unwrap();
    let status = async |path: String, token: &str| {
        let request = http::Request::get(path).header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    let grant = scenario.sign_in("alice");
    let token = grant.refresh(&TokenRequest::resource(API).in_organization(acme)).unwrap();
    assert_eq!(status(format!("/orders/{acme}"), &token).await, 200);
    assert_eq!(status(format!("/orders/{globex}"), &token).await, 403);
    let token = grant.refresh(&TokenRequest::organization(acme)).unwrap();
    assert_eq!(status(format!("/members/{acme}"), &token).await, 200);
    scenario.tenant.take_organization_role(acme, scenario.user("alice"), "admin");
    assert_eq!(status(format!("/members/{acme}"), &token).await, 200, "a token says what it said");
    let token = grant.refresh(&TokenRequest::organization(acme)).unwrap();
    assert_eq!(status(format!("/members/{acme}"), &token).await, 403);
}

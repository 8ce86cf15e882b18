//! The recorded changes of permissions, behind routes that ask what is held now.
//!
//! The tokens are the recorded ones. The tenant double is what the Management API's answers come from; it has the ids of the
//! recordings, and where an answer was recorded, it gives the same. What a rejection tells the client to do is compared with
//! what the recorded client could then do: with the token that its next refresh brought, or its next sign-in.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http_body_util::BodyExt as _;
use orgate::ResourceServer;
use orgate::logto::LogtoManagement;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{Policy, organization, path, resource};
use orgate::testing::{LogtoRelease, TestClock, TestTenant};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::api::{ACME, RESOURCE, issuer};
use crate::corpus::{self, row};
use crate::scenario::Scenario;

const READ: &str = "read:orders";
const WRITE: &str = "write:orders";
/// Longer than anything here takes: what is known serves until something says that it changed.
const LONG: Duration = Duration::from_secs(240);

/// An API that trusts the recorded keys, and the tenant of the recordings.
struct Replay {
    scenario: Scenario,
    router: Router,
    clock: TestClock,
}

impl Replay {
    async fn start() -> Self {
        let clock = TestClock::new(Duration::from_secs(row("user_resource").now()));
        let tenant = TestTenant::builder().release(LogtoRelease::V1_37).clock(clock.clone()).start().await;
        let scenario = Scenario::of(tenant);
        let (id, secret) = scenario.tenant.management_client();
        let management = LogtoManagement::builder(scenario.tenant.origin(), id, secret).clock(clock.clone());
        let entry = issuer("jwks_initial").permissions(management.build().unwrap());
        let server = ResourceServer::builder(entry, RESOURCE).clock(clock.clone()).build().unwrap();
        let handle = server.issuer(crate::api::ISSUER).unwrap();
        let hooks = corpus::webhooks();
        let keys = SigningKeys::new([hooks["signing_key"].as_str().unwrap()]).unwrap();
        let members = || organization(path("org"));
        let orders = || resource().in_organization(path("org"));
        let mut guard = server.guard().public("/hook", handle.webhooks(keys).endpoint());
        for kind in ["live", "known"] {
            let fresh = |policy: Policy| if kind == "live" { policy.live() } else { policy.fresh_within(LONG) };
            for scope in ["read:members", "manage:members"] {
                guard =
                    guard.get(&format!("/{kind}/members/{{org}}/{scope}"), async || "", fresh(members().scope(scope)));
            }
            for scope in [READ, WRITE] {
                guard =
                    guard.get(&format!("/{kind}/orders/{{org}}/{scope}"), async || "", fresh(orders().scope(scope)));
                guard = guard.get(&format!("/{kind}/orders/{scope}"), async || "", fresh(resource().scope(scope)));
                let member = resource().for_member_of(path("org")).scope(scope);
                guard = guard.get(&format!("/{kind}/member/{{org}}/{scope}"), async || "", fresh(member));
            }
        }
        Self { scenario, router: guard.into_router().unwrap(), clock }
    }

    /// What the client hears: "pass", or the status and what to do.
    async fn asks(&self, path: &str, token: &Value) -> String {
        let authorization = format!("Bearer {}", token["token"].as_str().unwrap());
        let request = Request::get(path).header(AUTHORIZATION, authorization).body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        if status == 200 {
            return "pass".to_owned();
        }
        let problem: Value = serde_json::from_slice(&body).unwrap();
        format!("{status} {}", problem["remediation"].as_str().unwrap())
    }

    /// The first recorded delivery of this event, as it came.
    async fn receives(&self, event: &str) {
        let hooks = corpus::webhooks();
        let deliveries = hooks["deliveries"].as_array().unwrap();
        let body = |delivery: &Value| BASE64_STANDARD.decode(delivery["body_base64"].as_str().unwrap()).unwrap();
        let is_it = |delivery: &&Value| serde_json::from_slice::<Value>(&body(delivery)).unwrap()["event"] == event;
        let delivery = deliveries.iter().find(is_it).unwrap_or_else(|| panic!("no {event}"));
        let request = Request::post("/hook")
            .header("logto-signature-sha-256", delivery["signature"].as_str().unwrap())
            .body(Body::from(body(delivery)))
            .unwrap();
        assert_eq!(self.router.clone().oneshot(request).await.unwrap().status(), 200, "{event}");
    }
}

fn has(token: &Value, scope: &str) -> bool {
    token["claims"]["scope"].as_str().is_some_and(|scopes| scopes.split(' ').any(|held| held == scope))
}

/// What helped the recorded client to a permission that its token lacked: the token of its next refresh, or of its next
/// sign-in.
fn helped(refreshed: &Value, signed_in: Option<&Value>, scope: &str) -> &'static str {
    match signed_in {
        _ if has(refreshed, scope) => "403 refresh",
        Some(token) if has(token, scope) => "403 reconsent",
        _ => "403 none",
    }
}

#[tokio::test]
async fn gained_api_permission_is_reached_by_a_new_sign_in_as_recorded() {
    let (recorded, replay) = (corpus::permission_change(), Replay::start().await);
    let [before, refreshed, signed_in] =
        ["api_before", "api_after", "api_after_fresh_sign_in"].map(|name| &recorded[name]);
    assert_eq!(recorded["change_api"]["after"][1], WRITE);
    let (reads, writes) = (format!("/live/orders/{ACME}/{READ}"), format!("/live/orders/{ACME}/{WRITE}"));
    assert_eq!(replay.asks(&reads, before).await, "pass");
    assert_eq!(replay.asks(&writes, before).await, "403 none", "neither token nor subject holds it");

    replay.scenario.tenant.add_resource_scope_to_organization_role("member", RESOURCE, WRITE);
    let told = helped(refreshed, Some(signed_in), WRITE);
    assert_eq!(told, "403 reconsent", "the recording");
    assert_eq!(replay.asks(&writes, before).await, told);
    assert_eq!(replay.asks(&writes, refreshed).await, told, "the client refreshed, and it did not help");
    assert_eq!(replay.asks(&writes, signed_in).await, "pass");
    assert_eq!(replay.asks(&reads, signed_in).await, "pass");
}

#[tokio::test]
async fn lost_api_permission_is_left_out_of_the_next_token_as_recorded() {
    let (recorded, replay) = (corpus::permission_change(), Replay::start().await);
    let [before, refreshed] =
        ["api_after_fresh_sign_in", "api_after_removal_same_refresh_token"].map(|name| &recorded[name]);
    replay.scenario.tenant.add_resource_scope_to_organization_role("member", RESOURCE, WRITE);
    let (reads, writes) = (format!("/live/orders/{ACME}/{READ}"), format!("/live/orders/{ACME}/{WRITE}"));
    assert_eq!(replay.asks(&writes, before).await, "pass");

    replay.scenario.tenant.remove_resource_scope_from_organization_role("member", RESOURCE, WRITE);
    assert!(has(before, WRITE) && !has(refreshed, WRITE), "the recording: a refresh is enough");
    assert_eq!(replay.asks(&writes, before).await, "401 refresh");
    assert_eq!(replay.asks(&writes, refreshed).await, "403 none", "token and source agree");
    assert_eq!(replay.asks(&reads, before).await, "pass", "what is left still passes");
    assert_eq!(replay.asks(&reads, refreshed).await, "pass");
}

#[tokio::test]
async fn changed_organization_permissions_are_in_the_next_token_as_recorded() {
    let (recorded, replay) = (corpus::permission_change(), Replay::start().await);
    let [before, refreshed] = ["org_before", "org_after"].map(|name| &recorded[name]);
    let [reads, manages] = ["read:members", "manage:members"].map(|scope| format!("/live/members/{ACME}/{scope}"));
    assert_eq!([replay.asks(&reads, before).await, replay.asks(&manages, before).await], ["pass", "403 none"]);

    let tenant = &replay.scenario.tenant;
    tenant.remove_scope_from_organization_role("member", "read:members");
    tenant.add_scope_to_organization_role("member", "manage:members");
    let now = replay.scenario.manage(recorded["scopes_endpoint_after"]["path"].as_str().unwrap()).await.json();
    assert_eq!(now[0]["name"], recorded["scopes_endpoint_after"]["body"][0]["name"], "the snapshot that was recorded");

    assert_eq!(replay.asks(&manages, before).await, helped(refreshed, None, "manage:members"));
    assert_eq!(replay.asks(&manages, refreshed).await, "pass");
    assert_eq!(replay.asks(&reads, before).await, "401 refresh");
    assert_eq!(replay.asks(&reads, refreshed).await, "403 none");
}

#[tokio::test]
async fn recorded_webhook_makes_a_changed_role_known_at_once() {
    let (recorded, replay) = (corpus::permission_change(), Replay::start().await);
    let [before, refreshed] = ["org_before", "org_after"].map(|name| &recorded[name]);
    let [reads, manages] = ["read:members", "manage:members"].map(|scope| format!("/known/members/{ACME}/{scope}"));
    assert_eq!([replay.asks(&reads, before).await, replay.asks(&manages, before).await], ["pass", "403 none"]);
    let tenant = &replay.scenario.tenant;
    tenant.remove_scope_from_organization_role("member", "read:members");
    tenant.add_scope_to_organization_role("member", "manage:members");
    assert_eq!(replay.asks(&reads, before).await, "pass", "what is known serves");
    replay.receives("OrganizationRole.Scopes.Updated").await;
    assert_eq!(replay.asks(&reads, before).await, "401 refresh");
    assert_eq!(replay.asks(&manages, before).await, "403 refresh");
    assert_eq!(replay.asks(&manages, refreshed).await, "pass");
}

#[tokio::test]
async fn removed_member_is_told_to_refresh_and_the_issuer_rejects_as_recorded() {
    let (changes, removal) = (corpus::permission_change(), corpus::member_removed());
    for refused in [&removal["refresh_org"], &removal["refresh_org_resource"]] {
        assert_eq!((&refused["status"], refused["token"].is_null()), (&Value::from(403), true), "the recording");
    }
    let replay = Replay::start().await;
    let (own, orders) = (&changes["org_before"], &changes["api_before"]);
    let paths = |kind: &str| [format!("/{kind}/members/{ACME}/read:members"), format!("/{kind}/orders/{ACME}/{READ}")];
    for kind in ["live", "known"] {
        let [members, reads] = paths(kind);
        assert_eq!([replay.asks(&members, own).await, replay.asks(&reads, orders).await], ["pass", "pass"]);
    }
    replay.scenario.tenant.remove_member(ACME, replay.scenario.user("bob"));
    let [members, reads] = paths("live");
    assert_eq!(replay.asks(&members, own).await, "401 refresh");
    assert_eq!(replay.asks(&reads, orders).await, "401 refresh");
    let [members, reads] = paths("known");
    replay.receives("Organization.Membership.Updated").await;
    assert_eq!(replay.asks(&members, own).await, "401 refresh", "the delivery lists nobody: all of them may be meant");
    assert_eq!(replay.asks(&reads, orders).await, "401 refresh");
}

#[tokio::test]
async fn suspended_user_is_rejected_though_the_issuer_still_exchanges_tokens_as_recorded() {
    let (recorded, replay) = (corpus::suspended_user(), Replay::start().await);
    let (tenant, bob) = (&replay.scenario.tenant, replay.scenario.user("bob"));
    let reads = format!("/live/orders/{READ}");
    assert_eq!(replay.asks(&reads, &recorded["before"]).await, "pass");
    tenant.suspend(bob);
    assert!(recorded["refresh_after"]["token"].is_null(), "the recording: a refresh brings the user to the sign-in");
    assert_eq!(replay.asks(&reads, &recorded["before"]).await, "401 refresh");
    assert_eq!(
        replay.asks(&reads, &recorded["token_exchange_after"]).await,
        "401 refresh",
        "issued after the suspension"
    );
    tenant.unsuspend(bob);
    assert_eq!(replay.asks(&reads, &recorded["before"]).await, "pass");
}

/// A user's token without an organization holds what all of its organizations give it.
#[tokio::test]
async fn recorded_tokens_without_an_organization_pass_for_members_alone() {
    let replay = Replay::start().await;
    let globex = replay.scenario.org("globex").to_owned();
    for (name, organization, scope, expected) in [
        ("user_resource", ACME, READ, "pass"),
        ("user_resource", ACME, WRITE, "pass"),
        ("user_resource", &*globex, READ, "pass"),
        ("user_bob_resource_no_global_role", ACME, READ, "pass"),
        ("user_bob_resource_no_global_role", ACME, WRITE, "403 none"),
        ("user_bob_resource_no_global_role", &*globex, READ, "403 none"),
        ("user_bob_resource_no_global_role", "nowhere", READ, "403 none"),
        ("user_org_resource", ACME, WRITE, "pass"),
        ("user_org_resource", &*globex, READ, "403 organization_token"),
        ("user_carol_org_resource_no_role", &*globex, READ, "403 none"),
        ("user_carol_org_resource_no_role", ACME, READ, "403 organization_token"),
        ("m2m_resource", ACME, READ, "pass"),
        ("m2m_resource", &*globex, READ, "403 none"),
        ("m2m_resource_no_role", ACME, READ, "403 none"),
        ("tx_user_resource_act", ACME, READ, "403 none"),
    ] {
        let token = serde_json::json!({ "token": row(name).token() });
        let heard = replay.asks(&format!("/live/member/{organization}/{scope}"), &token).await;
        assert_eq!(heard, expected, "{name} at {organization} for {scope}");
        replay.clock.advance(Duration::from_secs(1));
    }
}

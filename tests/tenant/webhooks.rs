//! Which changes send what, in which form, and who signed it.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use orgate::testing::{LogtoRelease, RoleType, TestTenant, WebhookDelivery};
use serde_json::Value;

use crate::scenario::{API, Scenario, assert_same_shape};

fn verifies(delivery: &WebhookDelivery, key: &str) -> bool {
    let signature = delivery.headers()["logto-signature-sha-256"].to_str().unwrap();
    let octet = |at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap();
    let signature: Vec<u8> = (0..signature.len()).step_by(2).map(octet).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::verify(&key, delivery.body(), &signature).is_ok()
}

fn body(delivery: &WebhookDelivery) -> Value {
    serde_json::from_slice(delivery.body()).unwrap()
}

/// The recorded body of an event, made by a request of this method to this route.
fn recorded_body(ours: &Value) -> Value {
    let bodies = recorded!("webhooks.json")["deliveries"].as_array().unwrap().clone();
    let bodies =
        bodies.iter().map(|delivery| BASE64_STANDARD.decode(delivery["body_base64"].as_str().unwrap()).unwrap());
    let mut bodies = bodies.map(|body| serde_json::from_slice::<Value>(&body).unwrap());
    let same = |body: &Value| ["event", "method", "matchedRoute"].iter().all(|name| body[name] == ours[name]);
    bodies.find(same).unwrap_or_else(|| panic!("never seen: {ours}"))
}

/// A step of the recordings, the change here, and the events that both send.
type Step = (&'static str, Box<dyn Fn(&Scenario)>);

fn steps() -> Vec<Step> {
    fn step(name: &'static str, change: impl Fn(&TestTenant, &Scenario) + 'static) -> Step {
        (name, Box::new(move |scenario: &Scenario| change(&scenario.tenant, scenario)))
    }
    vec![
        step("POST /users", |tenant, _| tenant.add_user("dave")),
        step("PATCH /users/:id", |tenant, _| tenant.touch_user("dave")),
        step("PATCH /users/:id/is-suspended true", |tenant, _| tenant.suspend("dave")),
        step("PATCH /users/:id/is-suspended false", |tenant, _| tenant.unsuspend("dave")),
        step("POST /users/:id/roles (global role to user)", |tenant, _| tenant.give_role("dave", "orders-user")),
        step("DELETE /users/:id/roles/:roleId", |tenant, _| tenant.take_role("dave", "orders-user")),
        step("POST /organizations/:id/users (add member)", |tenant, s| tenant.add_member(s.org("acme"), "dave")),
        step("PUT /organizations/:id/users/:userId/roles", |tenant, s| {
            tenant.give_organization_role(s.org("acme"), "dave", "admin");
        }),
        step("DELETE /organizations/:id/users/:userId/roles/:roleId", |tenant, s| {
            tenant.take_organization_role(s.org("acme"), "dave", "admin");
        }),
        step("DELETE /organizations/:id/users/:userId (remove member)", |tenant, s| {
            tenant.remove_member(s.org("acme"), "dave");
        }),
        step("DELETE /organizations/:id/applications/:appId", |tenant, s| {
            tenant.remove_member(s.org("acme"), s.app("orders-worker-bare"));
        }),
        step("POST /organizations/:id/applications", |tenant, s| {
            tenant.add_member(s.org("acme"), s.app("orders-worker-bare"));
        }),
        step("PUT /organizations/:id/applications/:appId/roles", |tenant, s| {
            tenant.give_organization_role(s.org("acme"), s.app("orders-worker-bare"), "machine");
        }),
        step("DELETE /organizations/:id/applications/:appId/roles/:roleId", |tenant, s| {
            tenant.take_organization_role(s.org("acme"), s.app("orders-worker-bare"), "machine");
        }),
        step("POST /roles/:id/scopes", |tenant, _| {
            tenant.add_scope_to_role("orders-machine", "https://api.example.com/short-lived", "read:short");
        }),
        step("DELETE /roles/:id/scopes/:scopeId", |tenant, _| {
            tenant.remove_scope_from_role("orders-machine", API, "delete:orders");
        }),
        step("POST /organization-roles/:id/scopes", |tenant, _| {
            tenant.add_scope_to_organization_role("member", "invite:members");
        }),
        step("DELETE /organization-roles/:id/scopes/:scopeId", |tenant, _| {
            tenant.remove_scope_from_organization_role("member", "invite:members");
        }),
        step("POST /organization-roles/:id/resource-scopes", |tenant, _| {
            tenant.add_resource_scope_to_organization_role("member", API, "write:orders");
        }),
        step("PUT /organization-roles/:id/resource-scopes", |tenant, _| {
            tenant.remove_resource_scope_from_organization_role("member", API, "write:orders");
        }),
        step("POST /resources/:id/scopes", |tenant, _| tenant.add_resource_scope(API, "tmp:scope")),
        step("DELETE /resources/:id/scopes/:scopeId", |tenant, _| tenant.remove_resource_scope(API, "tmp:scope")),
        step("POST /roles", |tenant, _| tenant.add_role("tmp", RoleType::User, API, &["read:orders"])),
        step("DELETE /roles/:id", |tenant, _| tenant.remove_role("tmp")),
        step("POST /organizations", |tenant, _| tenant.add_organization("tmp-org")),
        step("PATCH /organizations/:id", |tenant, _| tenant.touch_organization("tmp-org")),
        step("DELETE /organizations/:id", |tenant, _| tenant.remove_organization("tmp-org")),
        step("POST /organization-roles", |tenant, _| {
            tenant.add_organization_role("tmp", RoleType::User, &["read:members"]);
        }),
        step("DELETE /organization-roles/:id", |tenant, _| tenant.remove_organization_role("tmp")),
        step("POST /organization-scopes", |tenant, _| tenant.add_organization_scope("tmp:scope")),
        step("DELETE /organization-scopes/:id", |tenant, _| tenant.remove_organization_scope("tmp:scope")),
        step("sign-in through the Experience API", |_, scenario| drop(scenario.sign_in("alice"))),
        step("wrong password sign-in", |tenant, s| drop(tenant.sign_in("nobody", s.app("orders-web"), &[]))),
        step("DELETE /users/:id", |tenant, _| tenant.remove_user("dave")),
    ]
}

#[tokio::test]
async fn every_change_sends_what_logto_sends() {
    let matrix = recorded!("webhook_event_matrix.json");
    let scenario = Scenario::start().await;
    for (name, change) in steps() {
        let row = matrix.as_array().unwrap().iter().find(|row| row["step"] == name).expect(name);
        change(&scenario);
        let sent = scenario.tenant.take_deliveries();
        let mut events: Vec<&str> = sent.iter().map(WebhookDelivery::event).collect();
        let mut expected: Vec<&str> = row["events"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        events.sort_unstable();
        expected.sort_unstable();
        assert_eq!(events, expected, "{name}");
        for delivery in &sent {
            assert!(verifies(delivery, &scenario.tenant.signing_key()));
            let (mut ours, mut theirs) = (body(delivery), recorded_body(&body(delivery)));
            nullable(&mut ours);
            nullable(&mut theirs);
            assert_same_shape(&theirs, &ours, name);
        }
    }
}

/// What may be null, or is the user's own, is not compared; a list of scopes is by its first.
fn nullable(body: &mut Value) {
    match body {
        Value::Object(members) => {
            for name in ["customData", "primaryEmail", "lastSignInAt", "applicationId", "description", "name"] {
                if let Some(value) = members.get_mut(name) {
                    *value = Value::Null;
                }
            }
            members.values_mut().for_each(nullable);
        }
        Value::Array(list) => {
            list.truncate(1);
            list.iter_mut().for_each(nullable);
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_newer_release_names_the_members() {
    let scenario = Scenario::of(TestTenant::builder().release(LogtoRelease::V1_42).start().await);
    let (tenant, acme) = (&scenario.tenant, scenario.org("acme"));
    for (member, added, removed) in [
        (scenario.user("carol"), "addedUserIds", "removedUserIds"),
        (scenario.app("orders-worker"), "addedApplicationIds", "removedApplicationIds"),
    ] {
        tenant.add_member(acme, member);
        tenant.remove_member(acme, member);
        let sent: Vec<Value> = tenant.take_deliveries().iter().map(body).collect();
        assert_eq!((&sent[0][added][0], &sent[1][removed][0]), (&member.into(), &member.into()));
        assert_eq!([&sent[0]["organizationId"], &sent[1]["organizationId"]], [acme, acme]);
        assert!(sent[0].get(removed).is_none() && sent[1].get(added).is_none());
    }
}

#[tokio::test]
async fn the_test_payload_and_the_keys() {
    let scenario = Scenario::start().await;
    let tenant = &scenario.tenant;
    let (old, test) = (tenant.signing_key(), tenant.test_delivery());
    assert!(verifies(&test, &old));
    let bodies = recorded!("webhooks.json");
    let recorded = BASE64_STANDARD.decode(bodies["deliveries"][0]["body_base64"].as_str().unwrap()).unwrap();
    assert_same_shape(&serde_json::from_slice(&recorded).unwrap(), &body(&test), "test payload");
    assert!(tenant.take_deliveries().is_empty(), "a test is no change");

    tenant.rotate_signing_key();
    let own = tenant.sign_delivery("{\"event\":\"Nobody.Knows\",\"n\":1e+21}");
    assert_eq!((own.event(), &own.body()[..]), ("Nobody.Knows", &b"{\"event\":\"Nobody.Knows\",\"n\":1e+21}"[..]));
    assert!(verifies(&own, &tenant.signing_key()) && !verifies(&own, &old));
    assert!(!own.unsigned().headers().contains_key("logto-signature-sha-256"));
}

//! The same questions as in the recordings: the same status, member names and types; the same scopes.

use std::time::Duration;

use orgate::testing::{Grant, TestClock, TestTenant, TokenRequest};
use serde_json::{Value, json};

use crate::scenario::{API, Answer, Scenario, assert_same_shape, claims, scopes};

/// An answer of the token endpoint, and the claims of the token in it.
fn compare_token(recorded: &Value, answer: &Answer, what: &str) {
    assert_eq!(recorded["status"], answer.status, "{what}");
    let mut body = answer.json();
    if answer.status != 200 {
        assert_eq!(recorded["response"], body, "{what}");
        return;
    }
    // The recorder took the tokens out.
    let token = body.as_object_mut().unwrap().remove("access_token").unwrap();
    body.as_object_mut().unwrap().remove("refresh_token");
    assert_same_shape(&recorded["response"], &body, what);
    compare_claims(&recorded["claims"], token.as_str().unwrap(), what);
}

fn compare_claims(recorded: &Value, token: &str, what: &str) {
    let ours = claims(token);
    assert_same_shape(recorded, &ours, what);
    for name in ["sub", "client_id", "aud", "organization_id"] {
        assert_eq!(recorded[name], ours[name], "{what}: {name}");
    }
    let recorded = recorded["scope"].as_str().map(|scope| {
        let mut scopes: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
        scopes.sort_unstable();
        scopes
    });
    assert_eq!(recorded, scopes(token), "{what}");
}

async fn replay(scenario: &Scenario, grant: &Grant, recorded: &Value, what: &str) {
    let answer = scenario.refresh(grant, &recorded["request"]).await;
    compare_token(recorded, &answer, what);
}

/// A question to the Management API.
async fn replay_question(scenario: &Scenario, recorded: &Value, what: &str) {
    let answer = scenario.manage(recorded["path"].as_str().unwrap()).await;
    assert_eq!(recorded["status"], answer.status, "{what}");
    assert_eq!(recorded["headers"]["Content-Type"], answer.headers["content-type"].to_str().unwrap(), "{what}");
    assert_same_shape(&recorded["body"], &answer.json(), what);
    let names = |list: &Value| -> Vec<Value> { list.as_array().unwrap().iter().map(|s| s["name"].clone()).collect() };
    assert_eq!(names(&recorded["body"]), names(&answer.json()), "{what}");
}

#[tokio::test]
async fn permission_change() {
    let recorded = recorded!("permission_change.json");
    let scenario = Scenario::start().await;
    let tenant = &scenario.tenant;
    let grant = scenario.sign_in("bob");
    replay(&scenario, &grant, &recorded["api_before"], "api_before").await;
    tenant.add_resource_scope_to_organization_role("member", API, "write:orders");
    replay(&scenario, &grant, &recorded["api_after"], "api_after").await;

    replay(&scenario, &grant, &recorded["org_before"], "org_before").await;
    tenant.remove_scope_from_organization_role("member", "read:members");
    tenant.add_scope_to_organization_role("member", "manage:members");
    replay(&scenario, &grant, &recorded["org_after"], "org_after").await;
    replay_question(&scenario, &recorded["scopes_endpoint_after"], "scopes_endpoint_after").await;

    let fresh = scenario.sign_in("bob");
    replay(&scenario, &fresh, &recorded["api_after_fresh_sign_in"], "api_after_fresh_sign_in").await;
    tenant.remove_resource_scope_from_organization_role("member", API, "write:orders");
    let same = &recorded["api_after_removal_same_refresh_token"];
    replay(&scenario, &fresh, same, "api_after_removal_same_refresh_token").await;
}

#[tokio::test]
async fn member_removed() {
    let recorded = recorded!("member_removed.json");
    let scenario = Scenario::start().await;
    let grant = scenario.sign_in("bob");
    scenario.tenant.remove_member(scenario.org("acme"), scenario.user("bob"));
    replay(&scenario, &grant, &recorded["refresh_org"], "refresh_org").await;
    replay(&scenario, &grant, &recorded["refresh_org_resource"], "refresh_org_resource").await;
    replay_question(&scenario, &recorded["scopes"], "scopes").await;
}

#[tokio::test]
async fn suspended_user() {
    let recorded = recorded!("suspended_user.json");
    let scenario = Scenario::start().await;
    let (tenant, bob, web) = (&scenario.tenant, scenario.user("bob"), scenario.app("orders-web"));
    let grant = scenario.sign_in("bob");
    let opaque = scenario.refresh(&grant, &json!({ "grant_type": "refresh_token" })).await.json();
    let opaque = opaque["access_token"].as_str().unwrap();
    replay(&scenario, &grant, &recorded["before"], "before").await;
    let subject_token = tenant.subject_token(bob);

    tenant.suspend(bob);
    replay(&scenario, &grant, &recorded["refresh_after"], "refresh_after").await;
    assert_eq!(scenario.introspect(opaque).await.json(), recorded["introspect_opaque_after"]["body"]);
    let exchange = &recorded["token_exchange_after"];
    let mut form: Vec<(&str, &str)> =
        exchange["request"].as_object().unwrap().iter().map(|(a, b)| (&**a, b.as_str().unwrap())).collect();
    form.push(("subject_token", &subject_token));
    compare_token(exchange, &scenario.post("/oidc/token", web, &form).await, "token_exchange_after");
    let refused = tenant.sign_in(bob, web, &[]).unwrap_err();
    let message = recorded["new_sign_in_after"]["error"].as_str().unwrap();
    assert!(message.contains(&format!("-> {}: ", refused.status().as_u16())));
    let body: Value =
        serde_json::from_str(message.split_once(": {").map(|(_, rest)| format!("{{{rest}")).as_deref().unwrap())
            .unwrap();
    assert_eq!(body, serde_json::from_str::<Value>(&refused.body()).unwrap());
    replay_question(&scenario, &recorded["org_scopes_after"], "org_scopes_after").await;
    let user = scenario.manage(&format!("/api/users/{bob}")).await;
    assert_same_shape(&recorded["user_record_after"], &user.json(), "user_record_after");
    assert_eq!(user.json()["isSuspended"], true);

    tenant.unsuspend(bob);
    let old = scenario.refresh(&grant, &recorded["before"]["request"]).await;
    assert_eq!(json!([old.status, old.json()]), recorded["after_unsuspend_old_refresh_token"]);
    replay(&scenario, &scenario.sign_in("bob"), &recorded["before"], "after a new sign-in").await;
}

#[tokio::test]
async fn organization_scopes_of_users() {
    let recorded = recorded!("org_user_scopes.json");
    let scenario = Scenario::start().await;
    for name in ["alice_acme", "bob_acme", "alice_globex", "carol_globex_no_role", "bob_globex_not_member"] {
        replay_question(&scenario, &recorded[name], name).await;
    }
    let (acme, alice) = (scenario.org("acme"), scenario.user("alice"));
    for (name, organization, user) in [("unknown_org", "nowhere", alice), ("unknown_user", acme, "nobody")] {
        let answer = scenario.manage(&format!("/api/organizations/{organization}/users/{user}/scopes")).await;
        assert_eq!((&recorded[name]["status"], &recorded[name]["body"]), (&json!(answer.status), &json!(answer.text)));
    }
}

#[tokio::test]
async fn introspection() {
    let recorded = recorded!("introspection.json");
    let scenario = Scenario::start().await;
    let grant = scenario.sign_in("alice");
    let token = async |request: Value| {
        let answer = scenario.refresh(&grant, &request).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let (web, acme) = (scenario.app("orders-web"), scenario.org("acme"));
    let refresh = "refresh_token";
    let opaque = token(json!({ "grant_type": refresh })).await;
    let user_resource = token(json!({ "grant_type": refresh, "resource": API })).await;
    let user_org = token(json!({ "grant_type": refresh, "organization_id": acme })).await;
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*scenario.tenant.subject_token(scenario.user("alice"))),
        ("scope", "openid profile"),
    ];
    let exchanged = scenario.post("/oidc/token", web, &exchange).await.json();
    let machine = [("grant_type", "client_credentials"), ("resource", API), ("scope", "read:orders")];
    let machine = scenario.post("/oidc/token", scenario.app("orders-worker"), &machine).await.json();
    for (name, client, token) in [
        ("opaque_user_token_own_client", web, &*opaque),
        ("opaque_user_token_by_other_client", scenario.app("orders-worker"), &*opaque),
        ("opaque_token_exchange", web, exchanged["access_token"].as_str().unwrap()),
        ("jwt_user_resource", web, &*user_resource),
        ("jwt_user_org", web, &*user_org),
        ("jwt_m2m_resource", web, machine["access_token"].as_str().unwrap()),
        ("garbage", web, "garbage"),
    ] {
        let answer = scenario.post("/oidc/token/introspection", client, &[("token", token)]).await;
        let recorded = &recorded[name];
        assert_eq!(recorded["status"], answer.status, "{name}");
        for header in ["cache-control", "Content-Type"] {
            assert_eq!(recorded["headers"][header], answer.headers[header].to_str().unwrap(), "{name}");
        }
        assert_same_shape(&recorded["body"], &answer.json(), name);
        for member in ["active", "sub", "client_id", "scope", "token_type"] {
            assert_eq!(recorded["body"][member], answer.json()[member], "{name}");
        }
    }
}

#[tokio::test]
async fn revocation() {
    let recorded = recorded!("revocation.json");
    let scenario = Scenario::start().await;
    let grant = scenario.sign_in("alice");
    let answer = scenario.refresh(&grant, &json!({ "grant_type": "refresh_token" })).await.json();
    let opaque = answer["access_token"].as_str().unwrap();
    let introspect = async |token: &str, name: &str| {
        let told = scenario.introspect(token).await.json();
        assert_same_shape(&recorded[name], &told, name);
        assert_eq!((&recorded[name]["active"], &recorded[name]["scope"]), (&told["active"], &told["scope"]), "{name}");
        assert_eq!(recorded[name].get("exp").is_some(), told["active"] == true);
        let lives = |told: &Value| told["exp"].as_u64().zip(told["iat"].as_u64()).map(|(exp, iat)| exp - iat);
        assert_eq!(lives(&recorded[name]), lives(&told), "{name}");
    };
    let revoke = async |token: &str, name: &str| {
        let answer = scenario.post("/oidc/token/revocation", grant.client(), &[("token", token)]).await;
        assert_eq!(json!({ "status": answer.status, "body": answer.text }), recorded[name], "{name}");
    };
    introspect(opaque, "introspect_before").await;
    revoke(opaque, "revoke_opaque").await;
    introspect(opaque, "introspect_after").await;
    introspect(grant.refresh_token(), "refresh_token_after_revoking_opaque").await;
    revoke("a.b.c", "revoke_jwt").await;
    revoke(grant.refresh_token(), "revoke_refresh").await;
    introspect(grant.refresh_token(), "refresh_introspect_after").await;
}

#[tokio::test]
async fn management_api_errors() {
    let recorded = recorded!("management_api_errors.json");
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let scenario = Scenario::of(TestTenant::builder().clock(clock.clone()).start().await);
    let user = scenario.sign_in("alice").refresh(&TokenRequest::resource(API)).unwrap();
    for (name, token) in [("no_token", None), ("user_token", Some(&*user)), ("garbage", Some("garbage"))] {
        let answer = scenario.get("/api/resources", token).await;
        let (recorded, what) = (&recorded[name], name);
        assert_eq!(recorded["status"], answer.status, "{what}");
        assert_eq!(recorded["headers"]["Content-Type"], answer.headers["content-type"].to_str().unwrap(), "{what}");
        let body: Value = serde_json::from_str(recorded["body"].as_str().unwrap()).unwrap();
        assert_same_shape(&body, &answer.json(), what);
        assert_eq!(body["data"]["code"], answer.json()["data"]["code"], "{what}");
        assert_eq!((&body["code"], &body["message"]), (&answer.json()["code"], &answer.json()["message"]), "{what}");
    }

    // Not recorded, but read in the source: `all` is asked for, and the token ends.
    let bare = scenario.management_token(&[]).await;
    assert!(bare.get("scope").is_none());
    let answer = scenario.get("/api/resources", bare["access_token"].as_str()).await;
    assert_eq!((answer.status, &*answer.code()), (403, "auth.forbidden"));
    let token = scenario.management_token(&[("scope", "all")]).await;
    assert_eq!(token["expires_in"], 3600);
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(scenario.get("/api/resources", Some(token)).await.status, 200);
    clock.advance(Duration::from_secs(3600));
    let answer = scenario.get("/api/resources", Some(token)).await;
    assert_eq!((answer.status, &answer.json()["data"]["code"]), (401, &json!("ERR_JWT_EXPIRED")));
    let issuer = scenario.tenant.issuer();
    let management = issuer.resource_token(scenario.tenant.management_resource()).machine("m").scope("all");
    assert_eq!(scenario.get("/api/resources", Some(&management.mint())).await.status, 200);
    for bad in [management.clone().forged(), management.clone().signed_with_unknown_key(), management.issuer("x")] {
        assert_eq!(scenario.get("/api/resources", Some(&bad.mint())).await.status, 401);
    }
}

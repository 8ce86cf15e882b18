//! The answers of a real Logto, given to the source as they were recorded.

use std::collections::HashMap;

use orgate::permissions::Permissions;
use orgate::token::SubjectKind;
use serde_json::{Value, json};

use crate::canned::{Canned, ask};
use crate::world::{holds, organization};

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../golden/logto-1.37/", $name))).expect($name)
    };
}

fn id(kind: &str, name: &str) -> String {
    recorded!("scenario.json")[kind][name].as_str().unwrap().to_owned()
}

/// A tenant where these questions have these answers; of whoever else is a user of it, nothing is known.
fn tenant(recorded: &[&Value], user: &Value, is_member: bool) -> Canned {
    let mut known: HashMap<String, (u16, Value)> = recorded
        .iter()
        .map(|recorded| {
            let status = u16::try_from(recorded["status"].as_u64().unwrap()).unwrap();
            (recorded["path"].as_str().unwrap().to_owned(), (status, recorded["body"].clone()))
        })
        .collect();
    known.insert(format!("/api/users/{}", user["id"].as_str().unwrap()), (200, user.clone()));
    Canned::tenant(move |path, _| match known.get(path) {
        Some((status, body)) => Canned::json(*status, body),
        None if path.ends_with("/roles") && is_member => {
            Canned::with(Canned::json(200, &json!([])), "total-number", "0")
        }
        None if path.ends_with("/roles") => Canned::json(422, &json!({ "code": "organization.require_membership" })),
        None => Canned::json(404, &json!({ "code": "entity.not_found" })),
    })
}

/// The recorded record of a user, before it was suspended.
fn active(name: &str) -> Value {
    let mut user = recorded!("suspended_user.json")["user_record_after"].clone();
    user["id"] = id("users", name).into();
    user["isSuspended"] = false.into();
    user
}

async fn of_bob_in_acme(tenant: Canned) -> Permissions {
    ask(&tenant.source(), SubjectKind::User, &id("users", "bob"), organization(&id("orgs", "acme"))).await.unwrap()
}

#[tokio::test]
async fn permission_change() {
    let recorded = recorded!("permission_change.json");
    let before = recorded!("org_user_scopes.json")["bob_acme"].clone();
    let scope = |token: &Value| holds(&token["response"]["scope"].as_str().unwrap().split(' ').collect::<Vec<_>>());
    let held = of_bob_in_acme(tenant(&[&before], &active("bob"), true)).await;
    assert_eq!((&held, held.clone()), (&holds(&["read:members"]), scope(&recorded["org_before"])));
    let held = of_bob_in_acme(tenant(&[&recorded["scopes_endpoint_after"]], &active("bob"), true)).await;
    assert_eq!((&held, held.clone()), (&holds(&["manage:members"]), scope(&recorded["org_after"])));
}

#[tokio::test]
async fn member_removed() {
    let recorded = recorded!("member_removed.json");
    assert_eq!(recorded["scopes"]["body"], json!([]));
    let held = of_bob_in_acme(tenant(&[&recorded["scopes"]], &active("bob"), false)).await;
    assert_eq!(held, Permissions::none());
    // The same list of a member who holds nothing.
    assert_eq!(of_bob_in_acme(tenant(&[&recorded["scopes"]], &active("bob"), true)).await, holds(&[]));
}

#[tokio::test]
async fn suspended_user() {
    let recorded = recorded!("suspended_user.json");
    assert_eq!(recorded["org_scopes_after"]["body"].as_array().unwrap().len(), 1, "still listed");
    let user = &recorded["user_record_after"];
    assert_eq!(of_bob_in_acme(tenant(&[&recorded["org_scopes_after"]], user, true)).await, Permissions::none());
    let held = of_bob_in_acme(tenant(&[&recorded["org_scopes_after"]], &active("bob"), true)).await;
    assert_eq!(held, holds(&["read:members"]));
}

#[tokio::test]
async fn organization_scopes_of_users() {
    let recorded = recorded!("org_user_scopes.json");
    for (name, user, organization_name, expected) in [
        ("alice_acme", "alice", "acme", holds(&["read:members", "manage:members", "invite:members"])),
        ("bob_acme", "bob", "acme", holds(&["read:members"])),
        ("alice_globex", "alice", "globex", holds(&["read:members"])),
        ("carol_globex_no_role", "carol", "globex", holds(&[])),
        ("bob_globex_not_member", "bob", "globex", Permissions::none()),
    ] {
        let source = tenant(&[&recorded[name]], &active(user), name != "bob_globex_not_member").source();
        let model = organization(&id("orgs", organization_name));
        let held = ask(&source, SubjectKind::User, &id("users", user), model).await.unwrap();
        assert_eq!(held, expected, "{name}");
    }
}

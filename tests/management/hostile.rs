//! What is not a whole, well-formed answer is an error: never "none", never a panic.

use std::time::Duration;

use orgate::permissions::PermissionModel;
use orgate::testing::{Endpoint, Fault};
use orgate::token::SubjectKind;
use serde_json::{Value, json};

use crate::canned::Canned;
use crate::world::{World, holds, organization, resource, within};

const USER: SubjectKind = SubjectKind::User;
const MACHINE: SubjectKind = SubjectKind::Machine;

async fn world() -> World {
    let world = World::populated().await;
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    world.tenant.give_role("alice", "deleter");
    world.tenant.add_machine("machine");
    world.member("acme", "machine", &["worker"]);
    world.tenant.give_role("machine", "robot");
    world
}

/// Who is asked about, so that each endpoint is met.
fn questions() -> Vec<(Endpoint, SubjectKind, &'static str, PermissionModel)> {
    vec![
        (Endpoint::User, USER, "alice", organization("acme")),
        (Endpoint::User, USER, "alice", within("acme")),
        (Endpoint::OrganizationUserScopes, USER, "alice", organization("acme")),
        (Endpoint::OrganizationUserRoles, USER, "alice", within("acme")),
        (Endpoint::UserRoles, USER, "alice", within("acme")),
        (Endpoint::UserOrganizations, USER, "alice", resource()),
        (Endpoint::OrganizationRoles, USER, "alice", resource()),
        (Endpoint::OrganizationRoles, MACHINE, "machine", organization("acme")),
        (Endpoint::Resources, MACHINE, "machine", within("acme")),
        (Endpoint::OrganizationApplicationRoles, MACHINE, "machine", within("acme")),
        (Endpoint::ApplicationRoles, MACHINE, "machine", resource()),
        (Endpoint::RoleScopes, MACHINE, "machine", resource()),
    ]
}

#[tokio::test]
async fn every_endpoint_with_every_fault() {
    let world = world().await;
    let body = |body: &str| Fault::Body(body.to_owned());
    for (endpoint, kind, id, model) in questions() {
        for fault in [
            Fault::Garbage,
            Fault::Empty,
            Fault::Reset,
            Fault::Redirect(format!("{}/api/elsewhere", world.tenant.origin())),
            Fault::Status(201),
            Fault::Status(204),
            Fault::Status(304),
            Fault::Status(400),
            Fault::Status(401),
            Fault::Status(403),
            Fault::Status(404),
            Fault::Status(422),
            Fault::Status(500),
            Fault::Status(503),
            body("<!doctype html><title>Sign in</title>"),
            body("null"),
            body("{}"),
            body("\"\""),
            body("[null]"),
            body("[[]]"),
            body("[{}]"),
            body(r#"[{"id":1,"name":2,"organizationRoles":3}]"#),
            body(r#"[{"id":"a","id":"a","name":"list","name":"list"}]"#),
            body(&"[".repeat(100_000)),
            body(&" ".repeat(9 * 1024 * 1024)),
        ] {
            world.clock.advance(Duration::from_secs(60));
            world.tenant.issuer().fail_always(endpoint, fault.clone());
            let answer = world.ask(kind, id, model.clone()).await;
            let error = answer.expect_err(&format!("{endpoint:?} {fault:?}")).to_string();
            assert!(!error.contains("alice") && !error.contains(world.tenant.origin()), "{error}");
            world.tenant.issuer().recover();
        }
        world.clock.advance(Duration::from_secs(60));
        assert_ne!(world.ask(kind, id, model).await.unwrap(), holds(&[]));
    }
}

#[tokio::test]
async fn every_fault_of_the_token_endpoint() {
    let good = json!({ "access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer", "scope": "all" });
    for fault in [
        Fault::Garbage,
        Fault::Empty,
        Fault::Reset,
        Fault::Redirect("https://elsewhere.example".to_owned()),
        Fault::Status(201),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Huge,
        Fault::Body("<!doctype html>".to_owned()),
        Fault::Body(good.to_string().replace("all", "none")),
        // Well-formed, and no token of this tenant.
        Fault::Body(good.to_string()),
    ] {
        let world = world().await;
        world.tenant.issuer().fail_always(Endpoint::Token, fault.clone());
        for (_, kind, id, model) in questions() {
            world.clock.advance(Duration::from_secs(60));
            assert!(world.ask(kind, id, model).await.is_err(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    for (endpoint, fault) in [
        (Endpoint::User, Fault::Hang),
        (Endpoint::OrganizationRoles, Fault::Hang),
        (Endpoint::OrganizationUserRoles, Fault::Drip),
        (Endpoint::Token, Fault::Hang),
    ] {
        let world = world().await;
        world.tenant.issuer().fail_always(endpoint, fault);
        let asked = world.ask(USER, "alice", within("acme"));
        let error = tokio::time::timeout(Duration::from_secs(3), asked).await.expect("in time").unwrap_err();
        assert!(error.to_string().contains("no answer within 1.5s"), "{error}");
        assert!(!error.to_string().contains("alice") && !error.to_string().contains("acme"), "{error}");
    }
    let world = world().await;
    world.tenant.issuer().take_down();
    let error = world.ask(USER, "alice", within("acme")).await.unwrap_err();
    assert!(error.to_string().starts_with("POST /oidc/token: "), "{error}");
}

/// A list of roles, as the pages of which it consists.
async fn of_pages(pages: impl Fn(usize) -> (Value, Option<String>) + Send + Sync + 'static) -> Result<(), String> {
    let canned = Canned::tenant(move |path, query| {
        let page: usize =
            query.split('&').find_map(|pair| pair.strip_prefix("page=")).map_or(0, |n| n.parse().unwrap());
        match path {
            "/api/applications/machine/roles" => {
                let (body, total) = pages(page);
                let answer = Canned::json(200, &body);
                total.map_or(answer.clone(), |total| Canned::with(answer, "total-number", &total))
            }
            _ => Canned::with(Canned::json(200, &json!([])), "total-number", "0"),
        }
    });
    let asked = canned.count();
    let source = canned.source();
    let answer = crate::canned::ask(&source, MACHINE, "machine", resource()).await;
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(asked <= 4, "{asked} calls");
    answer.map(|_| ()).map_err(|error| error.to_string())
}

fn roles(count: usize) -> Value {
    vec![json!({ "id": "one" }); count].into()
}

#[tokio::test]
async fn pages_that_do_not_fit_together() {
    let total = |total: usize| Some(total.to_string());
    // The token, two pages, and the scopes of the role in each place: shared after the first.
    assert!(of_pages(move |page| (roles(if page == 1 { 100 } else { 50 }), total(150))).await.is_ok());
    for (what, answer) in [
        ("no number", of_pages(move |_| (roles(1), None)).await),
        ("not a number", of_pages(move |_| (roles(1), Some("many".to_owned()))).await),
        ("negative", of_pages(move |_| (roles(1), Some("-1".to_owned()))).await),
        ("endless", of_pages(move |_| (roles(100), total(1_000_000))).await),
        ("endless, told bit by bit", of_pages(move |page| (roles(100), total(page * 100 + 1))).await),
        ("fewer than told", of_pages(move |_| (roles(1), total(2))).await),
        ("more than told", of_pages(move |_| (roles(2), total(1))).await),
        ("an empty second page", of_pages(move |page| (roles(if page == 1 { 100 } else { 0 }), total(101))).await),
        ("another total", of_pages(move |page| (roles(if page == 1 { 100 } else { 2 }), total(100 + page))).await),
    ] {
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn only_200_is_an_answer() {
    for status in [200, 201, 202, 203, 206, 226, 300, 304, 404, 422, 500, 599] {
        for page_two in [false, true] {
            let answer = move |path: &str, query: &str| {
                let on_time = !page_two || query.starts_with("page=2");
                let status = if on_time { status } else { 200 };
                let count = if query.starts_with("page=1&") { 100 } else { 1 };
                let body = match path {
                    "/api/users/alice" => json!({ "id": "alice", "isSuspended": false }),
                    _ => vec![json!({ "id": "one", "name": "list" }); count].into(),
                };
                Canned::with(Canned::json(status, &body), "total-number", "101")
            };
            let source = Canned::tenant(answer).source();
            if !page_two {
                let held = crate::canned::ask(&source, USER, "alice", organization("acme")).await;
                assert_eq!(held.is_ok(), status == 200, "{status}: {held:?}");
            }
            let held = crate::canned::ask(&source, MACHINE, "machine", within("acme")).await;
            // With 200 it is the template that does not fit.
            let error = held.unwrap_err().to_string();
            assert_eq!(error.contains(&format!("status {status}")), status != 200, "{error}");
        }
    }
}

#[tokio::test]
async fn a_large_answer_is_not_read() {
    for (size, is_read) in [(3, true), (5, false)] {
        let canned = Canned::tenant(move |path, _| {
            let body = if path.starts_with("/api/users/") {
                json!({ "id": "alice", "isSuspended": false })
            } else {
                json!([{ "name": "list" }])
            };
            // This client does not look at the limit.
            Canned::json(200, &body).map(|body| [&*body, &vec![b' '; size << 20]].concat().into())
        });
        let answer = crate::canned::ask(&canned.source(), USER, "alice", organization("acme")).await;
        assert_eq!(answer.is_ok(), is_read, "{size} MiB: {answer:?}");
    }
}

#[tokio::test]
async fn not_found_is_believed_only_of_logto() {
    for (status, body, is_none) in [
        (404, json!({ "code": "entity.not_found", "message": "The resource does not exist." }), true),
        (404, json!({ "code": "entity.not_exists_with_id" }), true),
        (404, json!({ "code": "guard.invalid_target" }), false),
        (404, json!({ "message": "Not Found" }), false),
        (404, json!({ "code": ["entity.not_found"] }), false),
        (404, json!("entity.not_found"), false),
        (410, json!({ "code": "entity.not_found" }), false),
        (422, json!({ "code": "entity.not_found" }), false),
        (422, json!({ "code": "organization.require_membership" }), true),
        (404, json!({ "code": "organization.require_membership" }), false),
        (400, json!({ "code": "organization.require_membership" }), false),
    ] {
        let answer = Canned::json(status, &body);
        let source = Canned::tenant(move |_, _| answer.clone()).source();
        let answer = crate::canned::ask(&source, MACHINE, "machine", within("acme")).await;
        match answer {
            Ok(held) => assert!(is_none && held == orgate::permissions::Permissions::none(), "{status} {body}"),
            Err(error) => assert!(!is_none, "{status} {body}: {error}"),
        }
    }
}

//! Who may call, what somebody may call, who holds a role.

use orgate::Guard;
use orgate::audit::{Caller, RoleLevel, SubjectType, Who};
use orgate::policy::{organization, path, resource};
use orgate::testing::{RoleType, TestTenant};

use crate::support::{API, guard, handler, tenant};

fn orders() -> Guard {
    guard()
        .get("/orders", handler, resource().scope("read:orders"))
        .get("/orgs/{org}/orders", handler, resource().in_organization(path("org")).scope("read:orders"))
        .post("/orgs/{org}/members", handler, organization(path("org")).scope("invite:member"))
        .get("/orgs/{org}", handler, organization(path("org")))
        .delete("/orders", handler, resource().all_of(["read:orders", "write:orders", "approve:orders"]))
}

async fn people() -> TestTenant {
    let tenant = tenant().await;
    for user in ["alice", "bob", "carol", "dora"] {
        tenant.add_user(user);
    }
    for (organization, user, roles) in
        [("acme", "alice", &["admin", "auditor"][..]), ("globex", "bob", &["admin"]), ("acme", "bob", &[])]
    {
        tenant.add_member(organization, user);
        for role in roles {
            tenant.give_organization_role(organization, user, role);
        }
    }
    tenant.give_role("carol", "support");
    tenant.give_role("dora", "support");
    tenant.suspend("dora");
    tenant.add_machine("nightly");
    tenant.add_member("acme", "nightly");
    tenant.give_organization_role("acme", "nightly", "worker");
    tenant
}

fn callers(who: &Who) -> Vec<(&str, Option<&str>)> {
    who.callers.iter().map(|caller| (&*caller.id, caller.organization.as_deref())).collect()
}

fn through(caller: &Caller) -> Vec<Vec<&str>> {
    caller.through.iter().map(|set| set.iter().map(|held| &*held.role).collect()).collect()
}

#[tokio::test]
async fn callers_of_a_route_are_named_with_the_roles_that_let_them() {
    let audit = orders().audit(&people().await).with_members().await.unwrap();
    let who = audit.who("GET", "/orgs/{org}/orders", Some("acme")).unwrap();
    assert_eq!(callers(&who), [("alice", Some("acme")), ("nightly", Some("acme"))]);
    assert_eq!(through(&who.callers[0]), [["admin"]]);
    assert_eq!(through(&who.callers[1]), [["worker"]]);

    // Without an organization: in each of them.
    let who = audit.who("GET", "/orgs/{org}/orders", None).unwrap();
    assert_eq!(callers(&who), [("alice", Some("acme")), ("bob", Some("globex")), ("nightly", Some("acme"))]);

    // A global route counts roles in any organization; suspended users receive no token.
    let who = audit.who("GET", "/orders", None).unwrap();
    assert_eq!(callers(&who), [("alice", None), ("bob", None), ("carol", None)]);
    assert_eq!(who.callers[1].through[0][0].organization.as_deref(), Some("globex"));

    // Two roles together.
    let who = audit.who("DELETE", "/orders", None).unwrap();
    assert_eq!(callers(&who), [("alice", None)]);
    assert_eq!(through(&who.callers[0]), [["admin", "auditor"]]);

    // Whoever is a member.
    let who = audit.who("GET", "/orgs/{org}", Some("acme")).unwrap();
    assert_eq!(callers(&who), [("alice", Some("acme")), ("bob", Some("acme")), ("nightly", Some("acme"))]);
    assert_eq!(through(&who.callers[1]), [Vec::<&str>::new()], "no role is needed");
    assert_eq!(who.any_user.to_string(), "only if it is a member of the organization");
}

#[tokio::test]
async fn subject_is_told_with_its_roles_and_routes() {
    let audit = orders().audit(&people().await).with_members().await.unwrap();
    let bob = audit.subject("bob").unwrap();
    assert_eq!(bob.roles.len(), 1);
    let routes: Vec<(&str, Option<&str>)> =
        bob.routes.iter().map(|(route, organization, _)| (&**route, organization.as_deref())).collect();
    assert_eq!(
        routes,
        [
            ("GET /orders", None),
            ("GET /orgs/{org}/orders", Some("globex")),
            ("POST /orgs/{org}/members", Some("globex")),
            ("GET /orgs/{org}", Some("acme")),
            ("GET /orgs/{org}", Some("globex")),
        ]
    );
    let dora = audit.subject("dora").unwrap();
    assert!(dora.suspended && dora.routes.is_empty() && dora.roles[0].role == "support");
    assert!(audit.subject("nobody").is_err());
}

#[tokio::test]
async fn holders_of_a_role_are_listed() {
    let audit = orders().audit(&people().await).with_members().await.unwrap();
    let holders = |level, role: &str| -> Vec<(String, Option<String>)> {
        let holders = audit.holders(level, role).unwrap();
        holders.into_iter().map(|holder| (holder.id, holder.organization)).collect()
    };
    let named = |id: &str, organization: &str| (id.to_owned(), Some(organization.to_owned()));
    assert_eq!(holders(RoleLevel::Organization, "admin"), [named("alice", "acme"), named("bob", "globex")]);
    assert_eq!(holders(RoleLevel::Global, "support"), [("carol".to_owned(), None), ("dora".to_owned(), None)]);
    assert!(audit.holders(RoleLevel::Global, "admin").is_err());
}

#[tokio::test]
async fn organization_that_requires_mfa_makes_it_a_condition() {
    let tenant = people().await;
    tenant.require_mfa("acme");
    let audit = orders().audit(&tenant).with_members().await.unwrap();
    let who = audit.who("GET", "/orgs/{org}/orders", Some("acme")).unwrap();
    assert_eq!(who.callers[0].verdict.to_string(), "only if the user has set up MFA, which the organization requires");
    assert_eq!(who.callers[1].verdict.to_string(), "yes", "a machine has no factors");
}

#[tokio::test]
async fn names_that_are_not_there_are_errors() {
    let tenant = people().await;
    let audit = orders().audit(&tenant).with_members().await.unwrap();
    assert!(audit.who("GET", "/nope", None).unwrap_err().to_string().contains("GET /nope"));
    assert!(audit.who("PUT", "/orders", None).is_err());
    assert!(audit.who("GET", "/orders", Some("nope")).unwrap_err().to_string().contains("nope"));
    assert!(audit.who("HEAD", "/orders", None).is_ok(), "GET answers HEAD");
    let without = orders().audit(&tenant).await.unwrap();
    for error in [
        without.who("GET", "/orders", None).unwrap_err(),
        without.subject("alice").unwrap_err(),
        without.holders(RoleLevel::Global, "support").unwrap_err(),
    ] {
        assert!(error.to_string().contains("with_members()"), "{error}");
    }
}

#[tokio::test]
async fn machine_is_its_own_client() {
    let tenant = tenant().await;
    for machine in ["nightly", "weekly"] {
        tenant.add_machine(machine);
        tenant.give_role(machine, "robot");
    }
    tenant.add_role("reporter", RoleType::User, API, &["export"]);
    tenant.add_user("alice");
    tenant.give_role("alice", "reporter");
    let guard = guard().get("/export", handler, resource().scope("export").and(orgate::policy::client(["nightly"])));
    let audit = guard.audit(&tenant).with_members().await.unwrap();
    let who = audit.who("GET", "/export", None).unwrap();
    let verdicts: Vec<(&str, String)> =
        who.callers.iter().map(|caller| (&*caller.id, caller.verdict.to_string())).collect();
    assert_eq!(verdicts, [("alice", "only if the client is nightly".to_owned()), ("nightly", "yes".to_owned())]);
}

#[tokio::test]
async fn roles_beside_a_verdict_suffice_for_it() {
    let tenant = tenant().await;
    for user in ["alice", "bob"] {
        tenant.add_user(user);
    }
    tenant.add_role("admin", RoleType::User, API, &["export"]);
    tenant.give_role("alice", "support");
    tenant.give_role("alice", "admin");
    tenant.give_role("bob", "support");
    let policy = resource().check("beta", |_| true).or(resource().scope("export"));
    let both = resource().all_of(["read:orders", "export"]).or(resource().scope("export").check("beta", |_| true));
    let guard = guard().get("/beta", handler, policy).get("/both", handler, both);
    let audit = guard.audit(&tenant).with_members().await.unwrap();
    let told = |path: &str| -> Vec<(String, String, Vec<Vec<String>>)> {
        let who = audit.who("GET", path, None).unwrap();
        let through = |caller: &Caller| -> Vec<Vec<String>> {
            through(caller).into_iter().map(|set| set.into_iter().map(str::to_owned).collect()).collect()
        };
        let users = who.callers.iter().filter(|caller| caller.subjects == SubjectType::User);
        users.map(|caller| (caller.id.clone(), caller.verdict.to_string(), through(caller))).collect()
    };
    let named = |roles: &[&str]| vec![roles.iter().map(ToString::to_string).collect::<Vec<_>>()];
    assert_eq!(
        told("/beta"),
        [
            ("alice".to_owned(), "yes".to_owned(), named(&["admin"])),
            ("bob".to_owned(), "only if check beta passes".to_owned(), named(&[])),
        ]
    );
    assert_eq!(told("/both"), [("alice".to_owned(), "yes".to_owned(), named(&["admin", "support"]))]);
}

#[tokio::test]
async fn caller_of_a_route_of_no_organization_is_in_none() {
    let audit = orders().audit(&people().await).with_members().await.unwrap();
    let who = audit.who("GET", "/orders", Some("acme")).unwrap();
    assert_eq!(callers(&who), [("alice", None), ("bob", None), ("carol", None)]);
}

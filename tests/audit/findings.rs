//! What does not fit between code and tenant, and what cells say.

use axum::routing::get;
use orgate::audit::{Audit, Finding, FindingKind, RoleLevel, Tenant};
use orgate::policy::{
    all_of, any_of, authenticated, machine, optional, organization, path, resource, resource_at, user,
};
use orgate::testing::RoleType;
use orgate::{Guard, Issuer, ResourceServer};

use crate::support::{API, OTHER, UNKNOWN, guard, handler, tenant};

fn found(audit: &Audit, kind: FindingKind) -> Vec<&Finding> {
    audit.report().findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn messages(audit: &Audit, kind: FindingKind) -> Vec<&str> {
    found(audit, kind).iter().map(|finding| &*finding.message).collect()
}

/// A cell in words.
fn cell(audit: &Audit, route: &str, level: RoleLevel, role: &str) -> String {
    let report = audit.report();
    let (method, path) = route.split_once(' ').unwrap();
    let (route, role) = (report.route(method, path).unwrap(), report.role(level, role).unwrap());
    report.verdict(route, role).unwrap().to_string()
}

fn orders() -> Guard {
    guard()
        .get("/orders", handler, resource().scope("read:orders"))
        .get("/orgs/{org}/orders", handler, resource().in_organization(path("org")).scope("read:orders"))
        .post("/orgs/{org}/members", handler, organization(path("org")).scope("invite:member"))
}

#[tokio::test]
async fn cells_follow_the_rules_of_each_model() {
    let audit = orders().audit(&tenant().await).await.unwrap();
    let cell = |route: &str, level, role| cell(&audit, route, level, role);
    let (global, in_organization) = (RoleLevel::Global, RoleLevel::Organization);
    let (orders, in_org, members) = ("GET /orders", "GET /orgs/{org}/orders", "POST /orgs/{org}/members");
    assert_eq!(cell(orders, global, "support"), "yes");
    assert_eq!(cell(in_org, global, "support"), "only if it is a member of the organization");
    assert_eq!(cell(members, global, "support"), "never (only organization roles grant organization permissions)");
    assert_eq!(cell(orders, in_organization, "admin"), "yes", "the union of all organizations");
    assert_eq!(cell(in_org, in_organization, "admin"), "yes");
    assert_eq!(cell(members, in_organization, "admin"), "yes");
    assert_eq!(cell(orders, in_organization, "auditor"), "no (lacks read:orders)");
    assert_eq!(cell(members, in_organization, "auditor"), "no (lacks invite:member)");
    assert_eq!(
        cell(orders, in_organization, "worker"),
        "never (the organization roles of a machine do not count outside of the organization)"
    );
    assert_eq!(cell(in_org, in_organization, "worker"), "yes");
    assert_eq!(cell(members, in_organization, "worker"), "yes");
    assert_eq!(cell(orders, global, "robot"), "no (lacks read:orders)");
    assert_eq!(cell(in_org, global, "robot"), "never (the global roles of a machine do not count in an organization)");
}

#[tokio::test]
async fn undefined_scope_is_found_with_the_nearest_name() {
    let guard = guard()
        .get("/a", handler, resource().scope("read:order"))
        .get("/b", handler, resource().and(any_of(["read:orders", "raed:orders"])))
        .get("/c/{org}", handler, organization(path("org")).scope("read:orders"))
        .get("/d", handler, resource().scope("unlike-anything"));
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::UndefinedScope),
        [
            "scope raed:orders is not a permission of resource https://api.example.com; did you mean read:orders?",
            "scope read:order is not a permission of resource https://api.example.com, so no request passes; did you mean read:orders?",
            "scope unlike-anything is not a permission of resource https://api.example.com, so no request passes",
            "scope read:orders is not a permission of the organization template, so no request passes; resource https://api.example.com has it",
        ]
    );
    let typo = found(&audit, FindingKind::UndefinedScope)[1];
    assert_eq!(typo.code, ["GET /a: resource and scope read:order"]);
    assert_eq!(typo.tenant, ["permission read:orders of resource https://api.example.com"]);
    let unreachable: Vec<&str> = messages(&audit, FindingKind::UnreachableRoute);
    assert_eq!(unreachable.len(), 3, "{unreachable:?}");
}

#[tokio::test]
async fn indicator_that_the_tenant_does_not_know_is_found() {
    let guard = guard().get("/a", handler, resource_at(UNKNOWN).scope("x")).get("/b", handler, resource_at(OTHER));
    let audit = guard.audit(&tenant().await).await.unwrap();
    let found = found(&audit, FindingKind::UnregisteredResource);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.starts_with("resource https://api.example.com/unknown is not registered"), "{}", found[0]);
    assert!(found[0].code[0].starts_with("GET /a: "));
    assert_eq!(
        cell(&audit, "GET /a", RoleLevel::Global, "support"),
        "never (resource https://api.example.com/unknown is not registered in the tenant)"
    );
    assert!(messages(&audit, FindingKind::UndefinedScope).is_empty(), "one fault is one finding");
}

#[tokio::test]
async fn permissions_that_nobody_asks_for_or_several_roles_grant_are_found() {
    let audit = orders().audit(&tenant().await).await.unwrap();
    let unused = messages(&audit, FindingKind::UnusedPermission);
    assert_eq!(
        unused,
        [
            "no route requires permission approve:orders of resource https://api.example.com; organization role auditor grants it",
            "no route requires permission export of resource https://api.example.com; role robot grants it",
            "no route requires permission write:orders of resource https://api.example.com; organization role admin grants it",
            "no route requires permission read:other of resource https://api.example.com/other",
            "no route requires permission remove:member of the organization template",
        ],
        "and none of the Management API"
    );
    let several = found(&audit, FindingKind::PermissionOfSeveralRoles);
    assert_eq!(several.len(), 1);
    assert_eq!(several[0].tenant[1..], ["organization role admin", "organization role worker"]);
    assert_eq!(several[0].code, ["POST /orgs/{org}/members"]);
}

#[tokio::test]
async fn open_routes_are_found() {
    let guard = guard()
        .public("/health", get(handler))
        .public_router("/static", axum::Router::new())
        .get("/maybe", handler, optional(resource()))
        .get("/closed", handler, resource().scope("read:orders"));
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::PublicRoute),
        ["* /health is public", "* /static/** is public, with everything below it"]
    );
    assert_eq!(messages(&audit, FindingKind::OptionalRoute), ["GET /maybe answers requests without a token too"]);
    assert_eq!(cell(&audit, "GET /health", RoleLevel::Global, "robot"), "yes");
}

#[tokio::test]
async fn routes_whose_policy_is_not_enforced_are_found_and_open() {
    let guard = guard().get("/trial", handler, resource().scope("write:orders").dangerous_shadow_only()).get(
        "/change",
        handler,
        resource().scope("read:orders").shadow(resource().scope("write:orders")),
    );
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::ShadowedRoute),
        [
            "GET /trial judges its policy and lets every request pass",
            "GET /change judges a second policy and does not enforce it: resource and scope write:orders",
        ]
    );
    let (trial, change) = ("GET /trial", "GET /change");
    assert_eq!(cell(&audit, trial, RoleLevel::Global, "robot"), "yes");
    assert_eq!(audit.report().routes[0].any_user().unwrap().to_string(), "yes");
    assert_eq!(cell(&audit, change, RoleLevel::Global, "support"), "yes", "what is enforced decides");
    assert_eq!(cell(&audit, change, RoleLevel::Global, "robot"), "no (lacks read:orders)");
}

#[tokio::test]
async fn roles_that_open_nothing_or_everything_are_found() {
    let tenant = tenant().await;
    tenant.add_role("idle", RoleType::User, API, &[]);
    let guard = guard()
        .get("/a", handler, resource().scope("read:orders"))
        .get("/b/{org}", handler, resource().in_organization(path("org")).scope("write:orders"))
        .get("/c", handler, authenticated());
    let audit = guard.audit(&tenant).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::RoleReachesEverything),
        ["organization role admin opens each of the 3 routes that have a policy"]
    );
    assert_eq!(
        messages(&audit, FindingKind::RoleReachesNothing),
        [
            "role idle opens no route that is closed without it",
            "role robot opens no route that is closed without it",
            "organization role auditor opens no route that is closed without it",
            "organization role worker opens no route that is closed without it",
        ]
    );
}

#[tokio::test]
async fn role_that_administers_the_tenant_is_found() {
    let audit = orders().audit(&tenant().await).await.unwrap();
    let found = messages(&audit, FindingKind::ManagementApiRole);
    assert_eq!(
        found,
        ["role \"Logto Management API access\" holds the Management API: who has it administers the tenant"]
    );
}

#[tokio::test]
async fn what_newcomers_receive_is_found() {
    let tenant = tenant().await;
    tenant.set_default_role("support", true);
    tenant.add_just_in_time_role("acme", "admin");
    tenant.add_just_in_time_role("globex", "admin");
    let audit = orders().audit(&tenant).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::DefaultRole),
        [
            "every new user receives role support, which opens GET /orders, GET /orgs/{org}/orders",
            "users who join organization acme, organization globex just in time receive organization role admin, which opens GET /orders, GET /orgs/{org}/orders, POST /orgs/{org}/members",
        ]
    );
}

#[tokio::test]
async fn machine_route_without_a_machine_role_is_found() {
    let guard = guard()
        .get("/a", handler, resource().scope("read:orders").and(machine()))
        .get("/b", handler, resource().scope("export").and(machine()))
        .get("/c", handler, resource().scope("read:orders").and(user()));
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::MachineRouteWithoutMachineRole),
        ["GET /a takes machines only, and no role of machines opens it"]
    );
    assert_eq!(cell(&audit, "GET /c", RoleLevel::Global, "robot"), "never (the route takes users only)");
    assert_eq!(cell(&audit, "GET /b", RoleLevel::Global, "support"), "never (the route takes machines only)");
}

#[tokio::test]
async fn route_that_only_several_roles_open_is_found_with_the_smallest_sets() {
    let guard = guard()
        .get("/a", handler, resource().and(all_of(["read:orders", "write:orders", "approve:orders"])))
        .get("/b", handler, resource().and(all_of(["read:orders", "export"])));
    let audit = guard.audit(&tenant().await).await.unwrap();
    let report = audit.report();
    let sets: Vec<Vec<String>> = report.routes[0]
        .combinations
        .iter()
        .map(|set| set.roles.iter().map(|role| report.roles[*role].label()).collect())
        .collect();
    assert_eq!(sets, [["org admin", "org auditor"]], "support adds nothing to them");
    assert_eq!(
        messages(&audit, FindingKind::CombinationNeeded),
        ["no role opens GET /a alone; together organization role admin and organization role auditor do"]
    );
    assert_eq!(messages(&audit, FindingKind::UnreachableRoute), ["no role opens GET /b, and no three roles do"]);
}

#[tokio::test]
async fn set_with_a_role_that_opens_the_route_alone_is_not_listed() {
    let policy = resource().and(all_of(["read:orders", "approve:orders"])).or(resource().scope("write:orders"));
    let audit = guard().get("/a", handler, policy).audit(&tenant().await).await.unwrap();
    let report = audit.report();
    assert_eq!(cell(&audit, "GET /a", RoleLevel::Organization, "admin"), "yes");
    let sets = report.routes[0].combinations.iter();
    let sets: Vec<Vec<String>> =
        sets.map(|set| set.roles.iter().map(|role| report.roles[*role].label()).collect()).collect();
    assert_eq!(sets, [["support", "org auditor"]], "and not admin with auditor");
}

#[tokio::test]
async fn roles_that_need_no_condition_together_are_listed_although_each_opens_the_route_under_one() {
    let both = resource().and(all_of(["write:orders", "approve:orders"]));
    let guard = guard().get("/a", handler, resource().and(orgate::policy::client(["web"])).or(both));
    let audit = guard.audit(&tenant().await).await.unwrap();
    let report = audit.report();
    assert_eq!(cell(&audit, "GET /a", RoleLevel::Organization, "admin"), "only if the client is web");
    let sets = &report.routes[0].combinations;
    assert_eq!(sets.len(), 1, "{audit}");
    let labels: Vec<String> = sets[0].roles.iter().map(|role| report.roles[*role].label()).collect();
    assert_eq!(
        (labels, sets[0].verdict.to_string()),
        (vec!["org admin".to_owned(), "org auditor".to_owned()], "yes".to_owned())
    );
}

#[tokio::test]
async fn organization_role_on_a_route_of_no_organization_is_found() {
    let audit = orders().audit(&tenant().await).await.unwrap();
    assert_eq!(
        messages(&audit, FindingKind::OrganizationRoleOnGlobalRoute),
        [
            "organization role admin opens GET /orders, which is for no organization: who holds it in any organization may call"
        ]
    );
}

#[tokio::test]
async fn bound_tokens_that_the_server_requires_are_a_condition_of_every_route() {
    let server = ResourceServer::builder("https://tenant.logto.app/oidc", API)
        .dpop(orgate::token::binding::Dpop::new(API))
        .require_sender_constrained()
        .build()
        .unwrap();
    let guard: Guard = server.guard().get("/a", handler, resource().scope("read:orders"));
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(
        cell(&audit, "GET /a", RoleLevel::Global, "support"),
        "only if the token is bound to its sender (DPoP or mutual TLS)"
    );
}

#[tokio::test]
async fn tenant_of_one_issuer_says_nothing_of_routes_of_another() {
    let server = ResourceServer::builder(Issuer::new("https://a.example/oidc").name("a"), API)
        .issuer(Issuer::new("https://b.example/oidc").name("b"))
        .build()
        .unwrap();
    let guard: Guard = server.guard().get("/a", handler, resource().scope("read:orders").issued_by("a")).get(
        "/any",
        handler,
        resource().scope("read:orders").any_issuer(),
    );
    let tenant = tenant().await;
    let error = guard.audit(&tenant).await.unwrap_err().to_string();
    assert!(error.contains("use issuer(name)"), "{error}");
    assert!(guard.audit(&tenant).issuer("c").await.unwrap_err().to_string().contains("\"c\""));
    let of_a = guard.audit(&tenant).issuer("a").await.unwrap();
    let of_b = guard.audit(&tenant).issuer("b").await.unwrap();
    assert_eq!(cell(&of_a, "GET /a", RoleLevel::Global, "support"), "yes");
    assert_eq!(cell(&of_b, "GET /a", RoleLevel::Global, "support"), "never (the route takes tokens of issuer a)");
    assert_eq!(cell(&of_b, "GET /any", RoleLevel::Global, "support"), "yes");
    let unsaid: Guard = server.guard().get("/a", handler, resource());
    assert!(unsaid.audit(&tenant).issuer("a").await.unwrap_err().to_string().contains("2 issuers"));
}

#[tokio::test]
async fn faulty_policy_and_inconsistent_tenant_are_errors() {
    let tenant = Tenant::default();
    for guard in [
        guard().get("/a", handler, resource().scope("not a scope")),
        guard().get("/a", handler, user()),
        guard().get("/a", handler, authenticated().scope("x")),
    ] {
        let error = guard.audit(&tenant).await.unwrap_err().to_string();
        assert!(error.starts_with("/a: "), "{error}");
    }
    let mut twice = Tenant::default();
    twice.organization_permissions = vec!["a".to_owned(), "a".to_owned()];
    assert!(guard().audit(&twice).await.unwrap_err().to_string().contains("twice"));
}

/// A tenant whose roles grant these scopes.
fn tenant_of(roles: &[Vec<String>]) -> Tenant {
    let scopes: std::collections::BTreeSet<&String> = roles.iter().flatten().collect();
    let roles = roles.iter().enumerate().map(|(number, scopes)| {
        let permissions = serde_json::json!([{ "resource": API, "scopes": scopes }]);
        serde_json::json!({ "name": format!("role-{number}"), "type": "user", "permissions": permissions })
    });
    let roles: Vec<serde_json::Value> = roles.collect();
    let resources = serde_json::json!([{ "indicator": API, "scopes": scopes }]);
    Tenant::from_json(&serde_json::json!({ "resources": resources, "roles": roles }).to_string()).unwrap()
}

#[tokio::test]
async fn clause_with_many_sets_leaves_room_for_those_of_another() {
    let roles: Vec<Vec<String>> = (0..12).map(|number| vec![["a", "b", "c"][number % 3].to_owned()]).collect();
    let policy = resource().all_of(["a", "b", "c"]).or(resource().all_of(["a", "b"]));
    let audit = guard().get("/a", handler, policy).audit(&tenant_of(&roles)).await.unwrap();
    assert_eq!(messages(&audit, FindingKind::UnreachableRoute), [""; 0]);
    assert_eq!(
        messages(&audit, FindingKind::CombinationNeeded),
        ["no role opens GET /a alone; together role role-0 and role role-1 do"]
    );
    assert!(audit.report().routes[0].combinations.iter().all(|set| set.roles.len() == 2));
}

#[tokio::test]
async fn route_is_not_called_unreachable_where_not_every_set_was_looked_at() {
    // Each three of twelve scopes: no three roles have all of them, and there are more sets than are looked at.
    let scopes: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    let mut roles = Vec::new();
    for (first, one) in scopes.iter().enumerate() {
        for (second, two) in scopes.iter().enumerate().skip(first + 1) {
            let with = |three: &String| vec![one.clone(), two.clone(), three.clone()];
            roles.extend(scopes[second + 1..].iter().map(with));
        }
    }
    let guard = guard().get("/many", handler, resource().all_of(scopes.clone()));
    let audit = guard.audit(&tenant_of(&roles)).await.unwrap();
    let row = &audit.report().routes[0];
    assert!(row.more_combinations && row.combinations.is_empty());
    assert_eq!(messages(&audit, FindingKind::UnreachableRoute), [""; 0]);
    let few = guard.audit(&tenant_of(&roles[..6])).await.unwrap();
    assert_eq!(messages(&few, FindingKind::UnreachableRoute), ["no role opens GET /many, and no three roles do"]);
}

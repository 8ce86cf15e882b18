//! A large tenant.

use std::fmt::Write as _;
use std::time::Duration;

use orgate::Guard;
use orgate::audit::{Directory as _, Members, Membership, OrganizationSettings, Tenant, TenantMember, Wanted};
use orgate::logto::LogtoManagement;
use orgate::policy::{Policy, any_of, path, resource};
use orgate::testing::{Endpoint, RoleType, TestTenant};
use orgate::time::{Clock as _, SystemClock};

use crate::support::{API, guard, handler};

const ROLES: usize = 500;
const PERMISSIONS: usize = 2000;
const ROUTES: usize = 300;

fn routes() -> Guard {
    (0..ROUTES).fold(guard(), |guard, number| {
        let scopes = (0..3).map(|next| format!("scope-{}", (number * 7 + next) % PERMISSIONS));
        let policy = if number % 2 == 0 { resource() } else { resource().in_organization(path("org")) };
        guard.get(&format!("/r{number}/{{org}}"), handler, policy.all_of(scopes))
    })
}

/// What a role grants: ten permissions.
fn granted(role: usize) -> impl Iterator<Item = String> {
    (0..10).map(move |next| format!("scope-{}", (role * 4 + next * 3) % PERMISSIONS))
}

#[tokio::test]
async fn large_tenant_is_audited_in_one_pass() {
    let mut text = String::from(r#"{"resources":[{"indicator":"https://api.example.com","scopes":["#);
    let scopes: Vec<String> = (0..PERMISSIONS).map(|number| format!("\"scope-{number}\"")).collect();
    _ = write!(text, "{}]}}],\"roles\":[", scopes.join(","));
    let roles: Vec<String> = (0..ROLES)
        .map(|number| {
            let scopes: Vec<String> = granted(number).map(|scope| format!("\"{scope}\"")).collect();
            format!(
                r#"{{"name":"role-{number}","type":"user","permissions":[{{"resource":"{API}","scopes":[{}]}}]}}"#,
                scopes.join(",")
            )
        })
        .collect();
    _ = write!(text, "{}]}}", roles.join(","));
    let tenant = Tenant::from_json(&text).unwrap();
    let guard = routes();
    let clock = SystemClock::new();
    let began = clock.now().monotonic;
    let audit = guard.audit(&tenant).await.unwrap();
    let took = clock.now().monotonic.saturating_sub(began);
    let report = audit.report();
    let cells: usize = report.routes.iter().map(|route| route.cells.len()).sum();
    let verdicts: usize = report.routes.iter().map(|route| route.verdicts.len()).sum();
    let html = report.to_html();
    println!("{cells} cells in {took:?}, {} findings, {} KiB of HTML", report.findings.len(), html.len() / 1024);
    assert_eq!(cells, ROLES * ROUTES);
    // Three rules have eight outcomes; what is judged once is not judged again.
    assert!(verdicts <= ROUTES * 10, "{verdicts}");
    assert!(report.routes.iter().all(|route| route.combinations.len() <= 40));
}

#[tokio::test]
async fn large_tenant_is_read_within_the_budget() {
    let tenant = TestTenant::start().await;
    let scopes: Vec<String> = (0..PERMISSIONS).map(|number| format!("scope-{number}")).collect();
    tenant.add_resource(API, &scopes.iter().map(String::as_str).collect::<Vec<_>>());
    for number in 0..ROLES {
        let scopes: Vec<String> = granted(number).collect();
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        tenant.add_role(&format!("role-{number}"), RoleType::User, API, &scopes);
    }
    let clock = tenant.issuer().clock();
    let (id, secret) = tenant.management_client();
    let source = LogtoManagement::builder(tenant.origin(), id, secret).clock(clock.clone()).calls_per_10_seconds(40);
    let source = source.build().unwrap();
    let turned = clock.clone();
    let turning = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            turned.advance(Duration::from_millis(250));
        }
    });
    let began = clock.now().monotonic;
    let audit = routes().audit(&source).await.unwrap();
    let took = clock.now().monotonic.saturating_sub(began);
    turning.abort();
    assert_eq!(*audit.tenant(), tenant.read(Wanted::default()).await.unwrap());
    let calls = tenant.issuer().requests(Endpoint::Management);
    println!("{calls} calls in {} s of the tenant's time", took.as_secs());
    // A page of resources, organization scopes, template and organizations; six of roles; the scopes of each role.
    assert_eq!(calls, 4 + 6 + ROLES + 1);
    // 30 in ten seconds: a quarter of 40 is left to requests.
    assert!(took >= Duration::from_secs(160), "{took:?}");
}

#[tokio::test]
async fn subject_with_roles_in_a_thousand_organizations_is_told_with_a_few_sets() {
    let mut tenant = Tenant::from_json(&format!(
        r#"{{
            "resources": [{{ "indicator": "{API}", "scopes": ["a", "b", "c", "d"] }}],
            "organization_roles": [
                {{ "name": "one", "type": "user", "permissions": [{{ "resource": "{API}", "scopes": ["a", "d"] }}] }},
                {{ "name": "two", "type": "user", "permissions": [{{ "resource": "{API}", "scopes": ["b", "d"] }}] }}
            ]
        }}"#
    ))
    .unwrap();
    let ids: Vec<String> = (0..1000).map(|number| format!("org-{number}")).collect();
    let mut alice = TenantMember::new("alice");
    alice.organizations = ids.iter().map(|id| Membership::new(id, ["one", "two"])).collect();
    tenant.organizations = ids.iter().map(OrganizationSettings::new).collect();
    let mut members = Members::default();
    members.users.push(alice);
    tenant.members = Some(members);
    let guard = guard()
        .get("/any", handler, resource().scope("d"))
        .get("/both", handler, resource().all_of(["a", "b"]))
        .get("/beyond", handler, resource().all_of(["a", "c"]).or(resource().check("late", |_| true)))
        .get("/orgs/{org}", handler, resource().in_organization(path("org")).all_of(["a", "b"]));
    let audit = guard.audit(&tenant).with_members().await.unwrap();
    for (path, roles, sets, more) in [("/any", 1, 20, true), ("/both", 2, 20, true), ("/beyond", 0, 1, false)] {
        let who = audit.who("GET", path, None).unwrap();
        let [caller] = &*who.callers else { panic!("{path}: {}", who.callers.len()) };
        assert_eq!((caller.through.len(), caller.more), (sets, more), "{path}");
        assert!(caller.through.iter().all(|set| set.len() == roles), "{path}: {:?}", caller.through);
    }
    let who = audit.who("GET", "/orgs/{org}", None).unwrap();
    assert_eq!(who.callers.len(), 1000);
    for caller in &who.callers {
        assert_eq!((caller.through.len(), caller.through[0].len(), caller.more), (1, 2, false), "{caller:?}");
        assert!(caller.through[0].iter().all(|held| held.organization == caller.organization), "{caller:?}");
    }
}

/// Four roles are needed, each of another hundred: no set of three is found, and what is told suffices.
#[tokio::test]
async fn set_that_is_too_large_to_be_searched_for_is_told_with_no_role_that_is_not_needed() {
    let scopes: Vec<String> = (0..4).flat_map(|rule| (0..100).map(move |number| format!("{rule}-{number}"))).collect();
    let roles = scopes.iter().map(|scope| {
        format!(r#"{{"name":"{scope}","type":"user","permissions":[{{"resource":"{API}","scopes":["{scope}"]}}]}}"#)
    });
    let roles: Vec<String> = roles.collect();
    let names = serde_json::to_string(&scopes).unwrap();
    let tenant = Tenant::from_json(&format!(
        r#"{{"resources":[{{"indicator":"{API}","scopes":{names}}}],"roles":[{}],
            "members":{{"users":[{{"id":"alice","roles":{names}}}]}}}}"#,
        roles.join(",")
    ))
    .unwrap();
    let rule = |rule: usize| any_of((0..100).map(move |number| format!("{rule}-{number}")));
    let policy = (0..4).fold(resource(), |policy, number| policy.and(rule(number)));
    let audit = guard().get("/a", handler, policy).audit(&tenant).with_members().await.unwrap();
    let who = audit.who("GET", "/a", None).unwrap();
    let caller = &who.callers[0];
    assert_eq!(caller.verdict.to_string(), "yes");
    assert_eq!((caller.through.len(), caller.through[0].len(), caller.more), (20, 4, true));
}

#[tokio::test]
async fn more_ways_than_are_listed_are_said_to_be_there() {
    let scopes: Vec<String> = (0..25).map(|number| format!("s{number}")).collect();
    let role = |scope: &String| {
        format!(r#"{{"name":"{scope}","type":"user","permissions":[{{"resource":"{API}","scopes":["{scope}"]}}]}}"#)
    };
    let (names, roles) = (serde_json::to_string(&scopes).unwrap(), scopes.iter().map(role).collect::<Vec<_>>());
    let tenant = Tenant::from_json(&format!(
        r#"{{"resources":[{{"indicator":"{API}","scopes":{names}}}],"roles":[{}],
            "members":{{"users":[{{"id":"alice","roles":{names}}}]}}}}"#,
        roles.join(",")
    ))
    .unwrap();
    let policy = scopes.iter().map(|name| resource().scope(name)).reduce(Policy::or).unwrap();
    let audit = guard().get("/a", handler, policy).audit(&tenant).with_members().await.unwrap();
    let who = audit.who("GET", "/a", None).unwrap();
    let caller = &who.callers[0];
    assert_eq!((caller.through.len(), caller.more), (20, true));
    assert!(caller.through.iter().all(|set| set.len() == 1));
}

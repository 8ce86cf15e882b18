//! A large tenant.

use std::fmt::Write as _;
use std::time::Duration;

use orgate::Guard;
use orgate::audit::{Directory as _, Tenant, Wanted};
use orgate::logto::LogtoManagement;
use orgate::policy::{path, resource};
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

//! What a tenant is read from: the Management API, the double, a file.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use orgate::audit::{Directory as _, Tenant, TenantFile, Wanted};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::logto::LogtoManagement;
use orgate::testing::{Endpoint, Fault, RoleType, TestClock, TestTenant};

use crate::support::{API, guard, tenant};

fn management(tenant: &TestTenant, calls: usize) -> LogtoManagement {
    let (id, secret) = tenant.management_client();
    let builder = LogtoManagement::builder(tenant.origin(), id, secret).clock(tenant.issuer().clock());
    builder.calls_per_10_seconds(calls).build().unwrap()
}

async fn populated() -> TestTenant {
    let tenant = tenant().await;
    tenant.set_default_role("support", true);
    tenant.add_just_in_time_role("acme", "auditor");
    tenant.require_mfa("globex");
    for user in ["alice", "bob", "carol"] {
        tenant.add_user(user);
    }
    tenant.suspend("carol");
    tenant.join_just_in_time("acme", "alice");
    tenant.add_member("globex", "alice");
    tenant.give_organization_role("globex", "alice", "admin");
    tenant.add_member("acme", "bob");
    tenant.add_machine("nightly");
    tenant.give_role("nightly", "robot");
    tenant.add_member("acme", "nightly");
    tenant.give_organization_role("acme", "nightly", "worker");
    // More than a page.
    for number in 0..150 {
        tenant.add_role(&format!("team-{number:03}"), RoleType::User, API, &["read:orders"]);
        let user = format!("user-{number:03}");
        tenant.add_user(&user);
        tenant.add_member("acme", &user);
    }
    tenant
}

#[tokio::test]
async fn management_api_reads_what_the_tenant_holds() {
    let tenant = populated().await;
    let source = management(&tenant, 100_000);
    for wanted in [Wanted::roles_only(), Wanted::default(), Wanted::everything()] {
        let read = source.read(wanted).await.unwrap();
        assert_eq!(read, tenant.read(wanted).await.unwrap(), "{wanted:?}");
        assert_eq!(read.members.is_some(), wanted.members);
        assert_eq!(read.organizations.len(), if wanted.organizations { 2 } else { 0 });
    }
    let read = source.read(Wanted::everything()).await.unwrap();
    assert_eq!(read.roles.len(), 153);
    let members = read.members.unwrap();
    // Every user that was added later received the default role.
    assert_eq!(members.users.iter().filter(|user| user.roles == ["support"]).count(), 153);
    let alice = members.users.iter().find(|user| user.id == "alice").unwrap();
    assert_eq!(alice.organizations[0].roles, ["auditor"]);
    assert!(members.users.iter().find(|user| user.id == "carol").unwrap().suspended);
    assert_eq!(members.machines.len(), 2, "and the management client");
    assert!(read.resources.iter().any(|resource| resource.management_api && resource.scopes == ["all"]));
}

#[tokio::test]
async fn calls_stay_within_the_budget_and_leave_a_quarter() {
    let tenant = populated().await;
    let clock = tenant.issuer().clock();
    let source = management(&tenant, 40);
    let turned = clock.clone();
    let turning = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            turned.advance(Duration::from_millis(500));
        }
    });
    let before = clock_seconds(&clock);
    let read = source.read(Wanted::everything()).await.unwrap();
    turning.abort();
    assert_eq!(read, tenant.read(Wanted::everything()).await.unwrap());
    let calls = tenant.issuer().requests(Endpoint::Management);
    // Resources, organization scopes, template, organizations: a page each. Global roles: two pages, and the scopes and the
    // holders of each one (two pages of those of the default role). In each organization: roles given just in time, users,
    // applications, and a second page of the users of one.
    assert_eq!(calls, 4 + 2 + 153 + 153 + 1 + 2 * 3 + 1);
    let windows = (clock_seconds(&clock) - before) / 10.0;
    let most = 30.0 * (windows.ceil() + 1.0);
    assert!(f64::from(u32::try_from(calls).unwrap()) <= most, "{calls} calls in {windows} windows");
}

fn clock_seconds(clock: &TestClock) -> f64 {
    use orgate::time::Clock as _;
    clock.now().monotonic.as_secs_f64()
}

#[tokio::test]
async fn source_that_fails_in_the_middle_is_an_error() {
    let tenant = tenant().await;
    for endpoint in [
        Endpoint::Roles,
        Endpoint::RoleScopes,
        Endpoint::OrganizationRoles,
        Endpoint::OrganizationScopes,
        Endpoint::Resources,
        Endpoint::Organizations,
        Endpoint::OrganizationJustInTimeRoles,
        Endpoint::RoleUsers,
        Endpoint::RoleApplications,
        Endpoint::OrganizationUsers,
        Endpoint::OrganizationApplications,
    ] {
        for fault in [Fault::Status(500), Fault::Status(404), Fault::Body("[]".into()), Fault::Reset] {
            let source = management(&tenant, 100_000);
            tenant.issuer().fail_next(endpoint, fault.clone());
            let outcome = guard().audit(&source).with_members().await;
            let error = outcome.expect_err(&format!("{endpoint:?} {fault:?}")).to_string();
            assert!(error.contains("GET /api/"), "{endpoint:?} {fault:?}: {error}");
            assert!(guard().audit(&source).with_members().await.is_ok(), "{endpoint:?}: the next reading is whole");
        }
    }
}

/// Passes requests on, and takes one member out of the lists at one path.
struct Shortening {
    client: reqwest::Client,
    path: &'static str,
}

impl Fetch for Shortening {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let is_meant = request.uri().path().ends_with(self.path);
        let sent = self.client.execute(request.try_into().unwrap());
        Box::pin(async move {
            let answer = sent.await.map_err(FetchError::new)?;
            let mut response = Response::builder().status(answer.status());
            response.headers_mut().unwrap().extend(answer.headers().clone());
            let mut body = answer.bytes().await.map_err(FetchError::new)?;
            if let Some(members) = is_meant.then(|| serde_json::from_slice::<Vec<serde_json::Value>>(&body).unwrap()) {
                body = serde_json::to_vec(&members[1..]).unwrap().into();
            }
            response.headers_mut().unwrap().remove(http::header::CONTENT_LENGTH);
            Ok(response.body(body).unwrap())
        })
    }
}

#[tokio::test]
async fn list_with_a_member_less_than_it_says_is_an_error() {
    let tenant = tenant().await;
    tenant.add_user("alice");
    tenant.give_role("alice", "support");
    tenant.add_member("acme", "alice");
    let (id, secret) = tenant.management_client();
    for path in ["/api/roles", "/scopes", "/api/organization-roles", "/api/resources", "/api/organizations", "/users"] {
        let fetch = Shortening { client: reqwest::Client::builder().no_proxy().build().unwrap(), path };
        let source = LogtoManagement::builder(tenant.origin(), &id, &secret).http_client(HttpClient::custom(fetch));
        let source = source.calls_per_10_seconds(100_000).clock(tenant.issuer().clock()).build().unwrap();
        let error = guard().audit(&source).with_members().await.expect_err(path).to_string();
        assert!(error.contains("is not whole"), "{path}: {error}");
    }
}

#[tokio::test]
async fn tenant_that_asks_to_wait_is_asked_again() {
    let tenant = populated().await;
    let clock = tenant.issuer().clock();
    let source = management(&tenant, 100_000);
    tenant.issuer().fail_next(Endpoint::RoleScopes, Fault::Status(429));
    let turning = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
    let read = source.read(Wanted::default()).await.unwrap();
    turning.abort();
    assert_eq!(read, tenant.read(Wanted::default()).await.unwrap());
}

#[tokio::test]
async fn file_is_read_back_as_it_was_written() {
    let tenant = populated().await.read(Wanted::everything()).await.unwrap();
    let path = std::env::temp_dir().join(format!("orgate-audit-{}.json", std::process::id()));
    std::fs::write(&path, serde_json::to_string(&tenant).unwrap()).unwrap();
    let read = TenantFile::new(&path).read(Wanted::everything()).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), tenant);
    let error = TenantFile::new(&path).load().unwrap_err().to_string();
    assert!(error.contains(&*path.to_string_lossy()), "{error}");
}

#[test]
fn fault_of_a_file_names_its_place() {
    let api = r#""resources":[{"indicator":"https://api.example.com","scopes":["read"]}]"#;
    for (text, expected) in [
        (r#"{"rols":[]}"#.to_owned(), "unknown field `rols`"),
        (r#"{"roles":[{"name":"a","type":"user","scopes":[]}]}"#.to_owned(), "roles[0]"),
        (r#"{"roles":[{"name":"a","type":"users"}]}"#.to_owned(), "roles[0].type"),
        (r#"{"roles":[{"name":"a"}]}"#.to_owned(), "missing field `type`"),
        (r#"{"roles":[{"name":"a","type":"user"},{"name":"a","type":"user"}]}"#.to_owned(), "role a occurs twice"),
        (r#"{"resources":[{"indicator":"x"},{"indicator":"x"}]}"#.to_owned(), "resource x occurs twice"),
        (r#"{"resources":[{"indicator":"x","scopes":["a","a"]}]}"#.to_owned(), "permission a occurs twice"),
        (
            format!(
                r#"{{{api},"roles":[{{"name":"a","type":"user","permissions":[{{"resource":"https://other","scopes":[]}}]}}]}}"#
            ),
            "no resource https://other is defined",
        ),
        (
            format!(
                r#"{{{api},"roles":[{{"name":"a","type":"user","permissions":[{{"resource":"https://api.example.com","scopes":["raed"]}}]}}]}}"#
            ),
            "role a: no permission of https://api.example.com raed is defined",
        ),
        (
            r#"{"organization_roles":[{"name":"a","type":"user","organization_permissions":["x"]}]}"#.to_owned(),
            "no organization permission x is defined",
        ),
        (
            r#"{"organizations":[{"id":"acme","just_in_time_roles":["a"]}]}"#.to_owned(),
            "organization acme: no role a is defined",
        ),
        (
            r#"{"roles":[{"name":"a","type":"machine"}],"members":{"users":[{"id":"u","roles":["a"]}]}}"#.to_owned(),
            "the role a is not for a user",
        ),
        (
            r#"{"members":{"users":[{"id":"u","organizations":[{"id":"acme"}]}]}}"#.to_owned(),
            "no organization acme is defined",
        ),
        (r#"{"members":{"users":[{"id":"u"}],"machines":[{"id":"u"}]}}"#.to_owned(), "u occurs twice"),
        (r#"{"roles":[{"name":"","type":"user"}]}"#.to_owned(), "without a name"),
        ("{} {}".to_owned(), "trailing"),
        ("[]".to_owned(), "invalid"),
        (String::new(), "EOF"),
    ] {
        let error = Tenant::from_json(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

//! Lists and their pages, memberships, clients, limits, faults and counts.

use std::time::Duration;

use orgate::testing::{Endpoint, Fault, LogtoRelease, RoleType, TestClock, TestTenant, TokenRequest};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::scenario::{API, Answer, Scenario};

fn names(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    list.as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap().to_owned()).collect()
}

fn link(headers: &HeaderMap, relation: &str) -> Option<String> {
    let relation = format!("; rel=\"{relation}\"");
    let mut links = headers.get_all("link").iter().map(|link| link.to_str().unwrap());
    let link = links.find_map(|link| link.strip_suffix(&relation))?;
    Some(link.trim_start_matches('<').trim_end_matches('>').to_owned())
}

#[tokio::test]
async fn what_joins_to_the_permissions_of_now() {
    let scenario = Scenario::start().await;
    let (acme, globex) = (scenario.org("acme"), scenario.org("globex"));
    let (alice, bob, worker) = (scenario.user("alice"), scenario.user("bob"), scenario.app("orders-worker"));

    let organizations = scenario.manage(&format!("/api/users/{alice}/organizations")).await.json();
    let organizations = organizations.as_array().unwrap();
    assert_eq!([&organizations[0]["id"], &organizations[1]["id"]], [acme, globex]);
    assert_eq!(organizations[0]["organizationRoles"][0]["name"], "admin");
    assert_eq!(organizations[0]["isMfaRequired"], false);

    let of_user = |organization: &str, user: &str| format!("/api/organizations/{organization}/users/{user}/roles");
    let roles = scenario.manage(&of_user(acme, alice)).await;
    assert_eq!((names(&roles), roles.headers.contains_key("total-number")), (vec!["admin".to_owned()], false));
    let of_machine =
        |organization: &str, id: &str| format!("/api/organizations/{organization}/applications/{id}/roles");
    let machine = scenario.manage(&of_machine(acme, worker)).await;
    assert_eq!(
        (names(&machine), &machine.headers["total-number"]),
        (vec!["machine".to_owned()], &"1".parse().unwrap())
    );
    for stranger in [of_user(globex, bob), of_user("nowhere", bob), of_user(acme, worker), of_machine(acme, alice)] {
        let answer = scenario.manage(&stranger).await;
        assert_eq!((answer.status, &*answer.code()), (422, "organization.require_membership"), "{stranger}");
    }
    assert_eq!(scenario.manage(&format!("/api/organizations/{acme}/users/{worker}/scopes")).await.text, "[]");

    // The template, and by its resources' names and ids the indicators.
    let template = scenario.manage("/api/organization-roles").await.json();
    let [admin, machine, member] = &template.as_array().unwrap()[..] else { panic!("{template}") };
    assert_eq!([&admin["type"], &machine["type"], &member["name"]], ["User", "MachineToMachine", "member"]);
    assert_eq!(member["scopes"][0]["name"], "read:members");
    assert_eq!(admin["resourceScopes"].as_array().unwrap().len(), 3);
    let resources = scenario.manage("/api/resources?includeScopes=true").await.json();
    let of_api = |key: &str, value: &Value| {
        resources.as_array().unwrap().iter().find(|found| found[key] == *value).unwrap_or_else(|| panic!("{value}"))
    };
    let orders = of_api("id", &admin["resourceScopes"][0]["resource"]["id"]);
    assert_eq!(orders["indicator"], API);
    assert_eq!(orders["scopes"].as_array().unwrap().len(), 3);
    assert!(of_api("indicator", &json!("https://default.logto.app/api"))["scopes"][0]["name"] == "all");
    assert!(scenario.manage("/api/resources").await.json()[0].get("scopes").is_none());

    // Global roles.
    for (path, role, count) in [
        (format!("/api/users/{alice}/roles"), "orders-user", 2),
        (format!("/api/applications/{worker}/roles"), "orders-machine", 4),
    ] {
        let roles = scenario.manage(&path).await;
        assert_eq!((names(&roles), &roles.headers["total-number"]), (vec![role.to_owned()], &"1".parse().unwrap()));
        let id = roles.json()[0]["id"].as_str().unwrap().to_owned();
        let scopes = scenario.manage(&format!("/api/roles/{id}/scopes")).await.json();
        assert_eq!(scopes.as_array().unwrap().len(), count);
        assert_eq!(scopes[0]["resource"]["indicator"], API);
        assert_ne!(id, role);
    }
    for unknown in ["users/x", "users/x/roles", "users/x/organizations", "applications/x/roles", "roles/x/scopes"] {
        let answer = scenario.manage(&format!("/api/{unknown}")).await;
        assert_eq!((answer.status, &*answer.code()), (404, "entity.not_found"), "{unknown}");
    }
    assert_eq!(scenario.manage("/api/users").await.status, 404);
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let scenario = Scenario::start().await;
    for number in 0..42 {
        scenario.tenant.add_organization_role(&format!("r{number:02}"), RoleType::User, &[]);
    }
    let mut found = Vec::new();
    let mut next = Some("/api/organization-roles".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = scenario.manage(&path).await;
        assert_eq!(answer.headers["total-number"], "45");
        assert!(link(&answer.headers, "first").is_some() && link(&answer.headers, "last").is_some());
        found.extend(names(&answer));
        next =
            link(&answer.headers, "next").map(|link| link.strip_prefix(scenario.tenant.origin()).unwrap().to_owned());
        pages += 1;
    }
    let mut sorted = found.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!((pages, found.len(), sorted), (3, 45, found));
    assert_eq!(names(&scenario.manage("/api/organization-roles?page=1&page_size=100").await).len(), 45);
    let answer = scenario.manage("/api/organization-roles?page_size=101").await;
    assert_eq!((answer.status, &*answer.code()), (400, "guard.invalid_pagination"));
}

#[tokio::test]
async fn clients_authenticate() {
    let scenario = Scenario::start().await;
    let (tenant, worker, web) = (&scenario.tenant, scenario.app("orders-worker"), scenario.app("orders-web"));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/oidc/token", tenant.origin());
    let form = |secret: &str| {
        [("grant_type", "client_credentials"), ("resource", API), ("client_id", worker), ("client_secret", secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let status = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap()["error"].clone())
    };
    assert_eq!(status(http.post(&url).form(&form(&tenant.secret(worker)))).await, (200, Value::Null));
    assert_eq!(status(http.post(&url).form(&form("wrong"))).await, (401, json!("invalid_client")));
    assert_eq!(status(http.post(&url)).await, (401, json!("invalid_client")));
    let wrong = http.post(format!("{url}/introspection")).basic_auth(worker, Some("wrong")).form(&[("token", "x")]);
    assert_eq!(status(wrong).await, (401, json!("invalid_client")));
    assert_eq!(http.get(&url).send().await.unwrap().status(), 405);

    let error = async |client, form: &[(&str, &str)]| {
        let answer = scenario.post("/oidc/token", client, form).await;
        (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
    };
    let is = |error: &str| (400, error.to_owned());
    let bare = [("grant_type", "client_credentials"), ("resource", API)];
    assert_eq!(error(web, &bare).await, is("unauthorized_client"));
    assert_eq!(error(worker, &[("grant_type", "password")]).await, is("unsupported_grant_type"));
    assert_eq!(error(worker, &[]).await, is("invalid_request"));
    let grant = scenario.sign_in("bob");
    let mut theirs = vec![("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token())];
    assert_eq!(error(worker, &theirs).await, is("invalid_grant"));
    theirs.push(("scope", "fly:orders"));
    assert_eq!(error(web, &theirs).await, is("invalid_scope"));
}

#[tokio::test]
async fn the_newer_release_rejects_a_jwt_at_introspection() {
    let scenario = Scenario::of(TestTenant::builder().release(LogtoRelease::V1_42).start().await);
    let token = scenario.sign_in("alice").refresh(&TokenRequest::resource(API)).unwrap();
    let answer = scenario.introspect(&token).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("unsupported_token_type")));
    assert_eq!(scenario.introspect("opaque").await.json(), json!({ "active": false }));
    assert!(scenario.get("/oidc/jwks", None).await.headers.contains_key("cache-control"));
    assert!(!Scenario::start().await.get("/oidc/jwks", None).await.headers.contains_key("cache-control"));
}

#[tokio::test]
async fn a_limit_is_the_whole_tenants_and_passes() {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let scenario = Scenario::of(TestTenant::builder().clock(clock.clone()).start().await);
    scenario.tenant.limit(3, Duration::from_secs(10));
    assert_eq!(scenario.manage("/api/resources").await.status, 200, "a token and a question");
    assert_eq!(scenario.get("/oidc/jwks", None).await.status, 200);
    clock.advance_monotonic(Duration::from_millis(2500));
    for path in ["/oidc/jwks", "/api/resources", "/oidc/.well-known/openid-configuration"] {
        let answer = scenario.get(path, None).await;
        assert_eq!((answer.status, &answer.headers["retry-after"]), (429, &"8".parse().unwrap()), "{path}");
    }
    clock.advance_monotonic(Duration::from_millis(7500));
    assert_eq!(scenario.get("/oidc/jwks", None).await.status, 200);
    scenario.tenant.unlimit();
    for _ in 0..5 {
        assert_eq!(scenario.get("/oidc/jwks", None).await.status, 200);
    }
}

#[tokio::test]
async fn every_endpoint_has_faults_and_a_count() {
    let scenario = Scenario::start().await;
    let issuer = scenario.tenant.issuer();
    let token = scenario.management_token(&[("scope", "all")]).await;
    let token = token["access_token"].as_str();
    issuer.reset_counts();
    let (acme, alice, worker) = (scenario.org("acme"), scenario.user("alice"), scenario.app("orders-worker"));
    let paths = [
        (Endpoint::User, format!("/api/users/{alice}")),
        (Endpoint::UserOrganizations, format!("/api/users/{alice}/organizations")),
        (Endpoint::UserRoles, format!("/api/users/{alice}/roles")),
        (Endpoint::ApplicationRoles, format!("/api/applications/{worker}/roles")),
        (Endpoint::OrganizationUserScopes, format!("/api/organizations/{acme}/users/{alice}/scopes")),
        (Endpoint::OrganizationUserRoles, format!("/api/organizations/{acme}/users/{alice}/roles")),
        (Endpoint::OrganizationApplicationRoles, format!("/api/organizations/{acme}/applications/{worker}/roles")),
        (Endpoint::OrganizationRoles, "/api/organization-roles".to_owned()),
        (Endpoint::Resources, "/api/resources".to_owned()),
    ];
    for (endpoint, path) in &paths {
        issuer.fail_next(*endpoint, Fault::retry_after(429, Duration::from_millis(1500)));
        let answer = scenario.get(path, token).await;
        assert_eq!((answer.status, &answer.headers["retry-after"]), (429, &"2".parse().unwrap()));
        assert_eq!(scenario.get(path, token).await.status, 200);
        assert_eq!(issuer.requests(*endpoint), 2);
    }
    assert_eq!(issuer.requests(Endpoint::Management), 18);
    assert_eq!((issuer.requests(Endpoint::Token), issuer.requests(Endpoint::All)), (0, 18));
    assert_eq!(issuer.most_in_flight(), 1);

    issuer.fail_always(Endpoint::Management, Fault::Garbage);
    issuer.fail_next(Endpoint::Introspection, Fault::Status(500));
    issuer.fail_next(Endpoint::Token, Fault::Empty);
    assert!(serde_json::from_str::<Value>(&scenario.get("/api/resources", token).await.text).is_err());
    assert_eq!(scenario.introspect("x").await.status, 500);
    let (client, _) = scenario.tenant.management_client();
    assert_eq!(scenario.post("/oidc/token", &client, &[]).await.text, "");
    issuer.recover();
    assert_eq!(scenario.manage("/api/resources").await.status, 200);

    // Held, the answer is that of the time of release.
    issuer.fail_next(Endpoint::User, Fault::Hold);
    let path = format!("/api/users/{alice}");
    let held = scenario.get(&path, token);
    let count = issuer.requests(Endpoint::User) + 1;
    let meanwhile = async {
        issuer.wait_for_requests(Endpoint::User, count).await;
        scenario.tenant.suspend(alice);
        issuer.release();
    };
    let (answer, ()) = tokio::join!(held, meanwhile);
    assert_eq!(answer.json()["isSuspended"], true);
}

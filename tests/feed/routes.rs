//! Routes that a caller asks about, and the rows of the table.

use orgate::policy::{header, organization, path, resource, scope};
use orgate::{Guard, Policy};
use serde_json::{Value, json};

use crate::support::{API, World};
use crate::world::{Api, FRESH, in_organization};

async fn may(api: &Api, token: &str, routes: &[&str]) -> Value {
    let query: Vec<String> = routes.iter().map(|route| format!("may={}", route.replace(' ', "%20"))).collect();
    let answer = api.get(&format!("/orgs/acme/permissions?{}", query.join("&")), token).await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{said}");
    said["may"].clone()
}

fn feed(world: &World, add: impl FnOnce(Guard) -> Guard) -> Api {
    let feed = orgate::feed::PermissionFeed::new(in_organization()).scopes(["read"]);
    Api::of(add(world.server.guard().permission_feed("/orgs/{org}/permissions", feed)))
}

async fn handler() {}

#[tokio::test]
async fn routes_are_judged_by_their_own_policies() {
    let world = World::start().await;
    world.script.holds("u1", &["read", "write"]);
    let of = |word: &str| organization(path("org")).scope(word);
    let api = feed(&world, |guard| {
        guard
            .get("/orgs/{org}/orders", handler, of("read"))
            .post("/orgs/{org}/orders", handler, of("write"))
            .delete("/orgs/{org}/orders/{id}", handler, of("write").fresh_within(FRESH))
            .get("/orgs/{org}/export", handler, of("export").live())
            .any("/any", handler, organization(header("x-organization")))
            .get("/products", handler, resource())
            .public("/health", axum::routing::get(handler))
            .public_router("/assets", axum::Router::new())
    });
    let token = world.organization_token("u1", "read export");
    let said = may(
        &api,
        &token,
        &[
            "GET /orgs/acme/orders",
            "HEAD /orgs/acme/orders",
            "POST /orgs/acme/orders",
            "PUT /orgs/acme/orders",
            "GET /orgs/globex/orders",
            "GET /orgs/ac%6De/orders?page=2",
            "DELETE /orgs/acme/orders/1",
            "GET /orgs/acme/export",
            "PATCH /any",
            "GET /products",
            "GET /health",
            "GET /assets/logo.svg",
            "GET /nowhere",
        ],
    );
    let expected = json!({
        "GET /orgs/acme/orders": true, "HEAD /orgs/acme/orders": true, "POST /orgs/acme/orders": false,
        "PUT /orgs/acme/orders": false, "GET /orgs/globex/orders": false, "GET /orgs/acme/orders?page=2": true,
        "DELETE /orgs/acme/orders/1": false, "GET /orgs/acme/export": false, "PATCH /any": false, "GET /products": false,
        "GET /health": true, "GET /assets/logo.svg": true, "GET /nowhere": false,
    });
    assert_eq!(said.await, expected);
    let headers = [("x-organization", "acme")];
    let answer = api.send("GET", "/orgs/acme/permissions?may=PATCH%20/any", &token, &headers).await;
    assert!(answer.body.contains("\"may\":{\"PATCH /any\":true}"), "{}", answer.body);
}

#[tokio::test]
async fn code_of_the_application_is_not_run_and_its_word_is_open() {
    let world = World::start().await;
    world.script.holds("u1", &["read", "write"]);
    let panics =
        |word: &str| organization(path("org")).scope(word).check("owner", |_| -> bool { panic!("it was run") });
    let source = orgate::policy::custom("query", |_| panic!("it was run"));
    let api = feed(&world, |guard| {
        guard
            .get("/orgs/{org}/a", handler, panics("read"))
            .get("/orgs/{org}/b", handler, panics("write"))
            .get("/orgs/{org}/c", handler, panics("read").or(organization(path("org")).scope("read")))
            .get("/d", handler, organization(source).scope("read"))
            .fallback(handler, organization(header("x")))
    });
    let token = world.organization_token("u1", "read");
    let routes = ["GET /orgs/acme/a", "GET /orgs/acme/b", "GET /orgs/acme/c", "GET /d", "GET /unknown"];
    let said = may(&api, &token, &routes).await;
    assert_eq!(
        said,
        json!({
            "GET /orgs/acme/a": null, "GET /orgs/acme/b": false, "GET /orgs/acme/c": true, "GET /d": null, "GET /unknown": null,
        })
    );
}

#[tokio::test]
async fn what_a_route_s_source_cannot_say_is_open() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let other = resource().in_organization(path("org")).scope("read").live();
    let api = feed(&world, |guard| guard.get("/api/{org}", handler, other));
    let token = world.organization_token("u1", "read");
    // A token of another model fails before anything is asked.
    assert_eq!(may(&api, &token, &["GET /api/acme"]).await, json!({ "GET /api/acme": false }));
    assert_eq!(world.script.calls(), 1);
}

#[tokio::test]
async fn questions_are_bounded_and_what_is_no_route_is_400() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let token = world.organization_token("u1", "read");
    let api = feed(&world, |guard| guard.get("/a", handler, organization(header("x"))));
    let ask = async |query: &str| api.get(&format!("/orgs/acme/permissions{query}"), &token).await;
    let many = |count: usize| (0..count).map(|number| format!("may=GET+/{number}")).collect::<Vec<_>>().join("&");
    ask(&format!("?{}", many(32))).await.is(200, "");
    // The same one again is the same one.
    ask(&format!("?{}&may=GET+/1&may=GET%20/2", many(32))).await.is(200, "");
    let long = format!("?may=GET+/{}", "a".repeat(2048));
    for query in
        [&format!("?{}", many(33)), "?may=", "?may=GET", "?may=/a", "?may=GET+a", "?may=GET+%FF", "?may=G(T+/a", &long]
    {
        let answer = ask(query).await;
        assert_eq!((answer.status, &answer.problem()["remediation"]), (400, &"fix_request".into()), "{query}");
    }
    // Without a token nothing is said about routes.
    assert_eq!(api.get("/orgs/acme/permissions?may=", "a.b.c").await.status, 401);
}

#[tokio::test]
async fn feed_has_rows_in_the_table_and_what_the_guard_requires() {
    let world = World::start().await;
    let feed = orgate::feed::PermissionFeed::new(orgate::policy::live()).scopes(["read"]);
    let guard: Guard = world
        .server
        .guard()
        .permission_feed("/orgs/{org}/permissions", feed)
        .require(resource().in_organization(path("org")).user());
    let table = guard.to_string();
    let policy: Policy = "live and resource in organization from path {org} and user".parse().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("permissions")).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows.iter().all(|row| row.starts_with("GET") && row.contains(&policy.to_string())), "{table}");
    let api = Api::of(guard);
    let path = "/orgs/acme/permissions";
    world.script.holds("u1", &["read"]);
    let token = world.issuer.organization_resource_token(API, "acme").subject("u1").scope("read").mint();
    api.get(path, &token).await.is(200, "");
    assert_eq!(api.get(path, &world.organization_token("u1", "read")).await.status, 403);
    let wrong_method = api.send("POST", path, &token, &[]).await;
    assert_eq!(wrong_method.status, 405);
}

#[tokio::test]
async fn parameter_that_the_path_lacks_is_a_fault() {
    let world = World::start().await;
    let feed = orgate::feed::PermissionFeed::new(in_organization()).scopes(["read"]);
    let guard: Guard = world.server.guard().permission_feed("/permissions", feed);
    let error = guard.into_router().unwrap_err().to_string();
    assert!(error.contains("path(\"org\")"), "{error}");
    _ = scope("read");
}

//! Routes with their policies over axum: what is reached, what is not, and what does not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::format_push_string, clippy::large_stack_arrays, reason = "small ones")]

mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{MethodFilter, any, get, post};
use orgate::policy::{header, machine, optional, organization, path, resource, scope, user};
use orgate::{AccessToken, Guard, Organization, ResourceServer};
use proptest::prelude::*;
use tower_http::cors::{Any, CorsLayer};
use web::{Answer, Api, request, serve};

async fn guarded() -> &'static str {
    "guarded"
}

async fn public() -> &'static str {
    "public"
}

async fn whose(organization: Organization) -> String {
    organization.id().to_owned()
}

/// A server that never has to fetch: no token is sent to it.
fn unfetched() -> ResourceServer {
    ResourceServer::builder("https://tenant.logto.app/oidc", web::RESOURCE).build().unwrap()
}

fn methods_of(answer: &Answer) -> Vec<&str> {
    let mut methods: Vec<&str> = answer.header("allow").unwrap_or_default().split(',').collect();
    methods.sort_unstable();
    methods
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told_to_everybody() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .get("/a", guarded, resource())
        .post("/a", guarded, resource().scope("write"))
        .put("/b/{id}", guarded, resource())
        .patch("/b/{id}", guarded, resource())
        .delete("/c", guarded, resource())
        .into_router()
        .unwrap();
    let good = api.token("");
    for token in [None, Some(good.as_str()), Some("not.a.token")] {
        for target in ["/", "/nope", "/a/", "/b", "/b/1/2", "//a"] {
            assert_eq!(api.ask(&app, "GET", target, token).await.status, 404, "{target}");
        }
        for (method, target, allowed) in [
            ("DELETE", "/a", &["GET", "HEAD", "POST"][..]),
            ("OPTIONS", "/a", &["GET", "HEAD", "POST"]),
            ("BREW", "/a", &["GET", "HEAD", "POST"]),
            ("GET", "/b/1", &["PATCH", "PUT"]),
            ("HEAD", "/c", &["DELETE"]),
        ] {
            let answer = api.ask(&app, method, target, token).await;
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(methods_of(&answer), allowed, "{method} {target}");
            assert_eq!(answer.challenge(), None);
        }
    }
    assert_eq!(api.ask(&app, "GET", "/a", Some(&good)).await.body, "guarded");
    assert_eq!(api.ask(&app, "GET", "/a", None).await.status, 401);
    assert_eq!(api.ask(&app, "POST", "/a", Some(&good)).await.status, 403);
    for (method, target) in [("PUT", "/b/1"), ("PATCH", "/b/1"), ("DELETE", "/c")] {
        assert_eq!(api.ask(&app, method, target, None).await.status, 401, "{method}");
        assert_eq!(api.ask(&app, method, target, Some(&good)).await.status, 200, "{method}");
    }
}

#[tokio::test]
async fn the_same_over_a_socket() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .get("/a", guarded, resource())
        .get("/orgs/{org}/orders", whose, resource().in_organization(path("org")))
        .public("/health", get(public))
        .into_router()
        .unwrap();
    let address = serve(app).await;
    let client = reqwest::Client::new();
    let send = async |method: &str, target: &str, token: Option<String>| {
        let request = client.request(method.parse().unwrap(), format!("http://{address}{target}"));
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let response = request.send().await.unwrap();
        let (status, allow) = (response.status().as_u16(), response.headers().get("allow").cloned());
        (status, allow, response.text().await.unwrap())
    };
    assert_eq!(send("GET", "/nope", None).await.0, 404);
    assert_eq!(send("GET", "/nope", Some(api.token(""))).await.0, 404);
    let (status, allow, _) = send("BREW", "/a", None).await;
    assert_eq!((status, allow.unwrap().to_str().unwrap()), (405, "GET,HEAD"));
    assert_eq!(send("GET", "/a", None).await.0, 401);
    assert_eq!(send("HEAD", "/a", None).await, (401, None, String::new()));
    assert_eq!(send("GET", "/a", Some(api.token(""))).await, (200, None, "guarded".to_owned()));
    assert_eq!(send("HEAD", "/a", Some(api.token(""))).await, (200, None, String::new()));
    assert_eq!(send("GET", "/health", None).await.2, "public");
    let member = Some(api.member_token("a/b", ""));
    assert_eq!(send("GET", "/orgs/a%2Fb/orders", member.clone()).await, (200, None, "a/b".to_owned()));
    assert_eq!(send("GET", "/orgs/a/orders", member).await.0, 403);
}

#[tokio::test]
async fn any_is_guarded_for_every_method() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .any("/any", guarded, resource().scope("any"))
        .get("/both", public, resource())
        .any("/both", guarded, resource().scope("any"))
        .into_router()
        .unwrap();
    let (plain, scoped) = (api.token(""), api.token("any"));
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"] {
        assert_eq!(api.ask(&app, method, "/any", None).await.status, 401, "{method}");
        assert_eq!(api.ask(&app, method, "/any", Some(&plain)).await.status, 403, "{method}");
        assert_eq!(api.ask(&app, method, "/any", Some(&scoped)).await.status, 200, "{method}");
        assert_eq!(api.ask(&app, method, "/both", None).await.status, 401, "{method}");
        let expected = if matches!(method, "GET" | "HEAD") { 200 } else { 403 };
        assert_eq!(api.ask(&app, method, "/both", Some(&plain)).await.status, expected, "{method}");
        assert_eq!(api.ask(&app, method, "/both", Some(&scoped)).await.status, 200, "{method}");
    }
    assert_eq!(api.ask(&app, "GET", "/both", Some(&scoped)).await.body, "public");
    assert_eq!(api.ask(&app, "BREW", "/both", Some(&scoped)).await.body, "guarded");
}

#[tokio::test]
async fn a_method_router_is_guarded_with_its_fallback() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .route("/fallback", get(public).fallback(guarded), resource())
        .route("/any", any(guarded).get(public), resource())
        .route("/plain", get(public).post(public), resource())
        .into_router()
        .unwrap();
    let token = api.token("");
    for method in ["GET", "HEAD", "POST", "OPTIONS", "BREW"] {
        for target in ["/fallback", "/any", "/plain"] {
            assert_eq!(api.ask(&app, method, target, None).await.status, 401, "{method} {target}");
        }
        for target in ["/fallback", "/any"] {
            assert_eq!(api.ask(&app, method, target, Some(&token)).await.status, 200, "{method} {target}");
        }
    }
    let wrong = api.ask(&app, "PUT", "/plain", Some(&token)).await;
    assert_eq!((wrong.status, methods_of(&wrong)), (405, vec!["GET", "HEAD", "POST"]));
}

/// Why the guard does not leave method routers to `route_layer`: these are open.
#[tokio::test]
async fn what_route_layer_alone_would_leave_open() {
    let api = Api::start().await;
    let layer = api.server.require(resource()).unwrap();
    let app = Router::new()
        .route("/fallback", get(public).fallback(guarded).route_layer(layer.clone()))
        .route("/any", any(guarded).get(public).route_layer(layer));
    for target in ["/fallback", "/any"] {
        assert_eq!(api.ask(&app, "GET", target, None).await.status, 401, "{target}");
        assert_eq!(api.ask(&app, "BREW", target, None).await.body, "guarded", "{target}");
    }
}

#[tokio::test]
async fn head_follows_get_unless_it_has_a_route() {
    async fn own() -> [(&'static str, &'static str); 1] {
        [("x-own", "yes")]
    }
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .get("/get", guarded, resource())
        .get("/own", guarded, resource())
        .on("/own", MethodFilter::HEAD, own, resource().scope("head"))
        .into_router()
        .unwrap();
    let (plain, scoped) = (api.token(""), api.token("head"));
    for target in ["/get", "/own"] {
        let refused = api.ask(&app, "HEAD", target, None).await;
        assert_eq!((refused.status, refused.body.as_str()), (401, ""), "{target}");
        assert!(refused.challenge().is_some());
    }
    let answer = api.ask(&app, "HEAD", "/get", Some(&plain)).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("content-length")), (200, "", Some("7")));
    assert_eq!(api.ask(&app, "HEAD", "/own", Some(&plain)).await.status, 403);
    assert_eq!(api.ask(&app, "HEAD", "/own", Some(&scoped)).await.header("x-own"), Some("yes"));
    assert_eq!(api.ask(&app, "GET", "/own", Some(&plain)).await.body, "guarded");
}

#[tokio::test]
async fn one_path_many_methods_and_policies() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .get("/orders", guarded, resource().scope("read"))
        .post("/orders", guarded, resource().scope("write"))
        .on("/orders", MethodFilter::PUT.or(MethodFilter::PATCH), guarded, resource().scope("edit"))
        .public_on("/orders", MethodFilter::OPTIONS, public)
        .into_router()
        .unwrap();
    for (scope, passing) in [("read", &["GET", "HEAD"][..]), ("write", &["POST"]), ("edit", &["PUT", "PATCH"])] {
        let token = api.token(scope);
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH"] {
            let expected = if passing.contains(&method) { 200 } else { 403 };
            assert_eq!(api.ask(&app, method, "/orders", Some(&token)).await.status, expected, "{scope} {method}");
            assert_eq!(api.ask(&app, method, "/orders", None).await.status, 401, "{method}");
        }
    }
    assert_eq!(api.ask(&app, "OPTIONS", "/orders", None).await.body, "public");
    let wrong = api.ask(&app, "DELETE", "/orders", None).await;
    assert_eq!((wrong.status, methods_of(&wrong)), (405, vec!["GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]));
}

#[tokio::test]
async fn guards_in_guards() {
    async fn both(organization: Organization, Path((org, id)): Path<(String, u32)>) -> String {
        format!("{} {org} {id}", organization.id())
    }
    let api = Api::start().await;
    let orders = api.server.guard().get("/", whose, resource().in_organization(path("org"))).get(
        "/{id}",
        both,
        resource().in_organization(path("org")),
    );
    let organizations = api.server.guard().nest("/{org}", api.server.guard().nest("/orders", orders));
    let app = api
        .server
        .guard()
        .nest("/orgs", organizations)
        .merge(api.server.guard().get("/merged", guarded, resource()))
        .into_router()
        .unwrap();
    let token = api.member_token("acme", "");
    assert_eq!(api.ask(&app, "GET", "/orgs/acme/orders", Some(&token)).await.body, "acme");
    assert_eq!(api.ask(&app, "GET", "/orgs/acme/orders/7", Some(&token)).await.body, "acme acme 7");
    assert_eq!(api.ask(&app, "GET", "/orgs/other/orders", Some(&token)).await.status, 403);
    assert_eq!(api.ask(&app, "GET", "/orgs/other/orders/7", Some(&token)).await.status, 403);
    assert_eq!(api.ask(&app, "GET", "/orgs/acme/orders/7", None).await.status, 401);
    assert_eq!(api.ask(&app, "GET", "/orgs/acme", Some(&token)).await.status, 404);
    assert_eq!(api.ask(&app, "GET", "/merged", None).await.status, 401);
    assert_eq!(api.ask(&app, "GET", "/merged", Some(&api.token(""))).await.status, 200);
}

#[tokio::test]
async fn with_reaches_every_route_and_no_open_one() {
    let api = Api::start().await;
    let inner = api.server.guard().get("/nested", guarded, resource()).require(scope("inner"));
    let merged = api.server.guard().get("/merged", guarded, resource());
    let app = api
        .server
        .guard()
        .get("/before", guarded, resource())
        .require(machine())
        .require(scope("outer"))
        .get("/after", guarded, resource())
        .any("/any", guarded, resource())
        .route("/route", get(guarded), resource())
        .merge(merged)
        .nest("/in", inner)
        .fallback(guarded, resource())
        .public("/open", get(public))
        .public_on("/public_on", MethodFilter::GET, public)
        .public_router("/router", Router::new().route("/x", get(public)))
        .into_router()
        .unwrap();
    let machine = |scope: &str| api.issuer.resource_token(web::RESOURCE).machine("m").scope(scope).mint();
    let user = api.token("outer inner");
    for target in ["/before", "/after", "/any", "/route", "/merged", "/in/nested", "/unknown"] {
        assert_eq!(api.ask(&app, "GET", target, None).await.status, 401, "{target}");
        assert_eq!(api.ask(&app, "GET", target, Some(&user)).await.status, 403, "{target}");
        assert_eq!(api.ask(&app, "GET", target, Some(&machine("inner"))).await.status, 403, "{target}");
        assert_eq!(api.ask(&app, "GET", target, Some(&machine("outer inner"))).await.status, 200, "{target}");
        // What `with` said inside stays inside.
        let expected = if target == "/in/nested" { 403 } else { 200 };
        assert_eq!(api.ask(&app, "GET", target, Some(&machine("outer"))).await.status, expected, "{target}");
    }
    for target in ["/open", "/public_on", "/router/x"] {
        for token in [None, Some("bad.token.here"), Some(user.as_str())] {
            assert_eq!(api.ask(&app, "GET", target, token).await.body, "public", "{target}");
        }
    }
}

#[tokio::test]
async fn state_is_given_after_the_guard() {
    async fn name(State(name): State<Arc<str>>, token: AccessToken) -> String {
        format!("{name} {}", token.subject())
    }
    async fn open_name(State(name): State<Arc<str>>) -> String {
        name.to_string()
    }
    let api = Api::start().await;
    let guard: Guard<Arc<str>> = api
        .server
        .guard()
        .get("/name", name, resource())
        .public_router("/open", Router::new().route("/name", get(open_name)))
        .fallback(name, resource());
    let app: Router = guard.into_router().unwrap().with_state(Arc::from("state"));
    let token = api.token("");
    assert_eq!(api.ask(&app, "GET", "/name", Some(&token)).await.body, "state user_1");
    assert_eq!(api.ask(&app, "GET", "/name", None).await.status, 401);
    assert_eq!(api.ask(&app, "GET", "/elsewhere", Some(&token)).await.body, "state user_1");
    assert_eq!(api.ask(&app, "GET", "/open/name", None).await.body, "state");
}

#[tokio::test]
async fn fallbacks_are_guarded_or_said_to_be_open() {
    let api = Api::start().await;
    let closed =
        api.server.guard().get("/a", guarded, resource()).fallback(guarded, resource().scope("rest")).into_router();
    let closed = closed.unwrap();
    for (method, target) in [("GET", "/"), ("GET", "/x/y"), ("BREW", "/x"), ("GET", "//"), ("OPTIONS", "*")] {
        assert_eq!(api.ask(&closed, method, target, None).await.status, 401, "{method} {target}");
        assert_eq!(api.ask(&closed, method, target, Some(&api.token(""))).await.status, 403, "{method} {target}");
        assert_eq!(api.ask(&closed, method, target, Some(&api.token("rest"))).await.status, 200, "{method} {target}");
    }
    assert_eq!(api.ask(&closed, "CONNECT", "elsewhere:443", None).await.status, 401);
    assert_eq!(api.ask(&closed, "DELETE", "/a", None).await.status, 405);
    let open = api.server.guard().get("/a", guarded, resource()).public_fallback(public).into_router().unwrap();
    assert_eq!(api.ask(&open, "BREW", "/x/y", None).await.body, "public");
    assert_eq!(api.ask(&open, "GET", "/a", None).await.status, 401);
}

#[tokio::test]
async fn an_open_router_keeps_to_its_prefix() {
    let api = Api::start().await;
    let open = Router::new().route("/", get(public)).route("/x", get(public));
    let app = api
        .server
        .guard()
        .get("/{any}/x", guarded, resource())
        .public_router("/with", open.clone().fallback(public))
        .public_router("/without", open)
        .fallback(guarded, resource())
        .into_router()
        .unwrap();
    for target in ["/with", "/with/x", "/with/nope", "/without", "/without/x"] {
        assert_eq!(api.ask(&app, "GET", target, None).await.body, "public", "{target}");
    }
    for target in ["/without/nope", "/withx", "/withx/x", "/other/x", "/with%2Fx", "//with/x", "/"] {
        assert_eq!(api.ask(&app, "GET", target, None).await.status, 401, "{target}");
    }
}

#[test]
fn the_route_table_is_printed() {
    let server = ResourceServer::builder("https://tenant.logto.app/oidc", web::RESOURCE)
        .resource("https://api.example.com/billing")
        .build()
        .unwrap();
    let billing = server
        .guard()
        .get("/", guarded, orgate::policy::resource_at("https://api.example.com/billing"))
        .require(user());
    let guard: Guard = server
        .guard()
        .get("/products", guarded, resource().scope("read:products"))
        .post("/orgs/{org}/members", guarded, organization(path("org")).scope("invite:member").hide_organization())
        .get("/orgs/{org}/orders", guarded, resource().in_organization(path("org")).all_of(["a", "b"]))
        .on("/mixed", MethodFilter::PUT.or(MethodFilter::PATCH), guarded, optional(resource()).check("mine", |_| true))
        .any("/mixed", guarded, resource().or(organization(header("X-Org"))))
        .nest("/billing", billing)
        .public("/health", get(public))
        .public_on("/hook", MethodFilter::POST, public)
        .public_router("/docs", Router::new())
        .require(scope("all"))
        .fallback(guarded, resource());
    let expected = "\
GET        /products            resource and scope read:products and scope \"all\"
POST       /orgs/{org}/members  hidden organization from path {org} and scope invite:member and scope \"all\"
GET        /orgs/{org}/orders   resource in organization from path {org} and all of [a b] and scope \"all\"
PUT,PATCH  /mixed               optional resource and check \"mine\" and scope \"all\"
*          /mixed               (resource or organization from header x-org) and scope \"all\"
GET        /billing             resource https://api.example.com/billing and user and scope \"all\"
*          /health              public
POST       /hook                public
*          /docs/**             public router
*          (fallback)           resource and scope \"all\"
";
    assert_eq!(guard.to_string(), expected);
    let routes = serde_json::to_value(guard.routes()).unwrap();
    let clause = &routes[1]["access"]["policy"]["clauses"][0];
    assert_eq!(routes[1]["methods"], serde_json::json!(["POST"]));
    assert_eq!(routes[1]["path"], "/orgs/{org}/members");
    assert_eq!(routes[1]["access"]["policy"]["hidden"], true);
    let model = serde_json::json!({ "kind": "organization", "source": { "path": "org" } });
    assert_eq!((&clause["model"], &clause["scopes"][1]["all"][0]), (&model, &serde_json::json!("all")));
    assert_eq!(routes[6]["access"], "public");
    assert_eq!((&routes[8]["access"], &routes[9]["path"]), (&"public_router".into(), &serde_json::Value::Null));
    assert!(guard.into_router().is_ok());
    let open: Guard = server.guard().public_fallback(public);
    assert_eq!(open.to_string(), "*  (fallback)  public\n");
}

#[test]
fn what_cannot_stand_is_said_with_its_value() {
    let server = unfetched();
    let guard = || server.guard::<()>();
    let at = |path: &str| guard().get(path, guarded, resource());
    let routes = || Router::new().route("/x", get(public));
    let in_org = || organization(path("org"));
    for (number, (guard, expected)) in [
        (guard().get("/a", guarded, resource().scope("not one")), &["/a", "\"not one\""][..]),
        (guard().get("/a", guarded, scope("a")), &["/a", "scope a", "what the token is for"]),
        (guard().fallback(guarded, resource().scope("")), &["fallback", "\"\""]),
        (at("/a").require(organization(header("x"))), &["/a", "resource", "organization from header x"]),
        (guard().get("/orgs/{id}", guarded, in_org()), &["/orgs/{id}", "\"org\""]),
        (guard().get("/orgs/{{org}}", guarded, in_org()), &["/orgs/{{org}}", "\"org\""]),
        (guard().fallback(guarded, in_org()), &["fallback", "\"org\""]),
        (guard().nest("/{org}", guard().get("/{org}", guarded, in_org())), &["/{org}/{org}", "twice"]),
        (at("/{org}/a/{*org}"), &["/{org}/a/{*org}", "twice"]),
        (at("/a").get("/a", guarded, resource()), &["/a", "GET"]),
        (at("/a").on("/a", MethodFilter::GET.or(MethodFilter::POST), guarded, resource()), &["/a", "GET and GET,POST"]),
        (at("/a").nest("/a", at("/")), &["/a", "GET"]),
        (at("/a").merge(at("/a")), &["/a", "GET"]),
        (at("/a").public("/a", post(public)), &["/a", "GET and *"]),
        (at("/a").public_on("/a", MethodFilter::GET, public), &["/a", "GET"]),
        (guard().any("/a", guarded, resource()).any("/a", guarded, resource()), &["/a", "* and *"]),
        (guard().any("/a", guarded, resource()).route("/a", post(guarded), resource()), &["/a", "* and *"]),
        (at("/a/{x}").post("/a/{y}", guarded, resource()), &["/a/{y}"]),
        (at("/a/{*x}").get("/a/{y}", guarded, resource()), &["/a/{y}"]),
        (at("/:x"), &["/:x", "{name}"]),
        (at("/*x"), &["/*x", "{*name}"]),
        (at("a"), &["\"a\"", "slash"]),
        (at(""), &["\"\"", "slash"]),
        (at("/{x"), &["/{x"]),
        (at("/{}"), &["/{}"]),
        (at("/{a}{b}"), &["/{a}{b}"]),
        (at("/{*a}/b"), &["/{*a}/b"]),
        (guard().nest("", at("/a")), &["\"\""]),
        (guard().nest("/", at("/a")), &["\"/\"", "merge"]),
        (guard().nest("a", at("/a")), &["\"a\""]),
        (guard().nest("/a/", at("/a")), &["\"/a/\""]),
        (guard().nest("/{*a}", at("/a")), &["/{*a}"]),
        (guard().nest("/:a", at("/a")), &["/:a"]),
        (guard().public_router("/", routes()), &["\"/\""]),
        (guard().public_router("a", routes()), &["\"a\""]),
        (guard().public_router("/{*a}", routes()), &["/{*a}"]),
        (guard().public_router("/{a", routes()), &["/{a"]),
        (guard().fallback(guarded, resource()).fallback(guarded, resource()), &["more than one fallback"]),
        (guard().fallback(guarded, resource()).public_fallback(public), &["more than one fallback"]),
        (
            guard().fallback(guarded, resource()).merge(guard().fallback(guarded, resource())),
            &["more than one fallback"],
        ),
        (guard().nest("/a", guard().fallback(guarded, resource())), &["\"/a\"", "fallback"]),
        (at("/open/mine").public_router("/open", routes()), &["/open/mine", "\"/open\""]),
        (at("/open").public_router("/open", routes()), &["\"/open\""]),
        (at("/a/{mine}/x").public_router("/a/{open}", routes()), &["/a/{mine}/x", "\"/a/{open}\""]),
        (guard().public_router("/{open}", routes()), &["\"/{open}\"", "begins with a parameter"]),
        (
            guard().nest("/{org}", guard().public_router("/open", routes())),
            &["\"/{org}/open\"", "begins with a parameter"],
        ),
        (guard().public_router("/open", routes()).public_router("/open/more", routes()), &["/open/more", "\"/open\""]),
        (guard().public_router("/open", routes()).public_router("/open", routes()), &["\"/open\""]),
        (guard().nest("/a", guard().public_router("/open", routes())).merge(at("/a/open/b")), &["/a/open/b"]),
    ]
    .into_iter()
    .enumerate()
    {
        let error = guard.into_router().expect_err(&format!("number {number}: {expected:?}")).to_string();
        for part in expected {
            assert!(error.contains(part), "number {number}: {error:?} should say {part}");
        }
    }
}

#[tokio::test]
async fn cors_outside_answers_preflights() {
    let api = Api::start().await;
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([http::Method::GET])
        .allow_headers([http::header::AUTHORIZATION])
        .expose_headers([http::header::WWW_AUTHENTICATE, http::header::RETRY_AFTER]);
    let app = api.server.guard().any("/a", guarded, resource()).into_router().unwrap().layer(cors);
    let mut preflight = request("OPTIONS", "/a", None);
    preflight.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    preflight.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    let answer = api.send(&app, preflight).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
    let mut bare = request("GET", "/a", None);
    bare.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    let answer = api.send(&app, bare).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.challenge(), Some("Bearer realm=\"https://api.example.com\""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("www-authenticate,retry-after"));
}

/// What is added behind the guard's back is outside: the reason why its documentation says so.
#[tokio::test]
async fn what_is_added_afterwards_is_open() {
    let api = Api::start().await;
    let app = api.server.guard().get("/a", guarded, resource()).into_router().unwrap().route("/late", get(public));
    assert_eq!(api.ask(&app, "GET", "/late", None).await.body, "public");
    assert_eq!(api.ask(&app, "GET", "/a", None).await.status, 401);
}

/// A step in the making of a guard.
#[derive(Clone, Debug)]
enum Step {
    Verb(String, MethodFilter),
    Any(String),
    Route(String),
    Open(String),
    OpenOn(String, MethodFilter),
    PublicRouter(String, u8),
    Fallback,
    OpenFallback,
    With,
    Merge(Vec<Self>),
    Nest(String, Vec<Self>),
}

fn any_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/a", "/b", "/{a}", "/{b}", "/{*a}", "/{*b}", "a", "{", "}", "{a}", "{{", "}}", ":", "*", ".", "%2f",
    ]);
    let wild = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
    let tame = prop::collection::vec(prop::sample::select(vec!["/a", "/b", "/{a}", "/{b}", "/{*c}"]), 1..4);
    prop_oneof![1 => wild, 3 => tame.prop_map(|pieces| pieces.concat())]
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let filter = || {
        prop::sample::select(vec![
            MethodFilter::GET,
            MethodFilter::HEAD,
            MethodFilter::POST,
            MethodFilter::GET.or(MethodFilter::HEAD),
            MethodFilter::CONNECT,
        ])
    };
    let leaf = prop_oneof![
        4 => (any_path(), filter()).prop_map(|(path, filter)| Step::Verb(path, filter)),
        1 => any_path().prop_map(Step::Any),
        1 => any_path().prop_map(Step::Route),
        1 => any_path().prop_map(Step::Open),
        1 => (any_path(), filter()).prop_map(|(path, filter)| Step::OpenOn(path, filter)),
        3 => (any_path(), 0..6_u8).prop_map(|(prefix, which)| Step::PublicRouter(prefix, which)),
        1 => Just(Step::Fallback),
        1 => Just(Step::OpenFallback),
        1 => Just(Step::With),
    ];
    let step = leaf.prop_recursive(3, 12, 4, move |inner| {
        let steps = prop::collection::vec(inner, 1..4);
        prop_oneof![
            steps.clone().prop_map(Step::Merge),
            (any_path(), steps).prop_map(|(prefix, steps)| Step::Nest(prefix, steps)),
        ]
    });
    prop::collection::vec(step, 1..5)
}

fn public_router(which: u8) -> Router {
    match which {
        0 => Router::new(),
        1 => Router::new().route("/", get(public)),
        2 => Router::new().route("/a", get(public)).route("/{x}/b", get(public)),
        3 => Router::new().route("/{*rest}", get(public)),
        4 => Router::new().fallback(public),
        _ => Router::new().nest_service("/a", Router::new().route("/b", get(public)).fallback(public)),
    }
}

fn build(server: &ResourceServer, steps: &[Step]) -> Guard {
    steps.iter().fold(server.guard(), |guard, step| match step {
        Step::Verb(path, filter) => guard.on(path, *filter, guarded, resource()),
        Step::Any(path) => guard.any(path, guarded, resource()),
        Step::Route(path) => guard.route(path, get(guarded).fallback(guarded), resource()),
        Step::Open(path) => guard.public(path, get(public)),
        Step::OpenOn(path, filter) => guard.public_on(path, *filter, public),
        Step::PublicRouter(prefix, which) => guard.public_router(prefix, public_router(*which)),
        Step::Fallback => guard.fallback(guarded, resource()),
        Step::OpenFallback => guard.public_fallback(public),
        Step::With => guard.require(user()),
        Step::Merge(steps) => guard.merge(build(server, steps)),
        Step::Nest(prefix, steps) => guard.nest(prefix, build(server, steps)),
    })
}

/// Whatever is put into a guard, it is a router or an error, and no handler behind a policy is reached without a token.
#[test]
fn any_guard_starts_or_says_why_not_and_is_closed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = unfetched();
    let (routers, refused, public_answers) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    let raw = prop::collection::vec(prop::sample::select(vec!["/a", "/b", "/", "/x", "%2f", "."]), 1..4);
    let requests = prop::collection::vec((raw, prop::sample::select(vec!["GET", "HEAD", "POST", "BREW"])), 8);
    proptest!(config, |(steps in any_steps(), requests in requests)| {
        let guard = build(&server, &steps);
        let table = guard.to_string();
        let Ok(app) = guard.into_router() else { return Ok(()) };
        routers.fetch_add(1, Ordering::Relaxed);
        for (raw, method) in requests {
            let target = format!("/{}", raw.concat().trim_start_matches('/'));
            let response = runtime.block_on(tower::ServiceExt::oneshot(app.clone(), request(method, &target, None))).unwrap();
            let status = response.status().as_u16();
            let body = runtime.block_on(axum::body::to_bytes(response.into_body(), 1 << 16)).unwrap();
            prop_assert_ne!(&body[..], b"guarded", "{} {} in\n{}", method, target, table);
            prop_assert!(matches!(status, 200 | 401 | 404 | 405), "{} {} {} in\n{}", status, method, target, table);
            refused.fetch_add(usize::from(status == 401), Ordering::Relaxed);
            public_answers.fetch_add(usize::from(status == 200), Ordering::Relaxed);
        }
    });
    // The cases are worth something: many guards stand, and both kinds of route are met.
    let counts = [routers, refused, public_answers].map(AtomicUsize::into_inner);
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

/// One segment, written in one of the many ways that decode to the same.
fn encoded(id: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut text = String::new();
    for byte in id.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte);
        match choices.next().copied().unwrap_or_default() % 3 {
            0 if plain => text.push(char::from(byte)),
            1 => text.push_str(&format!("%{byte:02x}")),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The id that the policy judged is the id that the handler reads, however the path is written.
#[test]
fn policy_and_handler_read_the_same_id() {
    async fn compare(organization: Organization, Path(read): Path<String>) -> String {
        assert_eq!(organization.id(), read);
        "ran".to_owned()
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(Api::start());
    let policy = || resource().in_organization(path("org"));
    let nested = api.server.guard().get("/deep/{org}", compare, policy());
    let app = api
        .server
        .guard()
        .get("/orgs/{org}", compare, policy())
        .get("/orgs/{org}/orders", compare, policy())
        .get("/all/{*org}", compare, policy())
        .nest("/nest", nested)
        .into_router()
        .unwrap();
    let (ran, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let id = prop_oneof!["[a-c]{1,3}", "[a/%.+ ?#;é{}]{1,4}", "(\\.|\\.\\.|%2f|%252f|a/\\.\\./b)"];
    let around = prop::sample::select(vec![
        ("/orgs/", ""),
        ("/orgs/", "/orders"),
        ("/all/", ""),
        ("/nest/deep/", ""),
        ("/orgs/", "/"),
        ("//orgs/", ""),
        ("/orgs//", ""),
        ("/orgs/./", ""),
        ("/orgs/x/../", ""),
        ("/orgs/x%2f..%2f", ""),
        ("/all/x/", ""),
        ("/orgs/", "?org=x"),
        ("/%6frgs/", ""),
        ("/orgs/", "%00"),
        ("/orgs/", "%ff"),
        ("/orgs/", ";a"),
        ("/all//", ""),
    ]);
    proptest!(config, |(id in id, choices in prop::collection::vec(prop::num::u8::ANY, 8), (before, after) in around)| {
        let target = format!("{before}{}{after}", encoded(&id, &choices));
        let token = api.member_token(&id, "");
        let answer = runtime.block_on(api.ask(&app, "GET", &target, Some(&token)));
        prop_assert!(matches!(answer.status, 200 | 403 | 404), "{}: {:?}", target, answer);
        let simple = matches!((before, after), ("/orgs/", "" | "/orders" | "?org=x") | ("/all/" | "/nest/deep/", ""));
        prop_assert!(!simple || answer.body == "ran", "{}: {:?}", target, answer);
        ran.fetch_add(usize::from(answer.body == "ran"), Ordering::Relaxed);
        refused.fetch_add(usize::from(answer.status == 403), Ordering::Relaxed);
    });
    let counts = [ran, refused].map(AtomicUsize::into_inner);
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

#[tokio::test]
async fn a_method_router_in_place_of_a_handler_is_a_configuration_error() {
    let api = Api::start().await;
    let guard = || api.server.guard::<()>();
    for (name, wrong) in [
        ("post", guard().post("/x", get(guarded), resource())),
        ("on", guard().on("/x", MethodFilter::PUT, get(guarded), resource())),
        ("any", guard().any("/x", get(guarded), resource())),
        ("public_on", guard().public_on("/x", MethodFilter::PUT, get(guarded))),
        ("nested", guard().nest("/y", guard().post("/x", get(guarded), resource()))),
        ("fallback", guard().fallback(get(guarded), resource())),
        ("public_fallback", guard().public_fallback(get(guarded))),
    ] {
        let error = wrong.into_router().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("a method router, such as get(..) makes"), "{name}: {error}");
    }
    assert!(guard().route("/x", get(guarded), resource()).into_router().is_ok());
}

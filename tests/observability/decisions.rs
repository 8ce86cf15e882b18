//! Decisions as metrics.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Method, Request, Response};
use orgate::engine::{Observer, Record};
use orgate::future::BoxFuture;
use orgate::mcp::{RequestBody, Tools};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{organization, path, resource};
use orgate::testing::TestIssuer;
use orgate::{Guard, Issuer, ResourceServer};
use serde_json::json;
use tower::{ServiceExt as _, service_fn};

use crate::scrape::{Prometheus, recorded};
use crate::web::{Api, RESOURCE, request};

const DECISIONS: &str = "orgate_decisions_total";

fn app(api: &Api) -> Router {
    let guard = api.server.guard();
    let guard = guard.get("/orders/{id}", async || "order", resource().scope("read:orders"));
    guard.any("/users", async || "users", resource().scope("read:users")).into_router().unwrap()
}

fn counted(prometheus: &Prometheus) -> Vec<(Vec<String>, f64)> {
    prometheus.all(DECISIONS).into_iter().filter(|(_, count)| *count > 0.0).collect()
}

fn line(route: &str, outcome: &str, kind: &str, count: f64) -> (Vec<String>, f64) {
    ([route, outcome, kind, "none"].map(str::to_owned).into(), count)
}

#[test]
fn decisions_are_counted_by_route_outcome_and_kind() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let app = app(&api);
        let token = api.token("read:orders");
        for (target, token, status) in [
            ("/orders/7", Some(&token), 200),
            ("/orders/7", Some(&token), 200),
            ("/orders/8", Some(&token), 200),
            ("/users", Some(&token), 403),
            ("/users", Some(&token), 403),
            ("/users", None, 401),
            ("/nothing/here", Some(&token), 404),
        ] {
            assert_eq!(api.ask(&app, "GET", target, token.map(String::as_str)).await.status, status, "{target}");
        }
        let forged = api.issuer.resource_token(RESOURCE).forged().mint();
        assert_eq!(api.ask(&app, "GET", "/orders/7", Some(&forged)).await.status, 401);
        assert_eq!(
            counted(&prometheus),
            [
                line("/orders/{id}", "allow", "none", 3.0),
                line("/orders/{id}", "deny", "invalid_token", 1.0),
                line("/users", "deny", "insufficient_scope", 2.0),
                line("/users", "deny", "missing_token", 1.0),
            ]
        );
        // The first request verified the token, the forged one was checked, and the others knew theirs.
        assert_eq!(prometheus.value("orgate_token_cache_misses_total", &[]), 2.0);
        assert_eq!(prometheus.value("orgate_token_cache_hits_total", &[]), 4.0);
        // Those that checked a signature or waited for keys, and no others.
        let took = |outcome| prometheus.value("orgate_decision_duration_seconds_count", &[("outcome", outcome)]);
        assert_eq!((took("allow"), took("deny"), took("undecided")), (1.0, 1.0, 0.0));
        assert_eq!(prometheus.value("orgate_wait_duration_seconds_count", &[("for", "key")]), 1.0);
    });
}

/// The organizations of the records.
#[derive(Clone, Default)]
struct Organizations(Arc<Mutex<Vec<Option<String>>>>);

impl Observer for Organizations {
    fn decided(&self, record: &Record<'_>) {
        let organization = record.organization().map(|organization| organization.id().to_owned());
        self.0.lock().unwrap().push(organization);
    }
}

/// Everybody is a member of `acme`, and holds `read` there.
struct Members;

impl PermissionSource for Members {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let scopes = BTreeSet::from(["read".into()]);
        Box::pin(std::future::ready(Ok(Permissions::of_memberships([("acme", Arc::new(scopes))]))))
    }
}

#[tokio::test]
async fn record_of_a_denied_request_has_its_organization_unless_only_the_request_names_it() {
    let (issuer, seen) = (TestIssuer::start().await, Organizations::default());
    let entry = Issuer::new(issuer.url()).permissions(Members);
    let builder = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).observer(seen.clone());
    let server = builder.build().unwrap();
    let own = || organization(path("org")).scope("write");
    let member = || resource().for_member_of(path("org")).live();
    let guard = server.guard().get("/own/{org}", async || "", own());
    let guard = guard.get("/hidden/{org}", async || "", own().hide_organization());
    let guard = guard.get("/either/{org}", async || "", resource().scope("all").or(own()));
    let guard = guard.get("/api/{org}", async || "", resource().in_organization(path("org")).check("never", |_| false));
    let guard = guard.get("/about/{org}", async || "", resource().scope("support").about(path("org")));
    let guard = guard.get("/member/{org}", async || "", member().scope("write"));
    let guard = guard.get("/member-user/{org}", async || "", member().machine());
    let app = guard.into_router().unwrap();
    let own = issuer.organization_token("acme").scope("read").mint();
    let api = issuer.organization_resource_token(RESOURCE, "acme").subject("u1").mint();
    let plain = issuer.resource_token(RESOURCE).subject("u1").scope("read write").mint();
    for (target, token, status, organization) in [
        ("/own/acme", &own, 403, Some("acme")),
        ("/own/globex", &own, 403, None),
        ("/own/acme", &plain, 403, None),
        ("/hidden/acme", &own, 403, Some("acme")),
        ("/hidden/globex", &own, 404, None),
        ("/either/acme", &own, 403, Some("acme")),
        ("/api/acme", &api, 403, Some("acme")),
        ("/api/globex", &api, 403, None),
        ("/about/acme", &plain, 403, Some("acme")),
        // A member, by the word of the source, who lacks a scope there.
        ("/member/acme", &plain, 403, Some("acme")),
        ("/member/globex", &plain, 403, None),
        // The source was not asked yet: the token alone can say it.
        ("/member-user/acme", &plain, 403, None),
        ("/member-user/acme", &api, 403, Some("acme")),
        ("/member-user/globex", &api, 403, None),
    ] {
        let answer = app.clone().oneshot(request("GET", target, Some(token))).await.unwrap();
        assert_eq!(answer.status(), status, "{target}");
        assert_eq!(seen.0.lock().unwrap().pop().unwrap().as_deref(), organization, "{target}");
    }
}

#[test]
fn what_a_shadow_policy_says_is_counted_with_the_decision_that_was_made() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let shadow = || resource().scope("b");
        let guard = api.server.guard().get("/beside", async || "here", resource().scope("a").shadow(shadow()));
        let guard = guard.get("/only", async || "here", shadow().dangerous_shadow_only());
        let app = guard.into_router().unwrap();
        for (target, scope, status) in [
            ("/beside", "a b", 200),
            ("/beside", "a", 200),
            ("/beside", "a", 200),
            ("/beside", "b", 403),
            ("/only", "b", 200),
            ("/only", "a", 200),
        ] {
            assert_eq!(api.ask(&app, "GET", target, Some(&api.token(scope))).await.status, status, "{target} {scope}");
        }
        let line = |route: &str, outcome: &str, kind: &str, shadow: &str, count: f64| {
            ([route, outcome, kind, shadow].map(str::to_owned).to_vec(), count)
        };
        assert_eq!(
            counted(&prometheus),
            [
                line("/beside", "allow", "none", "same", 1.0),
                line("/beside", "allow", "none", "would_deny", 2.0),
                line("/beside", "deny", "insufficient_scope", "would_allow", 1.0),
                line("/only", "allow", "none", "same", 1.0),
                line("/only", "allow", "none", "would_deny", 1.0),
            ]
        );
    });
}

#[test]
fn calls_of_an_mcp_server_are_counted_by_the_names_of_its_policies() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let service =
            service_fn(async |_: Request<RequestBody<Body>>| Ok::<_, Infallible>(Response::new(Body::empty())));
        let scoped = |scope: &str| resource().scope(scope);
        let tools = Tools::new(scoped("a")).tool("whoami", scoped("a")).tool("delete_all", scoped("b"));
        let guard: Guard = api.server.guard().mcp("/mcp", service, tools);
        let app = guard.into_router().unwrap();
        let token = api.token("a");
        let ask = async |method: &str, tool: &str| {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": tool } }).to_string();
            let request = Request::post("/mcp")
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/json")
                .body(Body::from(body))
                .unwrap();
            api.send(&app, request).await.status
        };
        assert_eq!(ask("tools/list", "").await, 200);
        for _ in 0..2 {
            assert_eq!(ask("tools/call", "whoami").await, 200);
        }
        assert_eq!(ask("tools/call", "delete_all").await, 403);
        for number in 0..3 {
            assert_eq!(ask("tools/call", &format!("invented-{number}")).await, 403);
        }
        assert_eq!(
            counted(&prometheus),
            [
                line("/mcp", "allow", "none", 1.0),
                line("/mcp (unnamed)", "deny", "denied", 3.0),
                line("/mcp tools/call delete_all", "deny", "insufficient_scope", 1.0),
                line("/mcp tools/call whoami", "allow", "none", 2.0),
            ]
        );
        assert!(!prometheus.text().contains("invented"));
    });
}

#[test]
fn undecided_request_is_neither_allowed_nor_denied() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        api.issuer.take_down();
        assert_eq!(api.ask(&app(&api), "GET", "/orders/7", Some(&api.token("read:orders"))).await.status, 503);
        assert_eq!(counted(&prometheus), [line("/orders/{id}", "undecided", "unavailable", 1.0)]);
    });
}

#[test]
fn nothing_that_a_caller_sends_becomes_a_label() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let app = app(&api);
        // A layer around a router sees paths that no route matches.
        let layered = Router::new().route("/known", any(async || "known"));
        let layered = layered.layer(api.server.require(resource()).unwrap());
        let token = api.issuer.resource_token(RESOURCE).subject("label-of-a-caller").scope("label-of-a-caller").mint();
        for number in 0..40 {
            let target = format!("/orders/label-of-a-caller-{number}?label-of-a-caller");
            assert_eq!(api.ask(&app, "GET", &target, Some(&token)).await.status, 403);
            let mut odd = request("GET", "/users", Some(&token));
            *odd.method_mut() = Method::from_bytes(format!("LABEL-OF-A-CALLER-{number}").as_bytes()).unwrap();
            assert_eq!(app.clone().oneshot(odd).await.unwrap().status(), 403);
            let unmatched = request("GET", &format!("/label-of-a-caller-{number}"), Some(&token));
            assert_eq!(layered.clone().oneshot(unmatched).await.unwrap().status(), 404);
            let unknown =
                api.issuer.resource_token(RESOURCE).issuer(format!("https://label-of-a-caller-{number}")).mint();
            assert_eq!(api.ask(&app, "GET", "/users", Some(&unknown)).await.status, 401);
        }
        api.server.update_metrics();
        assert!(!prometheus.text().to_lowercase().contains("label-of-a-caller"), "{}", prometheus.text());
        assert_eq!(
            counted(&prometheus),
            [
                line("/orders/{id}", "deny", "insufficient_scope", 40.0),
                line("/users", "deny", "insufficient_scope", 40.0),
                line("/users", "deny", "invalid_token", 40.0),
                line("none", "allow", "none", 40.0),
            ]
        );
    });
}

#[test]
fn one_requirement_on_more_routes_than_are_kept_apart_counts_the_rest_as_others() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let requirement = api.server.requirement(resource()).unwrap();
        for number in 0..1100 {
            let (mut parts, ()) = Request::new(()).into_parts();
            let params = orgate::organization::PathParams::default().route(format!("/route/{number}"));
            parts.extensions.insert(params);
            assert!(requirement.authorize(&mut parts).await.is_err());
        }
        let counted = counted(&prometheus);
        // The first, those that are kept apart, and the others.
        assert_eq!(counted.len(), 1 + 1000 + 1);
        assert!(counted.contains(&line("other", "deny", "missing_token", 99.0)), "{:?}", counted.last());
    });
}

#[test]
fn server_without_metrics_records_nothing() {
    recorded(async |prometheus| {
        let api = Api::start().await;
        assert_eq!(api.ask(&app(&api), "GET", "/orders/7", Some(&api.token("read:orders"))).await.status, 200);
        api.server.update_metrics();
        assert_eq!(prometheus.samples(), []);
    });
}

#[test]
fn handles_are_registered_with_the_recorder_of_their_first_use() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let app = app(&api);
        // Built with one recorder, used with another.
        recorded_elsewhere(&app, &api.token("read:orders"));
        assert_eq!(counted(&prometheus), []);
        assert!(app.clone().oneshot(Request::get("/users").body(Body::empty()).unwrap()).await.is_ok());
        assert_eq!(counted(&prometheus), [line("/users", "deny", "missing_token", 1.0)]);
    });
}

fn recorded_elsewhere(app: &Router, token: &str) {
    let (app, request) = (app.clone(), request("GET", "/orders/7", Some(token)));
    let there = std::thread::spawn(move || {
        recorded(async |prometheus| {
            assert!(app.oneshot(request).await.is_ok());
            counted(&prometheus).len()
        })
    });
    assert_eq!(there.join().unwrap(), 1);
}

//! Calls to other servers, and webhooks, as metrics.

use std::time::Duration;

use http::{HeaderMap, Request};
use orgate::decision::{CacheTimes, Decider};
use orgate::http::HttpClient;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{authenticated, custom, decide, resource};
use orgate::testing::{Endpoint, Fault, TestIssuer, TestTenant};
use orgate::token::Introspection;
use orgate::{Issuer, ResourceServer};
use serde_json::json;

use crate::doubles::{Act, Told};
use crate::scrape::{Prometheus, recorded};
use crate::web::{Api, RESOURCE, request};

/// The outcomes of calls, and how many are under way.
fn calls(prometheus: &Prometheus, name: &str, issuer: Option<&str>) -> ([f64; 4], f64) {
    let issuer = issuer.map(|issuer| ("issuer", issuer));
    let count = |outcome| {
        let labels: Vec<_> = issuer.into_iter().chain([("outcome", outcome)]).collect();
        prometheus.value(&format!("{name}_total"), &labels)
    };
    let outcomes = ["answered", "failed", "given_up", "not_called"].map(count);
    let labels: Vec<_> = issuer.into_iter().collect();
    (outcomes, prometheus.value(&format!("{name}_running"), &labels))
}

pub(crate) async fn keys(prometheus: &Prometheus) -> ResourceServer {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).name("customers");
    let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).metrics().build().unwrap();
    let fetches = || calls(prometheus, "orgate_key_set_fetches", Some("customers"));
    server.ready().await.unwrap();
    assert_eq!(fetches(), ([1.0, 0.0, 0.0, 0.0], 0.0));
    let requirement = server.requirement(resource()).unwrap();
    let ask = async |token: String| {
        let (mut parts, _) = request("GET", "/", Some(&token)).into_parts();
        requirement.authorize(&mut parts).await.map(|_| ()).map_err(|rejection| rejection.status().as_u16())
    };
    issuer.clock().advance_monotonic(Duration::from_secs(7));
    server.update_metrics();
    let customers = [("issuer", "customers")];
    assert_eq!(prometheus.value("orgate_key_set_age_seconds", &customers), 7.0);
    assert_eq!(prometheus.value("orgate_key_set_keys", &customers), issuer.kids().len() as f64);

    // Unknown kids: the budget allows three fetches in a row, each five seconds after the last.
    for number in 0..12 {
        let kid = format!("invented-{number}");
        let token = issuer.resource_token(RESOURCE).header("kid", kid).mint();
        assert_eq!(ask(token).await, Err(401));
    }
    let suppressed = prometheus.value("orgate_unknown_kids_suppressed_total", &customers);
    let (answered, _) = fetches();
    assert_eq!((suppressed + answered[0], answered[1..].to_vec()), (13.0, vec![0.0; 3]), "each was looked up or not");
    assert!(suppressed >= 9.0, "{suppressed}");

    // Past their lifetime and not to be refreshed, the keys serve.
    issuer.fail_always(Endpoint::All, Fault::Status(503));
    issuer.clock().advance_monotonic(Duration::from_secs(11 * 60));
    let token = issuer.resource_token(RESOURCE).mint();
    assert_eq!(ask(token.clone()).await, Ok(()));
    assert_eq!(ask(token).await, Ok(()));
    let ([_, failed, _, _], running) = fetches();
    assert_eq!((failed, running), (1.0, 0.0));
    assert_eq!(prometheus.value("orgate_key_set_stale_served_total", &customers), 1.0);
    // Past the time for which it serves, there is no set.
    issuer.clock().advance_monotonic(Duration::from_secs(30 * 24 * 60 * 60));
    server.update_metrics();
    assert_eq!(prometheus.value("orgate_key_set_age_seconds", &customers), f64::INFINITY);
    assert_eq!(prometheus.value("orgate_key_set_keys", &customers), 0.0);
    let durations = prometheus.value("orgate_key_set_fetch_duration_seconds_count", &customers);
    assert_eq!(durations, answered[0] + failed);
    server
}

pub(crate) async fn permissions(prometheus: &Prometheus) -> ResourceServer {
    let (issuer, source) = (TestIssuer::start().await, Told::default());
    let entry = Issuer::new(issuer.url()).name("customers").permissions(source.clone());
    let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).metrics().build().unwrap();
    let live = server.requirement(resource().scope("read:orders").live()).unwrap();
    let lenient = resource().scope("read:orders").live().dangerous_token_only_on_error();
    let lenient = server.requirement(lenient).unwrap();
    let ask = async |requirement: &orgate::engine::Requirement, subject: &str| {
        let token = issuer.resource_token(RESOURCE).subject(subject).scope("read:orders").mint();
        let (mut parts, _) = request("GET", "/", Some(&token)).into_parts();
        requirement.authorize(&mut parts).await.is_ok()
    };
    assert!(ask(&live, "a").await);
    source.act(Act::Fails);
    assert!(!ask(&live, "b").await);
    assert!(ask(&lenient, "c").await);
    source.act(Act::Panics);
    assert!(!ask(&live, "d").await);
    let found = calls(prometheus, "orgate_permission_source_calls", Some("customers"));
    assert_eq!(found, ([1.0, 2.0, 1.0, 0.0], 0.0), "what panicked was given up");
    assert_eq!(prometheus.value("orgate_decided_without_answer_total", &[("by", "token_only")]), 1.0);
    assert_eq!(prometheus.value("orgate_wait_duration_seconds_count", &[("for", "permissions")]), 4.0);
    server.update_metrics();
    let customers = [("issuer", "customers")];
    assert_eq!(prometheus.value("orgate_permission_source_calls_left", &customers), 42.0);
    assert_eq!(prometheus.value("orgate_permission_source_call_duration_seconds_count", &customers), 4.0);
    server
}

pub(crate) async fn introspection(prometheus: &Prometheus) -> ResourceServer {
    let (issuer, endpoint) = (TestIssuer::start().await, Told::default());
    let ask = Introspection::new("https://issuer.example/introspect", "api", "secret");
    let entry = Issuer::new(issuer.url()).name("customers").jwks_json(issuer.jwks_json()).introspection(ask);
    let server = ResourceServer::builder(entry, RESOURCE)
        .http_client(HttpClient::custom(endpoint.clone()))
        .clock(issuer.clock())
        .metrics()
        .build()
        .unwrap();
    let requirement = server.requirement(authenticated()).unwrap();
    let ask = async |token: &str| {
        let (mut parts, _) = request("GET", "/", Some(token)).into_parts();
        requirement.authorize(&mut parts).await.map(|_| ()).map_err(|rejection| rejection.status().as_u16())
    };
    endpoint.says(json!({ "active": false }));
    assert_eq!(ask("opaque-1").await, Err(401));
    assert_eq!(ask("opaque-1").await, Err(401), "it is remembered");
    endpoint.says(json!("no answer to the question"));
    assert_eq!(ask("opaque-2").await, Err(503));
    endpoint.act(Act::Fails);
    assert_eq!(ask("opaque-3").await, Err(503));
    let found = calls(prometheus, "orgate_introspection_calls", Some("customers"));
    assert_eq!(found, ([1.0, 2.0, 0.0, 0.0], 0.0));
    server
}

pub(crate) async fn decision_point(prometheus: &Prometheus) -> ResourceServer {
    let point = Told::default();
    let decider = Decider::builder(point.clone()).remember(CacheTimes::NONE).build().unwrap();
    let api = Api::configured(|builder| builder.decision_point(decider).metrics()).await;
    let asks = |lenient: bool| {
        let question = decide("read", "orders", custom("all", |_| Some("all".into())));
        let question = if lenient { question.dangerous_allow_on_error() } else { question };
        api.server.requirement(resource().and(question)).unwrap()
    };
    let (strict, lenient) = (asks(false), asks(true));
    let ask = async |requirement: &orgate::engine::Requirement| {
        let (mut parts, _) = request("GET", "/", Some(&api.token("a"))).into_parts();
        requirement.authorize(&mut parts).await.is_ok()
    };
    assert!(ask(&strict).await);
    point.act(Act::Denies);
    assert!(!ask(&strict).await);
    point.act(Act::Fails);
    assert!(!ask(&strict).await);
    assert!(ask(&lenient).await);
    assert_eq!(calls(prometheus, "orgate_decision_point_calls", None), ([2.0, 2.0, 0.0, 0.0], 0.0));
    assert_eq!(prometheus.value("orgate_decided_without_answer_total", &[("by", "allowed_on_error")]), 1.0);
    api.server.update_metrics();
    assert_eq!(prometheus.value("orgate_decision_point_calls_waiting", &[]), 7.0);
    api.server.clone()
}

pub(crate) async fn webhooks(prometheus: &Prometheus) -> ResourceServer {
    let tenant = TestTenant::start().await;
    let entry = Issuer::new(tenant.issuer().url()).name("tenant");
    let server = ResourceServer::builder(entry, RESOURCE).clock(tenant.issuer().clock()).metrics().build().unwrap();
    let webhooks = server.issuer("tenant").unwrap().webhooks(SigningKeys::new([tenant.signing_key()]).unwrap());
    tenant.add_user("alice");
    _ = tenant.take_deliveries();
    tenant.suspend("alice");
    let deliveries = tenant.take_deliveries();
    for delivery in &deliveries {
        webhooks.receive(delivery.headers(), delivery.body()).unwrap();
    }
    // The same an hour later is too old; another body has another signature; and one has none.
    tenant.issuer().clock().advance(Duration::from_secs(3600));
    webhooks.receive(deliveries[0].headers(), deliveries[0].body()).unwrap();
    assert!(webhooks.receive(deliveries[0].headers(), b"{}").is_err());
    assert!(webhooks.receive(&HeaderMap::new(), b"{}").is_err());
    let odd =
        tenant.sign_delivery(json!({ "event": "Odd.Event", "createdAt": "2026-11-20T13:34:45.914Z" }).to_string());
    webhooks.receive(odd.headers(), odd.body()).unwrap();
    let line = |event: &str, outcome: &str| (["tenant", event, outcome].map(str::to_owned).to_vec(), 1.0);
    assert_eq!(
        prometheus.all("orgate_webhooks_total"),
        [
            line("User.SuspensionStatus.Updated", "applied"),
            line("User.SuspensionStatus.Updated", "stale"),
            line("other", "stale"),
            line("unread", "missing_signature"),
            line("unread", "wrong_signature"),
        ]
    );
    server.update_metrics();
    assert_eq!(prometheus.value("orgate_revocation_suspensions", &[]), 1.0);
    server
}

#[test]
fn fetches_of_keys_are_counted_with_what_serves_meanwhile() {
    recorded(async |prometheus| _ = keys(&prometheus).await);
}

#[test]
fn questions_to_a_permission_source_are_counted_by_how_they_end() {
    recorded(async |prometheus| _ = permissions(&prometheus).await);
}

#[test]
fn calls_of_an_introspection_endpoint_are_counted_by_how_they_end() {
    recorded(async |prometheus| _ = introspection(&prometheus).await);
}

#[test]
fn calls_of_a_decision_point_are_counted_by_how_they_end() {
    recorded(async |prometheus| _ = decision_point(&prometheus).await);
}

#[test]
fn webhooks_are_counted_by_event_and_outcome() {
    recorded(async |prometheus| _ = webhooks(&prometheus).await);
}

#[test]
fn call_that_its_caller_leaves_is_counted_all_the_same() {
    recorded(async |prometheus| {
        let issuer = TestIssuer::start().await;
        issuer.fail_always(Endpoint::All, Fault::Hold);
        let server = ResourceServer::builder(issuer.url(), RESOURCE).clock(issuer.clock()).metrics().build().unwrap();
        let requirement = server.requirement(resource()).unwrap();
        let token = issuer.resource_token(RESOURCE).mint();
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let left = tokio::time::timeout(Duration::from_millis(20), requirement.authorize(&mut parts)).await;
        assert!(left.is_err());
        let fetches = || calls(&prometheus, "orgate_key_set_fetches", Some(issuer.url()));
        assert_eq!(fetches(), ([0.0; 4], 1.0), "it goes on without its caller");
        issuer.recover();
        issuer.release();
        server.ready().await.unwrap();
        assert_eq!(fetches().1, 0.0);
    });
}

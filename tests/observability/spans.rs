//! Spans as OpenTelemetry exports them, and the trace context that goes along.

use std::collections::HashMap;
use std::sync::Once;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use orgate::authzen::AuthZen;
use orgate::axum::Authorizer;
use orgate::decision::{Decider, Resource};
use orgate::future::BoxFuture;
use orgate::http::HttpClient;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{authenticated, custom, decide, resource};
use orgate::testing::{TestIssuer, TestPdp};
use orgate::token::Introspection;
use orgate::trace::TraceContext;
use orgate::{Issuer, ResourceServer};
use serde_json::json;
use tower::ServiceExt as _;
use tracing::subscriber::DefaultGuard;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::doubles::Told;
use crate::web::{Api, RESOURCE, request};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01";

/// The spans that this thread has ended.
pub(crate) struct Spans(InMemorySpanExporter);

impl Spans {
    pub(crate) fn all(&self) -> Vec<SpanData> {
        self.0.get_finished_spans().unwrap()
    }

    fn named(&self, name: &str) -> SpanData {
        let all = self.all();
        let named: Vec<_> = all.iter().filter(|span| span.name == name).collect();
        assert_eq!(named.len(), 1, "{name}: {:?}", all.iter().map(|span| &span.name).collect::<Vec<_>>());
        named[0].clone()
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|found| found.value.to_string())
}

fn took(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap()
}

/// Runs a scenario on this thread, whose spans are kept.
pub(crate) fn traced<T>(scenario: impl AsyncFnOnce(&Spans) -> T) -> T {
    let (exporter, _guard) = listening();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scenario(&Spans(exporter)))
}

/// Runs a scenario in the runtime of its caller. Returns all spans and events of this crate that were recorded meanwhile.
pub(crate) async fn traced_within(scenario: impl AsyncFnOnce()) -> String {
    let (exporter, _guard) = listening();
    scenario().await;
    format!("{:#?}", exporter.get_finished_spans().unwrap())
}

fn listening() -> (InMemorySpanExporter, DefaultGuard) {
    // While there is no subscriber elsewhere, a span that is entered there first would be switched off for all threads.
    static EVERYWHERE: Once = Once::new();
    EVERYWHERE.call_once(|| _ = tracing::subscriber::set_global_default(tracing_subscriber::registry()));
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("orgate"));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    (exporter, guard)
}

/// Says yes after a while.
struct Slow(Duration);

impl PermissionSource for Slow {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Ok(Permissions::of(["read:orders"]))
        })
    }
}

#[test]
fn trace_of_a_decision_that_waits_shows_where_the_time_went() {
    traced(async |spans| {
        let (issuer, pdp) = (TestIssuer::start().await, TestPdp::start().await);
        pdp.judge(|_| true);
        let entry = Issuer::new(issuer.url()).name("customers").permissions(Slow(Duration::from_millis(150)));
        let decider = Decider::builder(AuthZen::builder(pdp.url()).build().unwrap()).build().unwrap();
        let server =
            ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).decision_point(decider).build().unwrap();
        let policy =
            resource().scope("read:orders").live().and(decide("read", "orders", custom("all", |_| Some("all".into()))));
        let app = server.guard().get("/orders/{id}", async || "order", policy).into_router().unwrap();
        let token = issuer.resource_token(RESOURCE).scope("read:orders").mint();
        let answer = app.clone().oneshot(request("GET", "/orders/7", Some(&token))).await.unwrap();
        assert_eq!(answer.status(), 200);

        let decision = spans.named("orgate.decide");
        assert_eq!(decision.parent_span_id, SpanId::INVALID);
        assert_eq!(attribute(&decision, "route").as_deref(), Some("/orders/{id}"));
        assert_eq!(attribute(&decision, "outcome").as_deref(), Some("allow"));
        let waits = ["orgate.keys", "orgate.permissions", "orgate.decision_point"].map(|name| spans.named(name));
        for wait in &waits {
            assert_eq!(wait.parent_span_id, decision.span_context.span_id(), "{}", wait.name);
            assert_eq!(wait.span_context.trace_id(), decision.span_context.trace_id());
            assert!(wait.start_time >= decision.start_time && wait.end_time <= decision.end_time, "{}", wait.name);
        }
        assert_eq!(attribute(&waits[0], "issuer").as_deref(), Some("customers"));
        // One after the other, and no part of the decision is counted twice.
        assert!(waits[0].end_time <= waits[1].start_time && waits[1].end_time <= waits[2].start_time);
        assert!(waits.iter().map(took).sum::<Duration>() <= took(&decision));
        assert!(took(&waits[1]) >= Duration::from_millis(150), "{:?}", took(&waits[1]));
        assert_eq!(spans.all().len(), 4);
    });
}

#[test]
fn known_token_has_no_span() {
    traced(async |spans| {
        let api = Api::start().await;
        let app = api.server.guard().get("/", async || "here", resource().scope("a")).into_router().unwrap();
        let token = api.token("a");
        assert_eq!(api.ask(&app, "GET", "/", Some(&token)).await.status, 200);
        let cold = spans.all().len();
        assert_eq!(cold, 2, "the decision, and the keys that it waited for");
        assert_eq!(api.ask(&app, "GET", "/", Some(&token)).await.status, 200);
        assert_eq!(api.ask(&app, "GET", "/", Some(&api.token("a"))).await.status, 200, "a new one, with a known key");
        assert_eq!(api.ask(&app, "GET", "/", None).await.status, 401);
        assert_eq!(spans.all().len(), cold);
    });
}

#[test]
fn span_says_how_a_request_was_decided() {
    traced(async |spans| {
        let api = Api::start().await;
        let app = api.server.guard().get("/", async || "here", resource().scope("a")).into_router().unwrap();
        assert_eq!(api.ask(&app, "GET", "/", Some(&api.token("b"))).await.status, 403);
        let decision = spans.named("orgate.decide");
        assert_eq!(attribute(&decision, "outcome").as_deref(), Some("deny"));
        assert_eq!(attribute(&decision, "kind").as_deref(), Some("insufficient_scope"));
    });
}

#[test]
fn token_that_is_verified_without_a_request_has_a_span_if_it_waits() {
    traced(async |spans| {
        let api = Api::start().await;
        assert!(api.server.verify(&api.token("a")).await.is_ok());
        let verification = spans.named("orgate.verify");
        assert_eq!(spans.named("orgate.keys").parent_span_id, verification.span_context.span_id());
        assert!(api.server.verify(&api.token("a")).await.is_ok());
        assert_eq!(spans.all().len(), 2);
    });
}

/// A server whose issuer, introspection endpoint included, is a double.
async fn introspecting(
    change: impl FnOnce(orgate::server::Builder) -> orgate::server::Builder,
) -> (axum::Router, Told) {
    let (issuer, endpoint) = (TestIssuer::start().await, Told::default());
    endpoint.says(json!({ "active": false }));
    let ask = Introspection::new("https://issuer.example/introspect", "api", "secret");
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json()).introspection(ask);
    let builder = ResourceServer::builder(entry, RESOURCE).http_client(HttpClient::custom(endpoint.clone()));
    let server = change(builder.clock(issuer.clock())).build().unwrap();
    (server.guard().get("/", async || "here", authenticated()).into_router().unwrap(), endpoint)
}

fn with_context(token: &str, parent: &str) -> Request<Body> {
    let mut request = request("GET", "/", Some(token));
    let headers = request.headers_mut();
    headers.insert("traceparent", parent.parse().unwrap());
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    headers.insert("baggage", "user=alice".parse().unwrap());
    request
}

fn context_of(headers: &HeaderMap) -> [Option<&str>; 3] {
    ["traceparent", "tracestate", "baggage"].map(|name| headers.get(name).map(|value| value.to_str().unwrap()))
}

#[tokio::test]
async fn trace_context_of_a_request_goes_to_the_issuer_and_its_baggage_does_not() {
    let (app, endpoint) = introspecting(|builder| builder).await;
    for (token, parent, sent) in [
        ("opaque-1", PARENT, [Some(PARENT), Some("vendor=1"), None]),
        ("opaque-2", "00-invalid-01", [None; 3]),
        ("opaque-3", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", [None; 3]),
    ] {
        assert_eq!(app.clone().oneshot(with_context(token, parent)).await.unwrap().status(), 401);
        assert_eq!(context_of(endpoint.headers().last().unwrap()), sent, "{parent}");
    }
    assert_eq!(app.oneshot(request("GET", "/", Some("opaque-4"))).await.unwrap().status(), 401);
    assert_eq!(endpoint.headers().len(), 4);
    assert_eq!(context_of(&endpoint.headers()[3]), [None; 3], "one that has none");
}

#[tokio::test]
async fn trace_context_goes_to_the_permission_source_and_the_decision_point() {
    let (issuer, source, pdp) = (TestIssuer::start().await, Told::default(), TestPdp::start().await);
    pdp.judge(|_| true);
    let entry = Issuer::new(issuer.url()).permissions(source.clone());
    let decider = Decider::builder(AuthZen::builder(pdp.url()).build().unwrap()).build().unwrap();
    let server =
        ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).decision_point(decider).build().unwrap();
    let policy =
        resource().scope("read:orders").live().and(decide("read", "orders", custom("all", |_| Some("all".into()))));
    let app = server.guard().get("/", async || "here", policy).into_router().unwrap();
    let token = issuer.resource_token(RESOURCE).scope("read:orders").mint();
    assert_eq!(app.oneshot(with_context(&token, PARENT)).await.unwrap().status(), 200);
    assert_eq!(source.contexts(), [TraceContext::new(PARENT, Some("vendor=1"))]);
    let calls = pdp.calls();
    assert!(!calls.is_empty());
    for call in calls {
        assert_eq!((call.header("traceparent"), call.header("baggage")), (Some(PARENT), None), "{}", call.path());
    }
}

#[tokio::test]
async fn question_that_requests_share_carries_the_context_of_the_first() {
    let (app, endpoint) = introspecting(|builder| builder).await;
    let ask = |parent| app.clone().oneshot(with_context("opaque", parent));
    let (one, other) = tokio::join!(ask(PARENT), ask(OTHER));
    assert_eq!(
        (one.unwrap().status(), other.unwrap().status()),
        (http::StatusCode::UNAUTHORIZED, http::StatusCode::UNAUTHORIZED)
    );
    assert_eq!(endpoint.headers().len(), 1);
    assert_eq!(context_of(&endpoint.headers()[0])[0], Some(PARENT));
}

#[tokio::test]
async fn fetch_in_the_background_carries_no_context() {
    let (issuer, documents) = (TestIssuer::start().await, Told::default());
    documents.says(serde_json::from_str(&issuer.jwks_json()).unwrap());
    let entry = Issuer::new(issuer.url()).jwks_uri("https://issuer.example/jwks");
    let builder = ResourceServer::builder(entry, RESOURCE).http_client(HttpClient::custom(documents.clone()));
    let server = builder.clock(issuer.clock()).build().unwrap();
    let app = server.guard().get("/", async || "here", resource()).into_router().unwrap();
    let ask = async || {
        let token = issuer.resource_token(RESOURCE).mint();
        assert_eq!(app.clone().oneshot(with_context(&token, PARENT)).await.unwrap().status(), 200);
    };
    ask().await;
    assert_eq!(context_of(&documents.headers()[0])[0], Some(PARENT), "this request waits for it");
    // Past 90 % of the lifetime: the request goes on, and the set is fetched behind it.
    issuer.clock().advance_monotonic(Duration::from_secs(595));
    ask().await;
    server.ready().await.unwrap();
    while documents.headers().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(context_of(&documents.headers()[1]), [None; 3]);
}

fn of_current_span() -> Option<TraceContext> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut headers);
    TraceContext::new(headers.get("traceparent")?, headers.get("tracestate").map(String::as_str))
}

#[test]
fn hook_makes_the_span_of_the_wait_the_parent() {
    traced(async |spans| {
        let (app, endpoint) = introspecting(|builder| builder.trace_context(of_current_span)).await;
        assert_eq!(app.oneshot(with_context("opaque", PARENT)).await.unwrap().status(), 401);
        let wait = spans.named("orgate.introspection").span_context;
        let expected = format!("00-{}-{}-01", wait.trace_id(), wait.span_id());
        assert_eq!(context_of(&endpoint.headers()[0])[0], Some(&*expected));
    });
}

#[tokio::test]
async fn no_context_is_sent_where_that_is_disabled() {
    let (app, endpoint) = introspecting(orgate::server::Builder::disable_trace_context).await;
    assert_eq!(app.oneshot(with_context("opaque", PARENT)).await.unwrap().status(), 401);
    assert_eq!(context_of(&endpoint.headers()[0]), [None; 3]);
}

#[tokio::test]
async fn hook_that_panics_or_knows_nothing_leaves_the_context_of_the_request() {
    for hook in [|| None, || panic!("a bug of the hook")] {
        let (app, endpoint) = introspecting(|builder| builder.trace_context(hook)).await;
        assert_eq!(app.oneshot(with_context("opaque", PARENT)).await.unwrap().status(), 401);
        assert_eq!(context_of(&endpoint.headers()[0])[0], Some(PARENT));
    }
}

#[test]
fn question_of_a_handler_has_a_span_and_carries_the_context() {
    traced(async |spans| {
        let pdp = TestPdp::start().await;
        pdp.judge(|_| false);
        let decider = Decider::builder(AuthZen::builder(pdp.url()).build().unwrap()).build().unwrap();
        let api = Api::configured(|builder| builder.decision_point(decider)).await;
        let handler = async |decide: Authorizer| decide.check("read", Resource::new("order", "7")).await;
        let app = api.server.guard().get("/", handler, resource()).into_router().unwrap();
        let token = api.token("a");
        assert_eq!(app.oneshot(with_context(&token, PARENT)).await.unwrap().status(), 403);
        assert_eq!(spans.named("orgate.decision_point").parent_span_id, SpanId::INVALID, "no other span is open");
        assert!(!pdp.calls().is_empty());
        assert!(pdp.calls().iter().all(|call| call.header("traceparent") == Some(PARENT)));
    });
}

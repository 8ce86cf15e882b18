//! Policies and handlers that ask a decision point: what it is asked, when, and what comes of its answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod web;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use orgate::authzen::AuthZen;
use orgate::axum::Authorizer;
use orgate::change::{About, Change};
use orgate::decision::{
    CacheTimes, Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, MAX_BATCH,
    Obligation, Resource,
};
use orgate::policy::{any_organization, custom, decide, header, path, resource};
use orgate::rejection::StepUp;
use orgate::server::{IssuerHandle, IssuerRemoved};
use orgate::testing::{Fault, TestIssuer, TestPdp};
use orgate::{Guard, Issuer, Policy, Rejection, ResourceServer};
use serde_json::{Value, json};
use web::{Answer, Api, RESOURCE, request};

const REALM: &str = r#"Bearer realm="https://api.example.com""#;
const DOCUMENT: &str = "/orgs/{org}/documents/{id}";

type Verdict = Result<Decision, DecisionError>;
type Rule = Arc<dyn Fn(&DecisionRequest) -> Verdict + Send + Sync>;

/// A point that answers by a rule, and knows what it was asked: one list for every call.
#[derive(Clone)]
struct Point {
    rule: Arc<Mutex<Rule>>,
    calls: Arc<Mutex<Vec<Vec<DecisionRequest>>>>,
}

impl Point {
    fn new(rule: impl Fn(&DecisionRequest) -> Verdict + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(Mutex::new(Arc::new(rule))), calls: Arc::default() }
    }

    /// From now on it answers by this.
    fn answers(&self, rule: impl Fn(&DecisionRequest) -> Verdict + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Arc::new(rule);
    }

    /// The calls since the last time.
    fn take(&self) -> Vec<Vec<DecisionRequest>> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// How many calls there were since the last time.
    fn count(&self) -> usize {
        self.take().len()
    }

    /// The ids of the resources that it was asked about since the last time, call by call.
    fn ids(&self) -> Vec<Vec<String>> {
        let ids = |call: &Vec<DecisionRequest>| call.iter().map(|asked| asked.resource().id().to_owned()).collect();
        self.take().iter().map(ids).collect()
    }

    fn asked(&self, requests: &[DecisionRequest]) -> Result<Vec<Decision>, DecisionError> {
        self.calls.lock().unwrap().push(requests.to_vec());
        let rule = self.rule.lock().unwrap().clone();
        requests.iter().map(|request| rule(request)).collect()
    }
}

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        let answer = self.asked(std::slice::from_ref(request)).map(|mut decisions| decisions.remove(0));
        Box::pin(std::future::ready(answer))
    }

    fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
        Box::pin(std::future::ready(self.asked(requests)))
    }
}

/// Documents whose id begins with `y`, and nothing else.
#[allow(clippy::unnecessary_wraps, reason = "it is a rule")]
fn by_name(request: &DecisionRequest) -> Verdict {
    let allowed = request.resource().id().starts_with('y');
    Ok(if allowed { Decision::allow() } else { Decision::deny().with_reason("the-reason-of-the-point") })
}

fn down(_: &DecisionRequest) -> Verdict {
    Err(DecisionError::unavailable("the-fault-of-the-point").with_retry_after(Duration::from_secs(7)))
}

fn broken(_: &DecisionRequest) -> Verdict {
    Err(DecisionError::wrong("the-fault-of-the-point"))
}

/// An API with such a point; everything goes by the clock of the issuer.
struct World {
    api: Api,
    point: Point,
    decider: Decider,
}

impl World {
    async fn new(rule: impl Fn(&DecisionRequest) -> Verdict + Send + Sync + 'static) -> Self {
        let issuer = TestIssuer::start().await;
        let point = Point::new(rule);
        let decider = Decider::builder(point.clone()).clock(issuer.clock()).build().unwrap();
        let server = ResourceServer::builder(Issuer::new(issuer.url()).name("main"), RESOURCE)
            .clock(issuer.clock())
            .decision_point(decider.clone())
            .build()
            .unwrap();
        Self { api: Api { issuer, server }, point, decider }
    }

    fn guard(&self) -> Guard {
        self.api.server.guard()
    }

    /// A route for documents.
    fn app(&self, policy: Policy) -> Router {
        self.guard().get(DOCUMENT, async || "text", policy).into_router().unwrap()
    }

    /// A token of alice, within one organization.
    fn alice(&self, organization: &str, scope: &str) -> String {
        self.api.issuer.organization_resource_token(RESOURCE, organization).subject("alice").scope(scope).mint()
    }

    async fn get(&self, app: &Router, target: &str) -> Answer {
        self.api.ask(app, "GET", target, Some(&self.alice("acme", "read"))).await
    }

    async fn status(&self, app: &Router, target: &str) -> u16 {
        self.get(app, target).await.status
    }
}

fn in_org() -> Policy {
    resource().in_organization(path("org")).scope("read")
}

fn reads() -> Policy {
    in_org().decide("read", "document", path("id"))
}

/// It is a denial by the point, and says no more than that.
fn is_denial(answer: &Answer) {
    assert_eq!((answer.status, answer.challenge()), (403, Some(REALM)));
    let body = json!({
        "title": "Forbidden", "status": 403, "detail": "The access token does not permit this request.", "remediation": "none"
    });
    assert_eq!(answer.json(), body);
    assert_eq!(answer.header("retry-after"), None);
}

/// It says when to come again, and nothing about the point.
fn is_no_decision(answer: &Answer, retry_after: &str) {
    assert_eq!((answer.status, answer.challenge()), (503, None));
    assert_eq!(answer.header("retry-after"), Some(retry_after));
    assert_eq!(answer.json()["remediation"], "retry");
    assert!(!format!("{:?} {}", answer.headers, answer.body).contains("of-the-point"));
}

#[tokio::test]
async fn allow_deny_and_no_decision_are_three_answers() {
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let answer = world.get(&app, "/orgs/acme/documents/y").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "text"));
    is_denial(&world.get(&app, "/orgs/acme/documents/n").await);

    world.point.answers(down);
    is_no_decision(&world.get(&app, "/orgs/acme/documents/y2").await, "7");
    world.point.answers(|_| Err(DecisionError::unavailable("the-fault-of-the-point")));
    is_no_decision(&world.get(&app, "/orgs/acme/documents/y2").await, "1");
    world.point.answers(broken);
    is_no_decision(&world.get(&app, "/orgs/acme/documents/y2").await, "1");

    // None of that was remembered.
    world.point.answers(by_name);
    assert_eq!(world.status(&app, "/orgs/acme/documents/y2").await, 200);
    assert_eq!(world.decider.allowed_on_error(), 0);
}

#[tokio::test]
async fn only_an_unreachable_point_is_gone_without() {
    let world = World::new(down).await;
    let app = world.app(reads().dangerous_allow_on_error());
    assert_eq!(world.status(&app, "/orgs/acme/documents/n").await, 200);
    assert_eq!(world.decider.allowed_on_error(), 1);
    assert_eq!(world.api.ask(&app, "GET", "/orgs/acme/documents/n", None).await.status, 401);
    let weak = world.alice("acme", "other");
    assert_eq!(world.api.ask(&app, "GET", "/orgs/acme/documents/n", Some(&weak)).await.status, 403);

    world.point.answers(broken);
    is_no_decision(&world.get(&app, "/orgs/acme/documents/n").await, "1");
    world.point.answers(by_name);
    is_denial(&world.get(&app, "/orgs/acme/documents/n").await);
    assert_eq!(world.decider.allowed_on_error(), 1);
}

#[tokio::test]
async fn one_that_is_down_does_not_spare_the_next_question() {
    let world = World::new(|asked| if asked.action() == "read" { down(asked) } else { by_name(asked) }).await;
    let app = world.app(reads().decide("share", "document", path("id")).dangerous_allow_on_error());
    assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 200);
    is_denial(&world.get(&app, "/orgs/acme/documents/n").await);
    world.point.answers(|asked| if asked.action() == "share" { down(asked) } else { by_name(asked) });
    assert_eq!(world.status(&app, "/orgs/acme/documents/y2").await, 200);
    is_denial(&world.get(&app, "/orgs/acme/documents/n2").await);
}

#[tokio::test]
async fn error_of_another_clauses_batch_is_not_tolerated() {
    let world = World::new(|asked| if asked.action() == "share" { down(asked) } else { by_name(asked) }).await;
    let both = reads().decide("share", "document", path("id"));
    let app = world.app(both.or(reads().dangerous_allow_on_error()));
    is_denial(&world.get(&app, "/orgs/acme/documents/n").await);
    assert_eq!(world.point.ids(), [vec!["n", "n"], vec!["n"]]);
    assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 200);
    assert_eq!(world.decider.allowed_on_error(), 0);

    world.point.answers(down);
    world.point.take();
    assert_eq!(world.status(&app, "/orgs/acme/documents/n2").await, 200);
    assert_eq!(world.point.ids(), [vec!["n2", "n2"], vec!["n2"]], "asked once more, and no more than that");
    assert_eq!(world.decider.allowed_on_error(), 1);
}

#[tokio::test]
async fn a_point_that_never_answers_is_not_waited_for() {
    struct Silent;
    impl DecisionPoint for Silent {
        fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
            Box::pin(std::future::pending())
        }
    }
    async fn listed(decide: Authorizer) -> Result<&'static str, Rejection> {
        decide.check_all("read", [Resource::new("document", "y")]).await?;
        Ok("text")
    }
    let decider = Decider::builder(Silent).build().unwrap();
    let api = Api::configured(|builder| builder.decision_point(decider)).await;
    let app = api
        .server
        .guard()
        .get(DOCUMENT, async || "text", reads())
        .post(DOCUMENT, found, in_org())
        .put(DOCUMENT, listed, in_org())
        .into_router()
        .unwrap();
    let token = api.member_token("acme", "read");
    let ask = async |method: &str| {
        let answer = api.ask(&app, method, "/orgs/acme/documents/y", Some(&token));
        tokio::time::timeout(Duration::from_secs(5), answer).await.expect("it is still waited for")
    };
    let (by_policy, by_handler, for_a_list) = tokio::join!(ask("GET"), ask("POST"), ask("PUT"));
    for answer in [by_policy, by_handler, for_a_list] {
        is_no_decision(&answer, "1");
    }
}

#[tokio::test]
async fn it_is_asked_last() {
    let world = World::new(|_| Ok(Decision::allow())).await;
    let app = world
        .guard()
        .get(DOCUMENT, async || "text", reads())
        .post(DOCUMENT, async || "text", reads().check("never", |_| false))
        .put(DOCUMENT, async || "text", reads().machine())
        .into_router()
        .unwrap();
    let target = "/orgs/acme/documents/y";
    let other_audience = world.api.issuer.resource_token("https://other.example.com").scope("read").mint();
    let no_organization = world.api.token("read");
    let (good, weak) = (world.alice("acme", "read"), world.alice("acme", "write"));
    let (head, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", weak.rsplit('.').next().unwrap());
    for (status, method, token) in [
        (401, "GET", None),
        (401, "GET", Some("not.a.token")),
        (401, "GET", Some(&*forged)),
        (403, "GET", Some(&*no_organization)),
        (403, "GET", Some(&*world.alice("other", "read"))),
        (403, "GET", Some(&*weak)),
        (403, "POST", Some(&*good)),
        (403, "PUT", Some(&*good)),
        (405, "DELETE", Some(&*good)),
    ] {
        assert_eq!(world.api.ask(&app, method, target, token).await.status, status, "{method} {token:?}");
    }
    let answer = world.api.ask(&app, "GET", target, Some(&other_audience)).await;
    assert!(matches!(answer.status, 401 | 403), "{answer:?}");
    assert_eq!(world.point.count(), 0);
    assert_eq!(world.status(&app, target).await, 200);
    assert_eq!(world.point.count(), 1);
}

#[tokio::test]
async fn the_id_is_what_the_request_names() {
    let world = World::new(by_name).await;
    let query = custom("query id", |parts| parts.uri.query()?.strip_prefix("id=").map(str::to_owned));
    let app = world
        .guard()
        .get(DOCUMENT, async || "text", reads())
        .get("/header", async || "text", resource().decide("read", "document", header("x-document")))
        .get("/query", async || "text", resource().decide("read", "document", query))
        .into_router()
        .unwrap();
    assert_eq!(world.status(&app, "/orgs/acme/documents/y%2F1").await, 200);
    assert_eq!(world.point.ids(), [["y/1"]]);

    let plain = world.api.token("");
    let with_headers = async |values: &[&str]| {
        let mut request = request("GET", "/header", Some(&plain));
        for value in values {
            request.headers_mut().append("x-document", value.parse().unwrap());
        }
        world.api.send(&app, request).await
    };
    assert_eq!(with_headers(&["y2"]).await.status, 200);
    assert_eq!(world.api.ask(&app, "GET", "/query?id=y3", Some(&plain)).await.status, 200);
    is_denial(&with_headers(&["n2"]).await);
    is_denial(&world.api.ask(&app, "GET", "/query?id=n3", Some(&plain)).await);
    assert_eq!(world.point.ids(), [["y2"], ["y3"], ["n2"], ["n3"]]);

    // None, or none that is clear: the decision point is not asked.
    for answer in [
        with_headers(&[]).await,
        with_headers(&[""]).await,
        with_headers(&["y", "y"]).await,
        world.api.ask(&app, "GET", "/query", Some(&plain)).await,
        world.api.ask(&app, "GET", "/query?id=", Some(&plain)).await,
    ] {
        is_denial(&answer);
    }
    assert_eq!(world.point.count(), 0);
}

#[tokio::test]
async fn the_question_says_who_where_and_how() {
    let world = World::new(by_name).await;
    let only = |point: &Point| {
        let mut calls = point.take();
        assert_eq!((calls.len(), calls[0].len()), (1, 1));
        calls.remove(0).remove(0)
    };
    let app = world
        .guard()
        .put(DOCUMENT, async || "text", reads())
        .get("/documents/{id}", async || "text", resource().decide("list", "folder", path("id")))
        .into_router()
        .unwrap();
    let alice = world.alice("acme", "read");
    assert_eq!(world.api.ask(&app, "PUT", "/orgs/acme/documents/y", Some(&alice)).await.status, 200);
    let asked = only(&world.point);
    assert_eq!((asked.subject_id(), asked.issuer_name(), asked.organization_id()), ("alice", "main", Some("acme")));
    assert_eq!((asked.action(), asked.resource().kind(), asked.resource().id()), ("read", "document", "y"));
    assert_eq!((asked.http_method(), asked.matched_route()), (Some(&http::Method::PUT), Some(DOCUMENT)));
    assert_eq!(asked.scopes().collect::<Vec<_>>(), ["read"]);

    // Without an organization none is made up.
    assert_eq!(world.api.ask(&app, "GET", "/documents/y", Some(&world.api.token(""))).await.status, 200);
    let asked = only(&world.point);
    assert_eq!((asked.action(), asked.resource().kind(), asked.organization_id()), ("list", "folder", None));
    assert_eq!((asked.http_method(), asked.matched_route()), (Some(&http::Method::GET), Some("/documents/{id}")));

    // Below a prefix, the route is the whole one.
    let documents = world.guard().get("/documents/{id}", async || "text", reads());
    let nested = world.guard().nest("/orgs/{org}", documents).into_router().unwrap();
    assert_eq!(world.status(&nested, "/orgs/acme/documents/y2").await, 200);
    assert_eq!(only(&world.point).matched_route(), Some(DOCUMENT));
    let nested = Router::new().nest("/v1", world.app(reads()));
    assert_eq!(world.status(&nested, "/v1/orgs/acme/documents/y3").await, 200);
    let asked = only(&world.point);
    assert_eq!((asked.matched_route(), asked.resource().id()), (Some("/v1/orgs/{org}/documents/{id}"), "y3"));
}

#[tokio::test]
async fn the_same_question_is_asked_once_in_a_while() {
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let clock = world.api.issuer.clock();
    for (id, status, seconds) in [("y", 200, 10), ("n", 403, 5)] {
        let target = format!("/orgs/acme/documents/{id}");
        for _ in 0..3 {
            assert_eq!(world.status(&app, &target).await, status);
        }
        clock.advance(Duration::from_millis(seconds * 1000 - 1));
        let again = world.get(&app, &target).await;
        assert_eq!((again.status, world.point.count()), (status, 1), "{id}");
        if status == 403 {
            is_denial(&again);
        }
        clock.advance(Duration::from_millis(1));
        assert_eq!((world.status(&app, &target).await, world.point.count()), (status, 1), "{id}: asked anew");
    }

    // Another subject, organization, resource or scope is another question.
    let target = "/orgs/acme/documents/y";
    assert_eq!((world.status(&app, target).await, world.point.count()), (200, 0));
    let bob = world.api.issuer.organization_resource_token(RESOURCE, "acme").subject("bob").scope("read").mint();
    for (target, token) in [
        (target, bob),
        (target, world.alice("acme", "read write")),
        ("/orgs/other/documents/y", world.alice("other", "read")),
        ("/orgs/acme/documents/y2", world.alice("acme", "read")),
    ] {
        assert_eq!(world.api.ask(&app, "GET", target, Some(&token)).await.status, 200);
        assert_eq!(world.point.count(), 1, "{target}");
    }
}

#[tokio::test]
async fn a_route_remembers_as_it_says() {
    let world = World::new(by_name).await;
    let clock = world.api.issuer.clock();
    let forgetful = world.app(reads().decision_cache(CacheTimes::NONE));
    for (id, status) in [("y", 200), ("n", 403)] {
        for _ in 0..3 {
            assert_eq!(world.status(&forgetful, &format!("/orgs/acme/documents/{id}")).await, status);
            assert_eq!(world.point.count(), 1, "{id}");
        }
    }
    let times = CacheTimes::new(Duration::from_secs(60), Duration::ZERO);
    let long = world.app(reads().decision_cache(times));
    assert_eq!(world.status(&long, "/orgs/acme/documents/y").await, 200);
    clock.advance(Duration::from_secs(59));
    assert_eq!((world.status(&long, "/orgs/acme/documents/y").await, world.point.count()), (200, 1));
    for _ in 0..2 {
        assert_eq!((world.status(&long, "/orgs/acme/documents/n").await, world.point.count()), (403, 1));
    }

    // What the point says for once is for once.
    world.point.answers(|_| Ok(Decision::allow().once()));
    for _ in 0..2 {
        assert_eq!((world.status(&long, "/orgs/acme/documents/y3").await, world.point.count()), (200, 1));
    }

    // Said twice, the shorter time counts.
    world.point.answers(by_name);
    for (id, one, other) in [("y4", times, CacheTimes::NONE), ("y5", CacheTimes::NONE, times)] {
        let app = world.app(reads().decision_cache(one).decision_cache(other));
        for _ in 0..2 {
            assert_eq!(world.status(&app, &format!("/orgs/acme/documents/{id}")).await, 200);
            assert_eq!(world.point.count(), 1, "{id}");
        }
    }
}

#[tokio::test]
async fn a_route_that_remembers_nothing_does_not_use_what_its_handler_remembers() {
    async fn again(decide: Authorizer, Path((_, id)): Path<(String, String)>) -> Result<&'static str, Rejection> {
        decide.check("read", Resource::new("document", id)).await?;
        Ok("text")
    }
    let world = World::new(by_name).await;
    let policy = reads().decision_cache(CacheTimes::NONE);
    let app = world.guard().get(DOCUMENT, again, policy).into_router().unwrap();
    for calls in [2, 1, 1] {
        assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 200);
        assert_eq!(world.point.count(), calls);
    }
}

#[tokio::test]
async fn an_obligation_that_nobody_handled_is_a_denial() {
    let world = World::new(|_| Ok(Decision::allow().with_obligation(Obligation::new("audit")))).await;
    let app = world.app(reads());
    for _ in 0..2 {
        is_denial(&world.get(&app, "/orgs/acme/documents/y").await);
        assert_eq!(world.point.count(), 1);
    }
    is_denial(&world.get(&world.app(reads().dangerous_allow_on_error()), "/orgs/acme/documents/y").await);
    world.point.answers(|_| Ok(Decision::allow().with_obligation(Obligation::new("audit").as_handled())));
    assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 200);
}

#[tokio::test]
async fn every_question_of_a_branch_must_be_allowed() {
    let world = World::new(|asked| {
        let allowed = asked.action() == "read" || asked.resource().id() == "both";
        Ok(if allowed { Decision::allow() } else { Decision::deny() })
    })
    .await;
    let both = in_org().decide("read", "document", path("id")).decide("share", "document", path("id"));
    let app = world.app(both.decision_cache(CacheTimes::NONE));
    assert_eq!(world.status(&app, "/orgs/acme/documents/both").await, 200);
    is_denial(&world.get(&app, "/orgs/acme/documents/one").await);
    let calls = world.point.take();
    let actions: Vec<Vec<&str>> = calls.iter().map(|call| call.iter().map(DecisionRequest::action).collect()).collect();
    assert_eq!(actions, [["read", "share"], ["read", "share"]], "one call for the questions of a clause");

    world.point.answers(|_| Ok(Decision::deny()));
    is_denial(&world.get(&app, "/orgs/acme/documents/both").await);
    assert_eq!(world.point.count(), 1);
}

#[tokio::test]
async fn questions_of_a_clause_have_cache_times_of_their_own_and_its_checks_run_once() {
    let world = World::new(by_name).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = runs.clone();
    let policy = reads().decision_cache(CacheTimes::NONE).decide("share", "document", path("id"));
    let app = world.app(policy.check("not secret", move |facts| {
        counter.fetch_add(1, Ordering::Relaxed);
        facts.path("id") != Some("y-secret")
    }));
    let asked = || {
        let calls = world.point.take();
        calls.iter().map(|call| call.iter().map(|asked| asked.action().to_owned()).collect()).collect()
    };
    let calls: [(u16, &str, Vec<Vec<String>>); 4] = [
        (200, "y", vec![vec!["read".into(), "share".into()]]),
        (200, "y", vec![vec!["read".into()]]),
        (403, "n", vec![vec!["read".into(), "share".into()]]),
        (403, "y-secret", vec![]),
    ];
    for (number, (status, id, expected)) in calls.into_iter().enumerate() {
        assert_eq!(world.status(&app, &format!("/orgs/acme/documents/{id}")).await, status, "{id}");
        let calls: Vec<Vec<String>> = asked();
        assert_eq!(calls, expected, "{id}");
        assert_eq!(runs.load(Ordering::Relaxed), number + 1, "once, though a decision was waited for");
    }
}

#[tokio::test]
async fn another_branch_may_pass() {
    let world = World::new(by_name).await;
    let admin = resource().in_organization(path("org")).scope("admin");
    let app = world.app(reads().or(admin));
    let denied = "/orgs/acme/documents/n";
    assert_eq!(world.api.ask(&app, "GET", denied, Some(&world.alice("acme", "read admin"))).await.status, 200);
    assert_eq!(world.point.count(), 1, "the left one was tried first");
    assert_eq!(world.api.ask(&app, "GET", denied, Some(&world.alice("acme", "admin"))).await.status, 200);
    assert_eq!(world.point.count(), 0);
    assert_eq!(world.status(&app, denied).await, 403);
    assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 200);

    // Either may ask, and what a branch says of its decisions is not said of the other one's.
    let owns = in_org().decide("own", "document", path("id"));
    let app = world.app(reads().dangerous_allow_on_error().or(owns.clone()));
    world.point.answers(|asked| if asked.action() == "own" { down(asked) } else { by_name(asked) });
    assert_eq!(world.status(&app, "/orgs/acme/documents/n2").await, 503);
    world.point.answers(|asked| if asked.action() == "own" { Ok(Decision::allow()) } else { by_name(asked) });
    assert_eq!(world.status(&app, "/orgs/acme/documents/n2").await, 200);
}

#[tokio::test]
async fn a_guard_asks_for_all_its_routes() {
    let world = World::new(by_name).await;
    let inner = world.guard().get("/b", async || "b", resource());
    let app = world
        .guard()
        .get("/a", async || "a", resource())
        .require(decide("use", "application", header("x-application")))
        .nest("/inner", inner)
        .public("/health", get(async || "well"))
        .into_router()
        .unwrap();
    let plain = world.api.token("");
    for (target, body) in [("/a", "a"), ("/inner/b", "b")] {
        for (application, status) in [(Some("y"), 200), (Some("n"), 403), (None, 403)] {
            let mut request = request("GET", target, Some(&plain));
            if let Some(application) = application {
                request.headers_mut().insert("x-application", application.parse().unwrap());
            }
            let answer = world.api.send(&app, request).await;
            assert_eq!((answer.status, answer.body == body), (status, status == 200), "{target} {application:?}");
        }
        assert_eq!(world.point.ids(), [["y"], ["n"]]);
    }
    assert_eq!(world.api.ask(&app, "GET", "/health", None).await.body, "well");
    assert_eq!(world.point.count(), 0);
}

async fn found(decide: Authorizer, Path((_, id)): Path<(String, String)>) -> Result<&'static str, Rejection> {
    decide.check("rename", Resource::new("document", id).property("owner", "bob")).await?;
    Ok("renamed")
}

#[tokio::test]
async fn a_handler_asks_about_what_it_found() {
    let world = World::new(by_name).await;
    let app = world.guard().post(DOCUMENT, found, in_org()).into_router().unwrap();
    let alice = world.alice("acme", "read");
    let ask = async |id: &str| world.api.ask(&app, "POST", &format!("/orgs/acme/documents/{id}"), Some(&alice)).await;

    let answer = ask("y").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "renamed"));
    let asked = world.point.take().remove(0).remove(0);
    assert_eq!((asked.subject_id(), asked.organization_id(), asked.action()), ("alice", Some("acme"), "rename"));
    assert_eq!((asked.http_method(), asked.matched_route()), (Some(&http::Method::POST), Some(DOCUMENT)));
    assert_eq!(asked.resource().properties().map(|(name, _)| name).collect::<Vec<_>>(), ["owner"]);
    assert_eq!((ask("y").await.status, world.point.count()), (200, 0), "remembered");

    is_denial(&ask("n").await);
    world.point.answers(|_| Ok(Decision::allow().with_obligation(Obligation::new("audit"))));
    is_denial(&ask("y2").await);
    world.point.answers(down);
    is_no_decision(&ask("y3").await, "7");
    world.point.answers(broken);
    is_no_decision(&ask("y3").await, "1");
    world.point.take();
    assert_eq!(world.api.ask(&app, "POST", "/orgs/acme/documents/y4", None).await.status, 401);
    assert_eq!(ask("").await.status, 404);
    assert_eq!(world.point.count(), 0);
}

#[tokio::test]
async fn sign_in_that_a_handler_is_told_of_is_asked_for_as_by_a_policy() {
    let world = World::new(|asked| {
        let step_up = StepUp::new(["mfa"], None).unwrap();
        let decision = if asked.resource().id() == "y" { Decision::allow() } else { Decision::deny() };
        Ok(decision.with_step_up(step_up))
    })
    .await;
    let app = world.guard().get(DOCUMENT, async || "text", reads()).post(DOCUMENT, found, in_org());
    let app = app.into_router().unwrap();
    let alice = world.alice("acme", "read");
    for id in ["y", "n"] {
        let target = format!("/orgs/acme/documents/{id}");
        let by_policy = world.api.ask(&app, "GET", &target, Some(&alice)).await;
        let by_handler = world.api.ask(&app, "POST", &target, Some(&alice)).await;
        assert_eq!(by_handler.status, 401);
        assert!(by_handler.challenge().unwrap().contains("insufficient_user_authentication"), "{by_handler:?}");
        assert!(by_handler.challenge().unwrap().contains("acr_values=\"mfa\""), "{by_handler:?}");
        assert_eq!(by_handler.json()["remediation"], "step_up");
        assert_eq!((by_handler.challenge(), by_handler.json()), (by_policy.challenge(), by_policy.json()));
    }

    // Neither a machine nor a user who has signed in like that can do anything about it.
    let token = || world.api.issuer.organization_resource_token(RESOURCE, "acme").scope("read");
    for token in [token().machine("m2m"), token().subject("alice").claim("acr", "mfa")] {
        is_denial(&world.api.ask(&app, "POST", "/orgs/acme/documents/n", Some(&token.mint())).await);
    }
}

#[tokio::test]
async fn a_list_is_asked_about_in_one_go() {
    async fn shown(decide: Authorizer, Path((_, ids)): Path<(String, String)>) -> Result<String, Rejection> {
        let verdicts = decide.check_all("read", ids.split(',').map(|id| Resource::new("document", id))).await?;
        Ok(verdicts.into_iter().map(|allowed| if allowed { '+' } else { '-' }).collect())
    }
    let world = World::new(by_name).await;
    let app = world.guard().get(DOCUMENT, shown, in_org()).into_router().unwrap();
    let ask = async |ids: &str| world.get(&app, &format!("/orgs/acme/documents/{ids}")).await;

    assert_eq!(ask("y1,n1,n2,y2").await.body, "+--+");
    assert_eq!(world.point.ids(), [["y1", "n1", "n2", "y2"]]);
    assert_eq!(ask("n3,y2,y3,n1").await.body, "-++-");
    assert_eq!(world.point.ids(), [["n3", "y3"]], "the others are remembered");
    world.point.answers(down);
    assert_eq!(ask("y1,n1").await.body, "+-");
    is_no_decision(&ask("y1,y4").await, "7");
    world.point.answers(|_| Ok(Decision::allow()));
    world.point.take();
    let many = vec!["y"; MAX_BATCH + 1].join(",");
    is_no_decision(&ask(&many).await, "1");
    assert_eq!(world.point.count(), 0);
}

#[tokio::test]
async fn a_handler_without_anybody_to_ask_is_a_fault_of_the_server() {
    let api = Api::start().await;
    let guard = api.server.guard().get(DOCUMENT, found, resource().in_organization(path("org")));
    let app = guard.into_router().unwrap();
    let token = api.member_token("acme", "read");
    let answer = api.ask(&app, "GET", "/orgs/acme/documents/y", Some(&token)).await;
    assert_eq!((answer.status, answer.challenge()), (500, None));
    assert!(!answer.body.contains("decision"), "{}", answer.body);

    let world = World::new(by_name).await;
    let app = world.guard().public(DOCUMENT, get(found)).into_router().unwrap();
    assert_eq!(world.status(&app, "/orgs/acme/documents/y").await, 500);
    assert_eq!(world.point.count(), 0);
}

#[tokio::test]
async fn what_does_not_start() {
    let world = World::new(by_name).await;
    let fault = |server: &ResourceServer, policy: Policy| {
        let guard: Guard = server.guard().get(DOCUMENT, async || "text", policy);
        guard.into_router().unwrap_err().to_string()
    };
    let without = ResourceServer::builder("https://tenant.logto.app/oidc", RESOURCE).build().unwrap();
    assert!(fault(&without, reads()).contains("no decision point"));
    assert!(fault(&without, in_org().or(reads())).contains("no decision point"));
    assert!(without.require(reads()).unwrap_err().to_string().contains("no decision point"));
    for (policy, said) in [
        (in_org().decide("", "document", path("id")), "has no name"),
        (in_org().decide("read", "", path("id")), "has no name"),
        (in_org().decide("read", "document", any_organization()), "the token names no resource"),
        (in_org().decide("read", "document", path("x")), "the path has no {x}"),
        (in_org().decide("read", "document", path("")), "the name of a path parameter is missing"),
        (in_org().decide("read", "document", header("no header")), "not a header name"),
        (in_org().dangerous_allow_on_error(), "does not use a decision point"),
        (in_org().decision_cache(CacheTimes::NONE), "does not use a decision point"),
        (reads().decision_cache(CacheTimes::new(Duration::from_secs(301), Duration::ZERO)), "more than 300s"),
        (decide("read", "document", path("id")), ""),
    ] {
        let text = policy.to_string();
        let fault = fault(&world.api.server, policy);
        assert!(fault.contains(said), "{text}: {fault}");
    }
    assert_eq!(world.point.count(), 0);
}

#[tokio::test]
async fn what_changes_permissions_drops_decisions() {
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let target = "/orgs/acme/documents/y";
    let asks = async || {
        assert_eq!(world.status(&app, target).await, 200);
        world.point.count()
    };
    let second = std::cell::Cell::new(0);
    let changed = |name: &str, about: About| {
        second.set(second.get() + 1);
        let (entry, at) =
            (world.api.server.issuer(name).unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(second.get()));
        entry.apply_change(&Change::edited(entry.issuer(), about, at)).unwrap();
    };
    world.api.server.add_issuer(Issuer::new("https://other.example").name("other")).unwrap();
    assert_eq!((asks().await, asks().await), (1, 0));
    for change in [
        About::subject("alice"),
        About::organization("acme"),
        About::member("acme", "alice"),
        About::OrganizationTemplate,
        About::ApiPermissions,
        About::Everything,
    ] {
        changed("main", change.clone());
        assert_eq!((asks().await, asks().await), (1, 0), "{change:?}");
    }
    for (name, change) in [
        ("main", About::subject("bob")),
        ("main", About::organization("other")),
        ("main", About::member("acme", "bob")),
        ("other", About::subject("alice")),
        ("other", About::organization("acme")),
    ] {
        changed(name, change.clone());
        assert_eq!(asks().await, 0, "{name} {change:?}");
    }

    // What was allowed is not, from the next request on.
    world.point.answers(|_| Ok(Decision::deny()));
    assert_eq!(world.status(&app, target).await, 200, "remembered");
    changed("main", About::subject("alice"));
    is_denial(&world.get(&app, target).await);
}

#[tokio::test]
async fn an_allow_from_before_a_change_does_not_count() {
    type Forget = fn(&Decider, &IssuerHandle) -> Result<(), IssuerRemoved>;
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let calls = Arc::new(AtomicUsize::new(0));
    let main = world.api.server.issuer("main").unwrap();
    let (decider, handle, counted) = (world.decider.clone(), main.clone(), calls.clone());
    world.point.answers(move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            decider.forget_subject(&handle, "alice").unwrap();
            return Ok(Decision::allow());
        }
        Ok(Decision::deny())
    });
    is_denial(&world.get(&app, "/orgs/acme/documents/y").await);
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    let forget: [(&str, Forget); 3] = [
        ("y2", |decider, main| decider.forget_subject(main, "alice")),
        ("y3", |decider, main| decider.forget_organization(main, "acme")),
        ("y4", |decider, _| {
            decider.forget_all();
            Ok(())
        }),
    ];
    for (id, forget) in forget {
        let (decider, main) = (world.decider.clone(), main.clone());
        world.point.answers(move |_| {
            forget(&decider, &main).unwrap();
            Ok(Decision::allow())
        });
        is_no_decision(&world.get(&app, &format!("/orgs/acme/documents/{id}")).await, "1");
    }
}

/// Decisions are remembered under the name of the entry, which a handle knows.
#[tokio::test]
async fn decisions_of_an_entry_are_forgotten_by_its_handle() {
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let target = "/orgs/acme/documents/y";
    let main = world.api.server.issuer("main").unwrap();
    let other = world.api.server.add_issuer(Issuer::new("https://other.example").name("other")).unwrap();
    for forget in [Decider::forget_subject, Decider::forget_organization] {
        world.point.answers(by_name);
        world.decider.forget_all();
        assert_eq!(world.status(&app, target).await, 200);
        world.point.answers(|_| Ok(Decision::deny()));
        for id in ["alice", "acme"] {
            forget(&world.decider, &other, id).unwrap();
        }
        assert_eq!(world.status(&app, target).await, 200, "of another entry");
        for id in ["alice", "acme"] {
            forget(&world.decider, &main, id).unwrap();
        }
        is_denial(&world.get(&app, target).await);
    }
    other.remove().unwrap();
    let removed = world.decider.forget_subject(&other, "alice").unwrap_err();
    assert_eq!(removed.issuer(), "https://other.example");
    assert!(world.decider.forget_organization(&other, "acme").is_err());
}

#[tokio::test]
async fn an_issuer_that_comes_back_finds_no_decisions() {
    let world = World::new(by_name).await;
    let app = world.app(reads());
    let target = "/orgs/acme/documents/y";
    assert_eq!(world.status(&app, target).await, 200);
    world.point.answers(|_| Ok(Decision::deny()));
    assert_eq!(world.status(&app, target).await, 200, "remembered");
    world.api.server.issuer("main").unwrap().remove().unwrap();
    assert_eq!(world.status(&app, target).await, 401);
    world.api.server.add_issuer(Issuer::new(world.api.issuer.url()).name("main")).unwrap();
    is_denial(&world.get(&app, target).await);
}

#[tokio::test]
async fn over_authzen() {
    let pdp = TestPdp::start().await;
    pdp.judge(|question| {
        question.tenant() == Some("acme") && question.subject_id() == "alice" && question.resource_id() == "y"
    });
    let issuer = TestIssuer::start().await;
    let client = AuthZen::builder(pdp.url()).bearer_token("s3cret").build().unwrap();
    let server = ResourceServer::builder(Issuer::new(issuer.url()).name("main"), RESOURCE)
        .clock(issuer.clock())
        .decision_point(Decider::builder(client).remember(CacheTimes::NONE).build().unwrap())
        .build()
        .unwrap();
    let app: Router = server
        .guard()
        .get(DOCUMENT, async || "text", reads())
        .put(DOCUMENT, async || "text", reads().dangerous_allow_on_error())
        .post(DOCUMENT, found, in_org())
        .into_router()
        .unwrap();
    let api = Api { issuer, server };
    let alice = api.issuer.organization_resource_token(RESOURCE, "acme").subject("alice").scope("read").mint();
    let ask = async |method: &str, id: &str| {
        let answer = api.ask(&app, method, &format!("/orgs/acme/documents/{id}"), Some(&alice)).await;
        assert!(!answer.body.contains("s3cret"));
        answer
    };

    assert_eq!(ask("GET", "y").await.status, 200);
    let question: Value = pdp.take_calls().last().unwrap().json().unwrap();
    assert_eq!((&question["subject"]["id"], &question["action"]["name"]), (&json!("alice"), &json!("read")));
    assert_eq!(question["resource"]["id"], "y");
    assert_eq!((&question["context"]["method"], &question["context"]["route"]), (&json!("GET"), &json!(DOCUMENT)));
    assert_eq!(question["context"]["organization"], "acme");
    is_denial(&ask("GET", "n").await);
    assert_eq!(ask("POST", "y").await.body, "renamed");
    is_denial(&ask("POST", "n").await);

    // A rejected credential is not an outage.
    pdp.fail_always(Fault::Status(401));
    for method in ["GET", "PUT", "POST"] {
        is_no_decision(&ask(method, "y").await, "1");
    }
    pdp.fail_always(Fault::Status(503));
    assert_eq!(
        (ask("GET", "y").await.status, ask("PUT", "y").await.status, ask("POST", "y").await.status),
        (503, 200, 503)
    );
    pdp.recover();
    is_denial(&ask("PUT", "n").await);
}

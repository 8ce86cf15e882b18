//! A request that is granted after a wait, while the service behind is not ready.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use orgate::change::About;
use orgate::decision::{CacheTimes, Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::engine::{Observer, Record};
use orgate::organization::PathParams;
use orgate::policy::{Policy, check, custom, decide, optional, organization, path, resource};
use orgate::server::Builder;
use orgate::testing::{TestClock, TestIssuer};
use orgate::time::Clock as _;
use orgate::tower::RequireLayer;
use orgate::websocket::BrowserTokens;
use orgate::{Issuer, ResourceServer};
use tower::{Layer as _, Service as _};

use crate::authorize::parts;
use crate::shadow::Seen;
use crate::waits::Gate;
use crate::web::{Api, RESOURCE, request};

const PAGE: &str = "https://app.example.com";

/// The status of a request that is granted, then waits for its service while something happens.
async fn status_after(layer: &RequireLayer, request: Request<Body>, event: impl AsyncFnOnce()) -> u16 {
    let gate = Gate::default();
    let response = tokio::spawn(layer.layer(gate.clone()).call(request));
    while !gate.is_awaited() {
        tokio::task::yield_now().await;
    }
    event().await;
    gate.open();
    response.await.unwrap().unwrap().status().as_u16()
}

async fn api(seen: &Seen) -> Api {
    let change = |builder: Builder| builder.observer(seen.clone()).shadow_wait(Duration::from_secs(5));
    Api::configured(change).await
}

fn happens(what: &str, api: &Api) {
    let handle = api.server.issuer(api.issuer.url()).unwrap();
    match what {
        "revoked" => _ = handle.revoke(About::Everyone).unwrap(),
        "renamed" => handle.update(Issuer::new(api.issuer.url()).name("renamed")).unwrap(),
        _ => {}
    }
}

fn handshake(token: &str) -> Request<Body> {
    let request = Request::get("/").header("upgrade", "websocket").header("connection", "Upgrade");
    let request = request.header("origin", PAGE).header("sec-websocket-protocol", format!("orders.v1, bearer.{token}"));
    request.body(Body::empty()).unwrap()
}

/// The first decision takes the token out of the handshake: the second one has it all the same.
#[tokio::test]
async fn token_of_a_handshake_is_known_to_a_later_decision() {
    for (what, status, line) in
        [("nothing", 200, "allow -"), ("renamed", 200, "allow -"), ("revoked", 401, "deny revoked_token")]
    {
        for policy in [optional(resource()), resource()] {
            let seen = Seen::default();
            let api = api(&seen).await;
            let layer = api.server.require(policy).unwrap().with_browser_tokens(&BrowserTokens::new([PAGE])).unwrap();
            let found = status_after(&layer, handshake(&api.token("")), async || happens(what, &api)).await;
            assert_eq!((found, seen.take()), (status, vec![line.to_owned()]), "{what}");
        }
    }
}

#[tokio::test]
async fn code_of_the_application_runs_once_although_the_request_is_decided_again() {
    // A token that is verified anew may say something else: what a check said of it does not count.
    for (what, most_checks) in [("signed in too long ago", 1), ("renamed", 2)] {
        let seen = Seen::default();
        let api = api(&seen).await;
        let [checks, sources] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (checked, read) = (checks.clone(), sources.clone());
        let counted = check("counted", move |_| {
            checked.fetch_add(1, Ordering::SeqCst);
            true
        });
        let source = custom("counted", move |_| {
            read.fetch_add(1, Ordering::SeqCst);
            Some("acme".to_owned())
        });
        let any = organization(source).and(counted);
        let recent = any.clone().max_auth_age(Duration::from_secs(60));
        let layer = api.server.require(recent.or(any.scope("read"))).unwrap();
        let now = api.issuer.clock().now().unix.as_secs();
        let token = api.issuer.organization_token("acme").scope("read").claim("auth_time", now).mint();
        let found = status_after(&layer, request("GET", "/", Some(&token)), async || match what {
            "renamed" => happens(what, &api),
            _ => api.issuer.clock().advance(Duration::from_secs(61)),
        });
        assert_eq!((found.await, seen.take()), (200, vec!["allow -".to_owned()]), "{what}");
        let counts = [checks, sources].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(counts, [most_checks, 1], "{what}");
    }
}

#[tokio::test]
async fn what_is_not_enforced_is_recorded_and_counted_once() {
    let enforced = || resource().scope("read").shadow(resource().scope("write"));
    let only = || resource().scope("read").dangerous_shadow_only();
    for (what, policy, status, line) in [
        ("nothing", enforced(), 200, "allow - | would_deny deny insufficient_scope"),
        ("renamed", enforced(), 200, "allow - | would_deny deny insufficient_scope"),
        ("revoked", enforced(), 401, "deny revoked_token | same deny revoked_token"),
        ("nothing", only(), 200, "allow - | same allow -"),
        ("renamed", only(), 200, "allow - | same allow -"),
        ("revoked", only(), 200, "allow - | would_deny deny revoked_token"),
    ] {
        let seen = Seen::default();
        let api = api(&seen).await;
        let layer = api.server.require(policy).unwrap();
        let request = request("GET", "/", Some(&api.token("read")));
        let found = status_after(&layer, request, async || happens(what, &api)).await;
        assert_eq!((found, seen.take()), (status, vec![line.to_owned()]), "{what}");
        let counts = api.server.shadow_counts();
        assert_eq!(counts.same + counts.would_allow + counts.would_deny + counts.would_differ, 1, "{what}");
    }
}

#[tokio::test]
async fn request_that_ends_before_it_is_passed_on_is_not_recorded_as_allowed() {
    let seen = Seen::default();
    let api = api(&seen).await;
    let gate = Gate::default();
    let mut service = api.server.require(resource()).unwrap().layer(gate.clone());
    let response = tokio::spawn(service.call(request("GET", "/", Some(&api.token("")))));
    while !gate.is_awaited() {
        tokio::task::yield_now().await;
    }
    response.abort();
    assert!(response.await.unwrap_err().is_cancelled());
    assert!(seen.take().is_empty());
}

#[derive(Clone, Default)]
struct Durations(Arc<Mutex<Vec<Duration>>>);

impl Observer for Durations {
    fn decided(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.duration());
    }
}

#[tokio::test]
async fn time_that_the_service_takes_is_not_in_the_duration_of_a_decision() {
    for (what, status) in [("nothing", 200), ("renamed", 200), ("revoked", 401)] {
        let durations = Durations::default();
        let api = Api::configured(|builder| builder.observer(durations.clone())).await;
        let layer = api.server.require(resource()).unwrap();
        let request = request("GET", "/", Some(&api.token("")));
        let found = status_after(&layer, request, async || {
            api.issuer.clock().advance(Duration::from_secs(10));
            happens(what, &api);
        });
        assert_eq!((found.await, &**durations.0.lock().unwrap()), (status, &[Duration::ZERO][..]), "{what}");
    }
}

type Event = Box<dyn FnOnce() + Send>;

/// How a question is answered.
enum Answer {
    /// At once, when so many seconds of the server's clock have passed.
    After(u64),
    /// Likewise, and meanwhile something happens.
    Meanwhile(u64, Event),
    /// After so many timers, one by one: a deadline that is over is noticed at the first.
    Slowly(u32),
}

/// A decision point that allows everything: as it is told to, then slowly.
#[derive(Clone)]
struct Point(TestClock, Arc<Mutex<VecDeque<Answer>>>);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        let answer = self.1.lock().unwrap().pop_front();
        Box::pin(async {
            match answer.unwrap_or(Answer::Slowly(300)) {
                Answer::After(seconds) => self.0.advance(Duration::from_secs(seconds)),
                Answer::Meanwhile(seconds, event) => {
                    self.0.advance(Duration::from_secs(seconds));
                    event();
                }
                Answer::Slowly(timers) => {
                    for _ in 0..timers {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            }
            Ok(Decision::allow())
        })
    }
}

/// A server whose requests may wait for a minute.
struct World {
    api: Api,
    seen: Seen,
    point: Point,
}

impl World {
    async fn new() -> Self {
        let (issuer, seen) = (TestIssuer::start().await, Seen::default());
        let point = Point(issuer.clock(), Arc::default());
        let decider = Decider::builder(point.clone()).remember(CacheTimes::NONE).build().unwrap();
        let builder = ResourceServer::builder(issuer.url(), RESOURCE).clock(issuer.clock()).observer(seen.clone());
        let builder = builder.max_wait(Duration::from_secs(60)).shadow_wait(Duration::from_secs(5));
        let server = builder.decision_point(decider).build().unwrap();
        server.ready().await.unwrap();
        Self { api: Api { issuer, server }, seen, point }
    }

    fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.point.1.lock().unwrap().extend(answers);
    }

    /// Replaces the settings of the entry by others, which mean the same.
    fn rename(&self) -> Event {
        let handle = self.api.server.issuer(self.api.issuer.url()).unwrap();
        let entry = Issuer::new(self.api.issuer.url()).name("renamed");
        Box::new(move || handle.update(entry).unwrap())
    }
}

fn asks(action: &str) -> Policy {
    resource().and(decide(action, "document", path("org")))
}

#[tokio::test]
async fn deadline_of_a_request_goes_on_after_its_service_was_not_ready() {
    // Of the minute that the request may wait, nothing is left, or a half: the time that the service takes does not count.
    for (waited, second, status, line) in
        [(60, Answer::Slowly(300), 503, "undecided unavailable"), (30, Answer::Slowly(50), 200, "allow -")]
    {
        let world = World::new().await;
        world.answers([Answer::After(waited), second]);
        let layer = world.api.server.require(asks("read")).unwrap();
        let mut request = request("GET", "/", Some(&world.api.token("")));
        request.extensions_mut().insert(PathParams::new([("org", "7")]));
        let found = status_after(&layer, request, async || {
            world.api.issuer.clock().advance(Duration::from_secs(300));
            world.rename()();
        });
        assert_eq!((found.await, world.seen.take()), (status, vec![line.to_owned()]));
    }
}

#[tokio::test]
async fn deadline_of_a_request_is_one_for_what_is_enforced_and_what_is_not() {
    for (is_renamed, line) in
        [(true, "undecided unavailable | would_allow allow -"), (false, "allow - | undecided undecided unavailable")]
    {
        let world = World::new().await;
        world.answers(if is_renamed {
            // The answer to the second question is overtaken by the change: it is asked again.
            vec![Answer::After(30), Answer::Meanwhile(30, world.rename()), Answer::After(0)]
        } else {
            vec![Answer::After(60)]
        });
        let requirement = world.api.server.requirement(asks("read").shadow(asks("share"))).unwrap();
        let outcome = requirement.authorize(&mut parts(Some(&world.api.token("")), "7")).await;
        assert_eq!((outcome.is_err(), world.seen.take()), (is_renamed, vec![line.to_owned()]));
    }
}

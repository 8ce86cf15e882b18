//! Two tenants, one with something that hangs: the other one's requests pass as they do while all is quiet.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use orgate::authzen::AuthZen;
use orgate::decision::Decider;
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{Policy, path, resource};
use orgate::server::Builder;
use orgate::testing::{Endpoint, Fault, TestClock, TestIssuer};
use orgate::time::{Clock as _, SystemClock};
use orgate::token::Introspection;
use orgate::{Issuer, ResourceServer};
use serde_json::json;

use crate::support::{API, START, get, issuer_at};

const PDP: &str = "https://pdp.example.com";
/// Requests of the tenant whose latency is measured.
const REQUESTS: usize = 300;
/// Clients of the other tenant, each with one request under way at any time: more than any place takes at once.
const FLOOD: usize = 160;

/// Knows everybody, or never answers.
struct Source {
    hangs: bool,
}

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            if self.hangs {
                pending::<()>().await;
            }
            Ok(Permissions::of(["a"]))
        })
    }
}

/// A decision point that allows everything and never answers about subjects of the hanging tenant, and an introspection
/// endpoint that never answers. Counts what hangs.
struct Network(Arc<AtomicUsize>);

impl Fetch for Network {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let asked = String::from_utf8_lossy(request.body()).into_owned();
            if asked.contains("hanging-") {
                self.0.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            }
            let metadata = json!({ "policy_decision_point": PDP, "access_evaluation_endpoint": format!("{PDP}/e") });
            let answer = if request.method() == http::Method::GET { metadata } else { json!({ "decision": true }) };
            Ok(Response::new(answer.to_string().into()))
        })
    }
}

/// One measurement at a time: the others would be a load.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct World {
    hanging: TestIssuer,
    good: TestIssuer,
    asked: Arc<AtomicUsize>,
}

impl World {
    async fn new() -> Self {
        let clock = TestClock::new(START);
        let (hanging, good) = (issuer_at(&clock).await, issuer_at(&clock).await);
        Self { hanging, good, asked: Arc::default() }
    }

    fn client(&self) -> HttpClient {
        HttpClient::custom(Network(self.asked.clone()))
    }

    /// Both tenants' keys are given, unless they are what hangs.
    fn entry(issuer: &TestIssuer, name: &str) -> Issuer {
        Issuer::new(issuer.url()).name(name).jwks_json(issuer.jwks_json())
    }

    fn app(&self, hanging: Issuer, good: Issuer, more: impl FnOnce(Builder) -> Builder, policy: Policy) -> Router {
        let builder = ResourceServer::builder(hanging, API).issuer(good).clock(self.good.clock());
        // What is measured is the other tenant's patience, not that of the machine.
        let builder = more(builder.verification_queue(1024, Duration::from_secs(10)));
        builder.build().unwrap().guard().get("/{id}", async || "", policy.any_issuer()).into_router().unwrap()
    }

    /// The statuses of the good tenant's requests, each with a token and an object of its own, and the p99 of their time.
    async fn measure(&self, app: &Router, round: &str) -> Duration {
        let (clock, mut times) = (SystemClock::new(), Vec::new());
        for number in 0..REQUESTS {
            let token = self.good.resource_token(API).subject(format!("good-{round}-{number}")).scope("a").mint();
            let began = clock.now().monotonic;
            let status = get(app, &format!("/{round}-{number}"), &token).await;
            times.push(clock.now().monotonic - began);
            assert_eq!(status, StatusCode::OK, "{round}, request {number}");
        }
        times.sort_unstable();
        times[REQUESTS * 99 / 100]
    }

    /// Measures while all is quiet, and while many clients of the hanging tenant wait.
    async fn compare(&self, what: &str, app: &Router, token: impl Fn(usize) -> String) {
        self.compare_after(what, app, token, || {}).await;
    }

    /// The same; something happens once the clients wait.
    async fn compare_after(&self, what: &str, app: &Router, token: impl Fn(usize) -> String, happens: impl FnOnce()) {
        let _alone = ALONE.lock().await;
        let quiet = self.measure(app, "quiet").await;
        let (over, wrong, begun) =
            (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let clients: Vec<_> = (0..FLOOD)
            .map(|number| {
                let (app, token) = (app.clone(), token(number));
                let (over, wrong, begun) = (over.clone(), wrong.clone(), begun.clone());
                tokio::spawn(async move {
                    // Not all at once: their time would be over at once, too.
                    tokio::time::sleep(Duration::from_millis(10) * u32::try_from(number).unwrap()).await;
                    while !over.load(Ordering::SeqCst) {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let status = get(&app, &format!("/h-{number}"), &token).await;
                        if status.is_success() {
                            wrong.fetch_add(1, Ordering::SeqCst);
                        }
                        // What is measured is a hang, not a flood: that would cost the processor's time, too.
                        tokio::time::sleep(Duration::from_millis(250)).await;
                    }
                })
            })
            .collect();
        while begun.load(Ordering::SeqCst) < FLOOD {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        happens();
        let beside = self.measure(app, "beside").await;
        over.store(true, Ordering::SeqCst);
        clients.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(wrong.load(Ordering::SeqCst), 0, "what hangs lets nobody in");
        let ratio = beside.as_secs_f64() / quiet.as_secs_f64();
        println!(
            "{what} hangs: p99 of the other tenant {quiet:?} quiet, {beside:?} beside {FLOOD} clients ({ratio:.2} times)"
        );
    }

    fn hanging_token(&self, number: usize) -> String {
        self.hanging.resource_token(API).subject(format!("hanging-{number}")).scope("a").mint()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_hangs_is_its_own_tenants_matter() {
    let world = World::new().await;
    let hanging = World::entry(&world.hanging, "hanging").permissions(Source { hangs: true });
    let good = World::entry(&world.good, "good").permissions(Source { hangs: false });
    let app = world.app(hanging, good, |builder| builder, resource().scope("a").live());
    world.compare("a permission source", &app, |number| world.hanging_token(number)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_point_that_hangs_for_one_tenant_is_that_tenants_matter() {
    let world = World::new().await;
    let point = AuthZen::builder(PDP).http_client(world.client()).build().unwrap();
    let decider = Decider::builder(point).build().unwrap();
    let app = world.app(
        World::entry(&world.hanging, "hanging"),
        World::entry(&world.good, "good"),
        |builder| builder.decision_point(decider),
        resource().scope("a").decide("read", "document", path("id")),
    );
    world.compare("a decision point", &app, |number| world.hanging_token(number)).await;
    assert!(world.asked.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_hangs_is_its_own_tenants_matter() {
    let world = World::new().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Keys] {
        world.hanging.fail_always(endpoint, Fault::Hang);
    }
    // The other one fetches its keys too, from a server that answers.
    let (hanging, good) =
        (Issuer::new(world.hanging.url()).name("hanging"), Issuer::new(world.good.url()).name("good"));
    let app = world.app(hanging, good, |builder| builder, resource().scope("a"));
    // Its keys end meanwhile, so it needs others while those of the hanging one are waited for.
    let expire = || world.good.clock().advance(Duration::from_secs(11 * 60));
    world.compare_after("an issuer", &app, |number| world.hanging_token(number), expire).await;
    assert_eq!(world.good.requests(Endpoint::Keys), 2, "once at the beginning, and once beside the hanging one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_introspection_endpoint_that_hangs_is_its_own_tenants_matter() {
    let world = World::new().await;
    let introspection = Introspection::new("https://hanging.example.com/introspection", "api", "secret");
    let hanging = World::entry(&world.hanging, "hanging").introspection(introspection);
    let client = world.client();
    let more = |builder: Builder| builder.http_client(client);
    let app = world.app(hanging, World::entry(&world.good, "good"), more, resource().scope("a"));
    world.compare("an introspection endpoint", &app, |number| format!("hanging-opaque-token-{number}")).await;
    assert!(world.asked.load(Ordering::SeqCst) > 0);
}

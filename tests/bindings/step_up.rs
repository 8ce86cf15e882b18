//! Step-up (RFC 9470): how and when a user must have signed in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, Version};
use orgate::decision::{Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest, Property};
use orgate::issuer::claim_path;
use orgate::policy::{Policy, claim, decide, header, max_auth_age, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation, StepUp};
use orgate::testing::{TestClock, TestIssuer, TokenBuilder};
use orgate::time::Clock as _;
use orgate::token::binding::Dpop;
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

use super::support::{ALGORITHMS, API, BEARER, ORDERS, Seen, request, send, whose};

const ERROR: &str = "Bearer error=\"insufficient_user_authentication\"";
const REST: &str = "error_description=\"The user must sign in again: the sign-in behind the access token is too weak or too \
                    old.\", realm=\"https://api.example.com\"";
const NONE: (u16, &str) = (403, "none");
const STEP_UP: (u16, &str) = (401, "step_up");

struct World {
    issuer: TestIssuer,
    server: ResourceServer,
}

impl World {
    async fn start() -> Self {
        Self::of(|issuer| issuer).await
    }

    async fn of(change: impl FnOnce(Issuer) -> Issuer) -> Self {
        let issuer = issuer().await;
        let server = ResourceServer::builder(change(Issuer::new(issuer.url())), API).clock(issuer.clock());
        Self { server: server.build().unwrap(), issuer }
    }

    fn app(&self, policy: Policy) -> Router {
        self.server.guard().get("/orders", whose, policy).into_router().unwrap()
    }

    fn now(&self) -> u64 {
        self.issuer.clock().now().unix.as_secs()
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.resource_token(API).scope("read:orders")
    }

    /// Of a user who signed in so many seconds ago, by this context.
    fn signed_in(&self, acr: &str, ago: u64) -> String {
        self.token().claim("acr", acr).claim("auth_time", self.now() - ago).mint()
    }

    fn pass(&self, seconds: u64) {
        self.issuer.clock().advance(Duration::from_secs(seconds));
    }
}

/// At a whole second: ages are exact.
async fn issuer() -> TestIssuer {
    TestIssuer::builder().clock(TestClock::new(Duration::from_secs(1_800_000_000))).start().await
}

async fn ask(app: &Router, token: &str) -> Seen {
    send(app, request("GET", "/orders", "Bearer", token, &[])).await
}

impl Seen {
    fn body(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status, and what the client can do about it.
    fn verdict(&self) -> (u16, String) {
        if self.status == 200 { (200, String::new()) } else { (self.status, self.remediation()) }
    }
}

#[track_caller]
fn is(seen: &Seen, (status, remediation): (u16, &str)) {
    assert_eq!(seen.verdict(), (status, remediation.to_owned()), "{seen:?}");
}

#[tokio::test]
async fn sign_in_that_is_missing_odd_or_of_another_context_is_asked_for() {
    let world = World::start().await;
    let app = world.app(resource().any_acr(["gold", "urn:example:loa:3"]));
    for acr in ["gold", "urn:example:loa:3"] {
        assert_eq!(ask(&app, &world.token().claim("acr", acr).mint()).await.status, 200, "{acr}");
    }
    for acr in [
        Value::Null,
        json!("silver"),
        json!("Gold"),
        json!("gold "),
        json!("gold urn:example:loa:3"),
        json!(""),
        json!(["gold"]),
        json!({ "gold": true }),
        json!(3),
        json!(true),
    ] {
        let seen = ask(&app, &world.token().subject(acr.to_string()).claim("acr", acr.clone()).mint()).await;
        is(&seen, STEP_UP);
        assert_eq!(seen.challenges(), [format!("{ERROR}, acr_values=\"gold urn:example:loa:3\", {REST}")], "{acr}");
        assert_eq!(
            seen.body(),
            json!({
                "title": "Unauthorized", "status": 401, "error": "insufficient_user_authentication",
                "detail": "The user must sign in again: the sign-in behind the access token is too weak or too old.",
                "remediation": "step_up", "acr_values": ["gold", "urn:example:loa:3"],
            })
        );
    }
    is(&ask(&app, &world.token().subject("without").mint()).await, STEP_UP);
}

#[tokio::test]
async fn sign_in_that_is_missing_odd_or_too_long_ago_is_asked_for() {
    let world = World::start().await;
    let app = world.app(resource().max_auth_age(Duration::from_secs(300)));
    let now = world.now();
    let at = |time: Value| world.token().subject(time.to_string()).claim("auth_time", time).mint();
    for time in [json!(now), json!(now - 300), json!(now + 60), json!(1_800_000_000.0 - 299.5)] {
        assert_eq!(ask(&app, &at(time.clone())).await.status, 200, "{time}");
    }
    for time in [
        json!(now - 301),
        json!(1_800_000_000.0 - 300.5),
        json!(now + 61),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(now.to_string()),
        json!([now]),
        json!(true),
        Value::Null,
    ] {
        let seen = ask(&app, &at(time.clone())).await;
        is(&seen, STEP_UP);
        assert_eq!(seen.challenges(), [format!("{ERROR}, max_age=\"300\", {REST}")], "{time}");
        assert_eq!((&seen.body()["max_age"], &seen.body()["acr_values"]), (&json!(300), &Value::Null));
    }
    is(&ask(&app, &world.token().subject("without").mint()).await, STEP_UP);
    // What another route does not ask for is no fault of the token.
    let app = world.app(resource());
    let odd = world.token().claim("acr", 7).claim("auth_time", "yesterday").mint();
    assert_eq!(ask(&app, &odd).await.status, 200);
}

/// One sign-in must be enough: what the clause requires beside is named too.
#[tokio::test]
async fn challenge_names_all_that_the_clause_requires_of_a_sign_in_and_scopes_only_if_one_is_missing() {
    let world = World::start().await;
    let policy = resource().all_of(["read:orders", "write:orders"]).acr("gold").max_auth_age(Duration::from_secs(60));
    let app = world.app(policy);
    let both = "acr_values=\"gold\", max_age=\"60\"";
    let good = |scope: &str| world.issuer.resource_token(API).scope(scope);
    for (token, expected) in [
        (good("read:orders write:orders").claim("acr", "gold").claim("auth_time", world.now() - 61), String::new()),
        (good("read:orders write:orders").claim("acr", "silver").claim("auth_time", world.now()), String::new()),
        (good("read:orders"), ", scope=\"read:orders write:orders\"".to_owned()),
    ] {
        let seen = ask(&app, &token.mint()).await;
        is(&seen, STEP_UP);
        assert_eq!(seen.challenges(), [format!("{ERROR}, {both}{expected}, {REST}")]);
        let missing = if expected.is_empty() { Value::Null } else { json!(["write:orders"]) };
        assert_eq!(seen.body()["missing_scopes"], missing);
    }
    let signed_in = good("read:orders").claim("acr", "gold").claim("auth_time", world.now()).mint();
    is(&ask(&app, &signed_in).await, (403, "request_scope"));
}

/// Only who holds a valid token learns what is required (RFC 9470 section 9).
#[tokio::test]
async fn token_that_is_not_valid_learns_nothing_of_the_sign_in_that_is_required() {
    let world = World::start().await;
    let app = world.app(resource().scope("read:orders").acr("gold").max_auth_age(Duration::from_secs(60)));
    let other = world.issuer.resource_token("https://other.example").mint();
    for token in [
        world.token().forged().mint(),
        world.token().expired().mint(),
        world.token().tampered().mint(),
        world.token().unsigned().mint(),
        other,
        "x.y.z".to_owned(),
    ] {
        let seen = ask(&app, &token).await;
        assert_eq!((seen.status, &seen.body()["error"]), (401, &json!("invalid_token")), "{seen:?}");
        let said = format!("{:?}{}", seen.headers, seen.body);
        assert!(!said.contains("acr") && !said.contains("max_age") && !said.contains("gold"), "{said}");
    }
    let none = send(&app, Request::get("/orders").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (none.status, none.challenges()),
        (401, vec!["Bearer scope=\"read:orders\", realm=\"https://api.example.com\""])
    );
}

#[tokio::test]
async fn organization_is_judged_before_the_sign_in_and_scopes_after_it() {
    let world = World::start().await;
    let policy = |hidden: bool| {
        let policy = organization(path("org")).scope("a").acr("gold");
        if hidden { policy.hide_organization() } else { policy }
    };
    let guard = world.server.guard().get("/open/{org}", whose, policy(false)).get("/hidden/{org}", whose, policy(true));
    let app = guard.into_router().unwrap();
    let token = world.issuer.organization_token("acme").scope("b").mint();
    let ask = async |path: &str| send(&app, request("GET", path, "Bearer", &token, &[])).await;
    is(&ask("/open/other").await, (403, "organization_token"));
    is(&ask("/hidden/other").await, (404, "none"));
    for path in ["/open/acme", "/hidden/acme"] {
        let seen = ask(path).await;
        is(&seen, STEP_UP);
        assert_eq!(seen.challenges(), [format!("{ERROR}, acr_values=\"gold\", scope=\"a\", {REST}")]);
    }
}

#[tokio::test]
async fn client_whose_new_tokens_do_not_show_it_is_told_none_and_a_machine_at_once() {
    let world = World::start().await;
    let app = world.app(resource().acr("gold"));
    let first = world.token().claim("acr", "silver").mint();
    is(&ask(&app, &first).await, STEP_UP);
    for expected in [STEP_UP, STEP_UP, NONE, NONE] {
        world.pass(5);
        let token = world.token().claim("acr", "silver").mint();
        for _ in 0..3 {
            is(&ask(&app, &token).await, expected);
        }
    }
    let seen = ask(&app, &world.token().mint()).await;
    is(&seen, NONE);
    assert_eq!(seen.challenges(), [BEARER]);
    // A good token passes at any time, and what was said to others stays.
    assert_eq!(ask(&app, &world.signed_in("gold", 0)).await.status, 200);
    is(&ask(&app, &first).await, STEP_UP);
    is(&ask(&app, &world.token().subject("another user").mint()).await, STEP_UP);
    is(&ask(&app, &world.token().client("another-client").mint()).await, STEP_UP);

    let machine = world.issuer.resource_token(API).machine("cron");
    for _ in 0..2 {
        let seen = ask(&app, &machine.mint()).await;
        is(&seen, NONE);
        assert_eq!(seen.challenges(), [BEARER]);
    }
    assert_eq!(ask(&app, &machine.claim("acr", "gold").mint()).await.status, 200, "what it says counts");
}

/// The sign-in ages while the token is known.
#[tokio::test]
async fn known_token_is_judged_by_the_time_of_the_request() {
    let world = World::start().await;
    let app = world.app(resource().max_auth_age(Duration::from_secs(300)));
    let token = world.signed_in("x", 0);
    for _ in 0..3 {
        assert_eq!(ask(&app, &token).await.status, 200);
        world.pass(100);
    }
    assert_eq!(ask(&app, &token).await.status, 200, "300 s are not more than 300 s");
    world.pass(1);
    is(&ask(&app, &token).await, STEP_UP);
    // Good once, and good again by another sign-in: that goes on for as long as its user does.
    for _ in 0..8 {
        let token = world.signed_in("x", 0);
        assert_eq!(ask(&app, &token).await.status, 200);
        world.pass(301);
        is(&ask(&app, &token).await, STEP_UP);
    }
}

#[tokio::test]
async fn of_several_clauses_the_nearest_to_passing_decides() {
    let world = World::start().await;
    let gold = || resource().acr("gold");
    for (policy, expected) in [
        (gold().or(organization(header("x-org"))), STEP_UP),
        (organization(header("x-org")).or(gold()), STEP_UP),
        (gold().or(resource().and(claim("plan", "pro"))), STEP_UP),
        (resource().and(claim("plan", "pro")).or(gold()), STEP_UP),
        (gold().or(resource().scope("other")), (403, "request_scope")),
        (resource().scope("other").or(gold()), (403, "request_scope")),
        (gold().or(resource().acr("silver")), (200, "")),
        (gold().or(resource().scope("read:orders")), (200, "")),
    ] {
        let token = world.token().subject(policy.to_string()).claim("acr", "silver").mint();
        let seen = ask(&world.app(policy.clone()), &token).await;
        assert_eq!(seen.verdict(), (expected.0, expected.1.to_owned()), "{policy}");
    }
    // Leftmost of two that are as near.
    let app = world.app(gold().or(resource().acr("platinum")));
    let seen = ask(&app, &world.token().mint()).await;
    assert!(seen.challenges()[0].contains("acr_values=\"gold\""), "{seen:?}");
    // A machine goes on to what it can do something about.
    let app = world.app(gold().or(organization(header("x-org"))));
    is(&ask(&app, &world.issuer.resource_token(API).machine("cron").mint()).await, (403, "organization_token"));
    // Once nothing helps, no other model sends a client to and fro.
    let app = world.app(gold().or(organization(header("x-org"))));
    let mut heard = Vec::new();
    for _ in 0..4 {
        world.pass(5);
        heard.push(ask(&app, &world.token().subject("stubborn").mint()).await.verdict().1);
    }
    assert_eq!(heard, ["step_up", "step_up", "step_up", "none"]);
}

/// Which clause a conversation is about shows only once no other one has passed.
#[tokio::test]
async fn conversation_of_a_clause_does_not_go_on_while_another_one_passes() {
    let world = World::start().await;
    let app = world.app(resource().acr("gold").or(resource().scope("read:orders")));
    for _ in 0..6 {
        world.pass(5);
        assert_eq!(ask(&app, &world.token().mint()).await.status, 200);
    }
    let without = world.issuer.resource_token(API);
    is(&ask(&app, &without.mint()).await, (403, "request_scope"));
    let only = world.app(resource().acr("gold"));
    is(&ask(&only, &world.token().mint()).await, STEP_UP);
}

#[tokio::test]
async fn names_of_the_claims_are_settings_of_the_issuer() {
    let world = World::of(|issuer| {
        issuer.acr_claim("https://example.com/level").auth_time_claim(claim_path(["session", "at"]))
    })
    .await;
    let app = world.app(resource().acr("gold").max_auth_age(Duration::from_secs(60)));
    let now = world.now();
    let level = |token: TokenBuilder| token.claim("https://example.com/level", "gold");
    let good = level(world.token()).claim("session", json!({ "at": now })).mint();
    assert_eq!(ask(&app, &good).await.status, 200);
    for token in [
        world.token().claim("acr", "gold").claim("auth_time", now),
        level(world.token()).claim("auth_time", now),
        level(world.token()).claim("session", now),
        level(world.token()).claim("session", json!({ "at": now.to_string() })),
        world.token().claim("acr", "gold").claim("session", json!({ "at": now })),
    ] {
        is(&ask(&app, &token.subject("another").mint()).await, STEP_UP);
        world.pass(1000);
    }
    for bad in
        [Issuer::new("https://issuer.example").acr_claim(""), Issuer::new("https://issuer.example").auth_time_claim("")]
    {
        let fault = ResourceServer::builder(bad, API).build().unwrap_err().to_string();
        assert!(fault.contains("a claim without a name") && fault.contains("https://issuer.example"), "{fault}");
    }
}

#[tokio::test]
async fn step_up_of_a_bound_token_is_asked_for_on_the_scheme_that_was_tried() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).dpop(Dpop::new(API)).build().unwrap();
    let app = server.guard().get("/orders", whose, resource().acr("gold")).into_router().unwrap();
    let key = issuer.proof_key();
    let token = issuer.resource_token(API).bound_to(&key).mint();
    let proof = key.proof("GET", ORDERS, &token).mint();
    let sent = || send(&app, request("GET", "/orders", "DPoP", &token, &[&proof]));
    let challenge = format!("{ALGORITHMS}, error=\"insufficient_user_authentication\", acr_values=\"gold\", {REST}");
    for _ in 0..2 {
        // What is rejected uses no proof.
        let seen = sent().await;
        is(&seen, STEP_UP);
        assert_eq!(seen.challenges(), [&*challenge, BEARER]);
    }
}

#[tokio::test]
async fn grpc_call_receives_unauthenticated_with_the_challenge() {
    let world = World::start().await;
    let app = world
        .app(resource())
        .merge(world.server.guard().post("/shop.Orders/List", whose, resource().acr("gold")).into_router().unwrap());
    let call = Request::post("/shop.Orders/List")
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {}", world.token().mint()));
    let seen = send(&app, call.body(Body::empty()).unwrap()).await;
    let header = |name: &str| seen.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((seen.status, header("grpc-status"), &*seen.body), (200, "16", ""), "{seen:?}");
    assert!(header("grpc-message").contains("sign in again"), "{seen:?}");
    assert_eq!(seen.challenges(), [format!("{ERROR}, acr_values=\"gold\", {REST}")]);
}

#[tokio::test]
async fn rejection_and_explanation_say_what_is_required() {
    let world = World::start().await;
    let requirement = world.server.requirement(resource().acr("gold").max_auth_age(Duration::from_secs(60))).unwrap();
    let parts = || {
        let token = world.token().claim("acr", "gold").claim("auth_time", world.now() - 100).mint();
        let request = Request::get("/orders").header("authorization", format!("Bearer {token}")).body(());
        request.unwrap().into_parts().0
    };
    let rejection = requirement.authorize(&mut parts()).await.unwrap_err();
    assert_eq!(
        (rejection.kind(), rejection.remediation()),
        (RejectionKind::InsufficientUserAuthentication, Remediation::StepUp)
    );
    assert_eq!(rejection.step_up(), Some(&StepUp::new(["gold"], Some(Duration::from_secs(60))).unwrap()));
    let explanation = requirement.explain(&mut parts()).await;
    let failed = explanation.failed_step().unwrap();
    assert_eq!(
        (failed.name.as_str(), &*failed.expected, failed.found.split(':').next()),
        ("auth_age", "max-auth-age 60s", Some("the user signed in 100 s ago"))
    );
    assert_eq!(explanation.remediation, Some("step_up"));
    // An explanation takes no step of the conversation.
    for _ in 0..5 {
        world.pass(5);
        assert_eq!(requirement.explain(&mut parts()).await.remediation, Some("step_up"));
    }
    is(
        &ask(&world.app(resource().acr("gold").max_auth_age(Duration::from_secs(60))), &world.token().mint()).await,
        STEP_UP,
    );
}

/// Answers as it is told, and takes down what it was told of the sign-in.
#[derive(Clone)]
struct Point(Arc<Mutex<(Decision, Vec<Told>)>>);

/// `acr` and `auth_time`.
type Told = (Option<String>, Option<i64>);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        let of = |name: &str| request.subject_properties().find(|(known, _)| *known == name).map(|(_, value)| value);
        let acr = of("acr").and_then(|acr| acr.as_str()).map(str::to_owned);
        let told = (acr, of("auth_time").and_then(Property::as_i64));
        let mut state = self.0.lock().unwrap();
        state.1.push(told);
        let decision = state.0.clone();
        Box::pin(std::future::ready(Ok(decision)))
    }
}

#[tokio::test]
async fn advice_of_a_decision_point_is_asked_of_the_client_and_never_allows() {
    let issuer = issuer().await;
    let advice = |acr: &[&str], age: Option<u64>| StepUp::new(acr, age.map(Duration::from_secs)).unwrap();
    let point = Point(Arc::new(Mutex::new((Decision::deny(), Vec::new()))));
    let decider = Decider::builder(point.clone()).clock(issuer.clock()).build().unwrap();
    let builder = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).decision_point(decider.clone());
    let world = World { server: builder.build().unwrap(), issuer };
    let app =
        world.app(resource().max_auth_age(Duration::from_secs(3600)).and(decide("read", "order", header("x-order"))));
    let ask = async |token: &str| {
        let mut request = request("GET", "/orders", "Bearer", token, &[]);
        request.headers_mut().insert("x-order", "o-1".parse().unwrap());
        send(&app, request).await
    };
    let says = |decision: Decision| {
        point.0.lock().unwrap().0 = decision;
        decider.forget_all();
    };
    let silver = world.signed_in("silver", 10);
    for allow in [false, true] {
        let decision = if allow { Decision::allow() } else { Decision::deny() };
        says(decision.with_step_up(advice(&["gold"], None)));
        for _ in 0..2 {
            // The second time it is remembered.
            let seen = ask(&silver).await;
            is(&seen, STEP_UP);
            // With what the clause requires itself.
            assert_eq!(seen.challenges(), [format!("{ERROR}, acr_values=\"gold\", max_age=\"3600\", {REST}")]);
        }
        // What a new sign-in does not change.
        is(&ask(&world.signed_in("gold", 10)).await, NONE);
        let machine = world.issuer.resource_token(API).machine("cron").claim("auth_time", world.now());
        is(&ask(&machine.mint()).await, NONE);
    }
    says(Decision::deny().with_step_up(advice(&[], Some(5))));
    assert_eq!(ask(&silver).await.challenges(), [format!("{ERROR}, max_age=\"5\", {REST}")]);
    is(&ask(&world.signed_in("silver", 5)).await, NONE);
    says(Decision::deny());
    is(&ask(&silver).await, NONE);
    says(Decision::allow());
    assert_eq!(ask(&silver).await.status, 200);
    let told = point.0.lock().unwrap().1.clone();
    let now = i64::try_from(world.now()).unwrap();
    assert!(told.contains(&(Some("silver".to_owned()), Some(now - 10))), "{told:?}");

    // The conversation ends here too.
    says(Decision::deny().with_step_up(advice(&["platinum"], None)));
    let mut heard = Vec::new();
    for _ in 0..4 {
        world.pass(5);
        heard.push(ask(&world.token().subject("s").claim("auth_time", world.now()).mint()).await.verdict().1);
    }
    assert_eq!(heard, ["step_up", "step_up", "step_up", "none"]);

    // And where the age differs each time.
    let mut heard = Vec::new();
    for age in 100..104 {
        world.pass(5);
        says(Decision::deny().with_step_up(advice(&["platinum"], Some(age))));
        heard.push(ask(&world.token().subject("t").claim("auth_time", world.now()).mint()).await.verdict().1);
    }
    assert_eq!(heard, ["step_up", "step_up", "step_up", "none"]);
}

#[tokio::test]
async fn policies_that_contradict_themselves_are_config_errors() {
    let world = World::start().await;
    let second = Duration::from_secs(1);
    for (policy, expected) in [
        (resource().acr(""), "acr \"\""),
        (resource().acr("a b"), "\"a b\""),
        (resource().acr("a\"b"), "acr \"a\\\"b\""),
        (resource().any_acr([""; 0]), "an empty list of values"),
        (resource().acr("a").acr("b"), "one authentication context"),
        (resource().any_acr(["a", "b"]).and(orgate::policy::any_acr(["c"])), "(acr any of [a b]) and (acr c)"),
        (resource().any_acr((0..17).map(|number| number.to_string())), "17 values"),
        (resource().max_auth_age(Duration::ZERO), "max-auth-age 0ns"),
        (resource().max_auth_age(Duration::from_millis(1500)), "max-auth-age 1.5s"),
        (resource().max_auth_age(365 * 24 * 3600 * second + second), "max-auth-age 31536001s"),
    ] {
        let fault = world.server.requirement(policy).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault} should contain {expected}");
    }
    let both = resource().any_acr(["a", "b", "c"]).and(orgate::policy::any_acr(["c", "b"]));
    let text =
        |policy: Policy| world.server.requirement(policy.any_issuer()).unwrap().describe().clauses[0].text.clone();
    assert_eq!(text(both), "resource and any issuer and acr any of [b c]");
    let shorter = resource().max_auth_age(60 * second).and(max_auth_age(30 * second));
    assert_eq!(text(shorter), "resource and any issuer and max-auth-age 30s");
}

#[tokio::test]
async fn headers_of_a_challenge_hold_no_text_of_the_token() {
    let world = World::start().await;
    let app = world.app(resource().acr("gold"));
    let seen = ask(&app, &world.token().claim("acr", "x\", injected=\"1\r\nset-cookie: a=b").mint()).await;
    is(&seen, STEP_UP);
    let all: &HeaderMap = &seen.headers;
    assert!(!format!("{all:?}{}", seen.body).contains("injected"), "{seen:?}");
}

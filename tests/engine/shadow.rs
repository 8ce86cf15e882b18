//! Policies that are judged and not enforced: they are recorded, and change nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::get;
use orgate::change::About;
use orgate::decision::{Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::engine::{Agreement, Grant, Observer, Outcome, Record, ShadowCounts};
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{Policy, check, custom, decide, optional, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::token::binding::Dpop;
use orgate::{AccessToken, Issuer, Organization, ResourceServer};

use crate::authorize::parts;
use crate::web::{Api, RESOURCE};

/// What was recorded: outcome, kind, clause, and of the shadow agreement, outcome, kind, clause.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>);

impl Observer for Seen {
    fn decided(&self, record: &Record<'_>) {
        let kind = |kind: Option<RejectionKind>| kind.map_or("-", RejectionKind::as_str);
        let mut line = format!("{} {}", record.outcome().as_str(), kind(record.kind()));
        if let Some(shadow) = record.shadow() {
            self.1.lock().unwrap().push(shadow.detail().unwrap_or_default().to_owned());
            let (agreement, outcome) = (shadow.agreement().as_str(), shadow.outcome().as_str());
            line = format!("{line} | {agreement} {outcome} {}", kind(shadow.kind()));
        }
        self.0.lock().unwrap().push(line);
    }
}

impl Seen {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Why shadows did not pass.
    fn details(&self) -> Vec<String> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

async fn api(seen: &Seen) -> Api {
    Api::configured(|builder| builder.observer(seen.clone())).await
}

#[tokio::test]
async fn disagreements_are_recorded_and_counted_and_change_no_response() {
    let seen = Seen::default();
    let api = api(&seen).await;
    let policy = resource().scope("a").shadow(resource().scope("b"));
    let both = api.server.requirement(policy).unwrap();
    let (a, b, ab, none) = (api.token("a"), api.token("b"), api.token("a b"), api.token(""));
    let bad = api.issuer.resource_token(RESOURCE).forged().mint();
    for (token, passes, line) in [
        (Some(&a), true, "allow - | would_deny deny insufficient_scope"),
        (Some(&b), false, "deny insufficient_scope | would_allow allow -"),
        (Some(&ab), true, "allow - | same allow -"),
        (Some(&none), false, "deny insufficient_scope | same deny insufficient_scope"),
        (Some(&bad), false, "deny invalid_token | same deny invalid_token"),
        (None, false, "deny missing_token | same deny missing_token"),
    ] {
        let outcome = both.authorize(&mut parts(token.map(|token| &**token), "")).await;
        assert_eq!((outcome.is_ok(), seen.take()), (passes, vec![line.to_owned()]));
    }
    let expected = (1, 1, 4);
    let ShadowCounts { would_allow, would_deny, same, .. } = api.server.shadow_counts();
    assert_eq!((would_allow, would_deny, same), expected);

    let other_kind = resource().scope("a").shadow(organization(path("org")));
    let other_kind = api.server.requirement(other_kind).unwrap();
    other_kind.authorize(&mut parts(Some(&b), "acme")).await.unwrap_err();
    assert_eq!(seen.take(), ["deny insufficient_scope | would_differ deny wrong_model"]);
    assert_eq!(api.server.shadow_counts().would_differ, 1);
}

#[tokio::test]
async fn a_missing_token_is_judged_by_what_is_optional() {
    let seen = Seen::default();
    let api = api(&seen).await;
    for (policy, line) in [
        (optional(resource()).shadow(resource()), "allow - | would_deny deny missing_token"),
        (resource().shadow(optional(resource())), "deny missing_token | would_allow allow -"),
        (optional(resource()).shadow(optional(resource().scope("a"))), "allow - | same allow -"),
    ] {
        let requirement = api.server.requirement(policy).unwrap();
        let outcome = requirement.authorize(&mut parts(None, "")).await;
        assert_eq!(outcome.is_ok(), line.starts_with("allow"));
        assert_eq!(seen.take(), [line]);
    }
}

#[tokio::test]
async fn code_of_both_policies_runs_once_and_a_panic_in_the_shadow_is_caught() {
    let seen = Seen::default();
    let api = api(&seen).await;
    let [both, own, sources] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let counts = |name: &str, count: &Arc<AtomicUsize>| {
        let count = count.clone();
        check(name, move |_| count.fetch_add(1, Ordering::SeqCst) < 100)
    };
    let (counted, read) = (counts("both", &both), sources.clone());
    let source = custom("counted", move |_| {
        read.fetch_add(1, Ordering::SeqCst);
        Some("acme".to_owned())
    });
    let policy = organization(source.clone()).and(counted.clone());
    let shadow = organization(source).scope("a").and(counts("own", &own)).and(counted);
    let shadow = shadow.and(check("panics", |_| -> bool { panic!("a check") }));
    let requirement = api.server.requirement(policy.shadow(shadow)).unwrap();
    let token = api.organization_token("acme", "a");
    requirement.authorize(&mut parts(Some(&token), "")).await.unwrap();
    assert_eq!([&both, &own, &sources].map(|count| count.load(Ordering::SeqCst)), [1, 1, 1]);
    assert_eq!(seen.take(), ["allow - | undecided undecided misconfigured"]);
}

/// A source that hangs, and counts.
#[derive(Clone, Default)]
struct Slow {
    calls: Arc<AtomicUsize>,
    answers: Arc<AtomicBool>,
}

impl PermissionSource for Slow {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            if !self.answers.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok(Permissions::of(["a"]))
        })
    }
}

async fn with_source(
    source: &Slow,
    seen: &Seen,
    change: impl FnOnce(Builder) -> Builder,
) -> (TestIssuer, ResourceServer) {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).permissions(source.clone());
    let builder = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).observer(seen.clone());
    let server = change(builder).build().unwrap();
    server.ready().await.unwrap();
    (issuer, server)
}

#[tokio::test]
async fn what_the_shadow_lacks_is_fetched_within_its_own_limit() {
    let (source, seen) = (Slow::default(), Seen::default());
    let (issuer, server) = with_source(&source, &seen, |builder| builder.shadow_wait(Duration::from_millis(50))).await;
    let token = issuer.resource_token(RESOURCE).scope("a b").mint();
    let policy = resource().scope("a").shadow(resource().scope("b").live());
    let requirement = server.requirement(policy).unwrap();
    requirement.authorize(&mut parts(Some(&token), "")).await.unwrap();
    assert_eq!(seen.details(), ["not decided within 50ms"]);
    assert_eq!(
        (seen.take(), source.calls.load(Ordering::SeqCst)),
        (vec!["allow - | undecided undecided unavailable".to_owned()], 1)
    );

    source.answers.store(true, Ordering::SeqCst);
    let (issuer, server) = with_source(&source, &seen, |builder| builder.shadow_wait(Duration::from_secs(5))).await;
    let token = issuer.resource_token(RESOURCE).scope("a b").mint();
    let requirement = server.requirement(resource().scope("a").shadow(resource().scope("b").live())).unwrap();
    requirement.authorize(&mut parts(Some(&token), "")).await.unwrap();
    assert_eq!(seen.take(), ["allow - | would_deny deny outdated_token"]);
}

type Event = Box<dyn FnOnce() + Send>;

/// A source that something happens to while it is asked, once.
#[derive(Clone, Default)]
struct Meanwhile(Arc<Mutex<Option<Event>>>);

impl PermissionSource for Meanwhile {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let event = self.0.lock().unwrap().take();
        Box::pin(async {
            if let Some(event) = event {
                event();
            }
            Ok(Permissions::of(["b"]))
        })
    }
}

#[tokio::test]
async fn grant_that_ends_while_the_shadow_is_fetched_is_decided_anew() {
    for (what, is_known, passes) in [
        ("expires", true, false),
        ("expires", false, false),
        ("is revoked", true, false),
        ("is revoked", false, false),
        ("loses its issuer", true, false),
        ("loses its issuer", false, false),
        ("has an issuer with new settings", true, true),
        ("has an issuer with new settings", false, true),
        ("stays", true, true),
        ("stays", false, true),
    ] {
        let (source, seen, issuer) = (Meanwhile::default(), Seen::default(), TestIssuer::start().await);
        let (url, clock) = (issuer.url().to_owned(), issuer.clock());
        let entry = Issuer::new(&*url).permissions(source.clone());
        let builder = ResourceServer::builder(entry, RESOURCE).clock(clock.clone()).dpop(Dpop::new(RESOURCE));
        let server = builder.observer(seen.clone()).build().unwrap();
        let key = issuer.proof_key();
        let token = issuer.resource_token(RESOURCE).scope("a b").bound_to(&key).mint();
        let request = || {
            let proof = key.proof("GET", format!("{RESOURCE}/"), &token).mint();
            let mut parts = parts(None, "");
            parts.headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
            parts.headers.insert("dpop", proof.parse().unwrap());
            parts
        };
        if is_known {
            let plain = server.requirement(resource().scope("a")).unwrap();
            plain.authorize(&mut request()).await.unwrap();
            seen.take();
        }
        let requirement = server.requirement(resource().scope("a").shadow(resource().scope("b").live())).unwrap();
        let handle = server.issuer(&url).unwrap();
        let again = source.clone();
        let event: Event = Box::new(move || match what {
            "expires" => clock.advance(Duration::from_secs(24 * 60 * 60)),
            "is revoked" => _ = handle.revoke(About::Everyone).unwrap(),
            "loses its issuer" => handle.remove().unwrap(),
            "has an issuer with new settings" => handle.update(Issuer::new(&*url).permissions(again)).unwrap(),
            _ => {}
        });
        *source.0.lock().unwrap() = Some(event);
        let mut request = request();
        let outcome = requirement.authorize(&mut request).await;
        assert!(source.0.lock().unwrap().is_none(), "{what}: the shadow was not fetched");
        assert_eq!((outcome.is_ok(), request.extensions.get::<Grant>().is_some()), (passes, passes), "{what}");
        if let Err(rejection) = outcome {
            assert_eq!(rejection.status().as_u16(), 401, "{what}: {rejection:?}");
        }
        let lines = seen.take();
        let begins = if passes { "allow -" } else { "deny " };
        assert!(lines.len() == 1 && lines[0].starts_with(begins), "{what}: {lines:?}");
    }
}

#[tokio::test]
async fn a_shadow_without_a_wait_asks_nobody() {
    let (source, seen) = (Slow::default(), Seen::default());
    let (issuer, server) = with_source(&source, &seen, |builder| builder.shadow_wait(Duration::ZERO)).await;
    let token = issuer.resource_token(RESOURCE).scope("a").mint();
    let requirement = server.requirement(resource().shadow(resource().scope("a").live())).unwrap();
    requirement.authorize(&mut parts(Some(&token), "")).await.unwrap();
    assert_eq!(
        (seen.take(), source.calls.load(Ordering::SeqCst)),
        (vec!["allow - | undecided undecided unavailable".to_owned()], 0)
    );
}

#[tokio::test]
async fn a_source_is_asked_once_and_no_conversation_goes_on() {
    let (source, seen) = (Slow::default(), Seen::default());
    source.answers.store(true, Ordering::SeqCst);
    let (issuer, server) = with_source(&source, &seen, |builder| builder).await;
    let token = || issuer.resource_token(RESOURCE).client("web").scope("b").mint();
    let live = resource().scope("b").live();
    // Both policies ask what the subject holds now.
    let same = server.requirement(live.clone().shadow(live.clone().scope("c"))).unwrap();
    let rejection = same.authorize(&mut parts(Some(&token()), "")).await.unwrap_err();
    assert_eq!(rejection.remediation(), Remediation::Refresh);
    assert_eq!(source.calls.load(Ordering::SeqCst), 1);
    seen.take();

    // Enforced is what passes; the shadow is in a conversation that never goes on, however many tokens come.
    let watched = server.requirement(resource().shadow(live.clone())).unwrap();
    for _ in 0..8 {
        issuer.clock().advance(Duration::from_secs(3));
        watched.authorize(&mut parts(Some(&token()), "")).await.unwrap();
    }
    assert!(seen.take().iter().all(|line| line == "allow - | would_deny deny outdated_token"));
    let (counts, fresh) = (server.live_counts(), server.requirement(live).unwrap());
    for expected in [Remediation::Refresh, Remediation::Refresh] {
        issuer.clock().advance(Duration::from_secs(3));
        let rejection = fresh.authorize(&mut parts(Some(&token()), "")).await.unwrap_err();
        assert_eq!(rejection.remediation(), expected);
    }
    assert_eq!((counts.stale, counts.token_only), (0, 0));
}

struct Denies(Arc<AtomicUsize>);

impl DecisionPoint for Denies {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(Decision::deny())))
    }
}

#[tokio::test]
async fn a_decision_point_is_asked_for_a_shadow_and_not_twice() {
    let (seen, calls) = (Seen::default(), Arc::<AtomicUsize>::default());
    let point = Decider::builder(Denies(calls.clone())).remember(orgate::decision::CacheTimes::NONE).build().unwrap();
    let api = Api::configured(|builder| builder.observer(seen.clone()).decision_point(point)).await;
    let asks = || resource().and(decide("read", "document", path("org")));
    let token = api.token("a");
    let watched = api.server.requirement(resource().shadow(asks())).unwrap();
    watched.authorize(&mut parts(Some(&token), "7")).await.unwrap();
    assert_eq!(
        (seen.take(), calls.swap(0, Ordering::SeqCst)),
        (vec!["allow - | would_deny deny denied".to_owned()], 1)
    );
    let both = api.server.requirement(asks().shadow(asks().scope("a"))).unwrap();
    both.authorize(&mut parts(Some(&token), "7")).await.unwrap_err();
    assert_eq!((seen.take(), calls.load(Ordering::SeqCst)), (vec!["deny denied | same deny denied".to_owned()], 1));
}

#[tokio::test]
async fn a_proof_is_used_by_what_is_enforced_alone() {
    let seen = Seen::default();
    let dpop = Dpop::new(RESOURCE);
    let api = Api::configured(|builder| builder.observer(seen.clone()).dpop(dpop)).await;
    let key = api.issuer.proof_key();
    let token = api.issuer.resource_token(RESOURCE).scope("a").bound_to(&key).mint();
    let request = |proof: &str| {
        let mut parts = parts(None, "");
        parts.headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
        parts.headers.insert("dpop", proof.parse().unwrap());
        parts
    };
    let proof = key.proof("GET", format!("{RESOURCE}/"), &token).mint();
    // Rejected by what is enforced, met by the shadow: the proof is still good.
    let refused = api.server.requirement(resource().scope("b").shadow(resource().scope("a"))).unwrap();
    refused.authorize(&mut request(&proof)).await.unwrap_err();
    assert_eq!(seen.take(), ["deny insufficient_scope | would_allow allow -"]);
    let only = api.server.requirement(resource().scope("b").dangerous_shadow_only()).unwrap();
    only.authorize(&mut request(&proof)).await.unwrap();
    assert_eq!(seen.take(), ["allow - | would_deny deny insufficient_scope"]);
    let met = api.server.requirement(resource().scope("a").shadow(resource().scope("b"))).unwrap();
    met.authorize(&mut request(&proof)).await.unwrap();
    assert_eq!(seen.take(), ["allow - | would_deny deny insufficient_scope"]);
    let rejection = met.authorize(&mut request(&proof)).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::InvalidProof);
    // One policy is not met, and of the other one the proof was used before.
    assert_eq!(seen.take(), ["deny invalid_proof | would_differ deny insufficient_scope"]);
}

#[tokio::test]
async fn shadow_only_lets_pass_and_grants_only_what_the_policy_grants() {
    let seen = Seen::default();
    let api = api(&seen).await;
    let policy = organization(path("org")).scope("a").dangerous_shadow_only();
    let who = async |token: Option<AccessToken>, organization: Option<Organization>, grant: Option<Grant>| {
        assert_eq!(token.is_some(), grant.is_some());
        format!(
            "{} {}",
            token.is_some(),
            organization.map_or_else(String::new, |organization| organization.id().to_owned())
        )
    };
    let app =
        api.server.guard().get("/orgs/{org}", who, policy).public("/health", get(async || "")).into_router().unwrap();
    let good = api.organization_token("acme", "a");
    let forged = api.issuer.organization_token("acme").scope("a").forged().mint();
    for (org, token, body, line) in [
        ("acme", Some(&*good), "true acme", "allow - | same allow -"),
        ("globex", Some(&*good), "false ", "allow - | would_deny deny wrong_organization"),
        ("acme", Some(&*api.token("a")), "false ", "allow - | would_deny deny wrong_model"),
        ("acme", Some(&*forged), "false ", "allow - | would_deny deny invalid_token"),
        ("acme", None, "false ", "allow - | would_deny deny missing_token"),
    ] {
        let answer = api.ask(&app, "GET", &format!("/orgs/{org}"), token).await;
        assert_eq!((answer.status, &*answer.body, seen.take()), (200, body, vec![line.to_owned()]));
    }

    let requirement = api.server.requirement(resource().scope("a").dangerous_shadow_only()).unwrap();
    let mut request = parts(Some(&good), "acme");
    let grant = requirement.authorize(&mut request).await.unwrap();
    assert!(grant.token().is_none() && grant.organization().is_none() && request.extensions.get::<Grant>().is_none());
    let mut request = parts(Some(&api.token("a")), "acme");
    let grant = requirement.authorize(&mut request).await.unwrap();
    assert!(grant.token().is_some() && request.extensions.get::<Grant>().is_some());
}

#[tokio::test]
async fn shadow_only_waits_no_longer_than_it_may_and_survives_a_panic() {
    let seen = Seen::default();
    let api = Api::configured(|builder| builder.observer(seen.clone()).shadow_wait(Duration::from_millis(50))).await;
    api.issuer.fail_always(orgate::testing::Endpoint::Keys, orgate::testing::Fault::Hang);
    let token = api.token("a");
    let only = api.server.requirement(resource().dangerous_shadow_only()).unwrap();
    only.authorize(&mut parts(Some(&token), "")).await.unwrap();
    assert_eq!(seen.details(), ["not decided within 50ms"]);
    assert_eq!(seen.take(), ["allow - | undecided undecided unavailable"]);

    let api = self::api(&seen).await;
    let panics = resource().check("panics", |_| -> bool { panic!("a check") }).dangerous_shadow_only();
    let only = api.server.requirement(panics).unwrap();
    // The first request waits for keys, the second one does not.
    for _ in 0..2 {
        only.authorize(&mut parts(Some(&api.token("a")), "")).await.unwrap();
        assert_eq!(seen.take(), ["allow - | undecided undecided misconfigured"]);
    }
}

#[tokio::test]
async fn the_route_table_says_in_capitals_what_is_not_enforced() {
    let api = Api::start().await;
    let guard: orgate::Guard = api
        .server
        .guard()
        .get("/orders", async || "", resource().scope("a").dangerous_shadow_only())
        .get("/products", async || "", resource().scope("a").shadow(resource().scope("b")))
        .require(resource_condition());
    assert_eq!(
        guard.to_string(),
        "GET  /orders    SHADOW ONLY resource and scope a and user\n\
         GET  /products  resource and scope a and user shadow (resource and scope b and user)\n"
    );
    let routes = serde_json::to_value(guard.routes()).unwrap();
    assert_eq!(routes[0]["access"]["policy"]["shadow_only"], true);
    assert_eq!(routes[1]["access"]["policy"]["shadow"]["text"], "resource and scope b and user");
    assert!(guard.into_router().is_ok());
}

fn resource_condition() -> Policy {
    orgate::policy::user()
}

#[tokio::test]
async fn faults_of_a_shadow_are_found_at_startup() {
    let api = Api::start().await;
    let fault = |policy: Policy| api.server.requirement(policy).unwrap_err().to_string();
    for (policy, expected) in [
        (resource().shadow(orgate::policy::scope("a")), "does not say what the token is for"),
        (resource().shadow(resource().issued_by("nobody")), "names no issuer entry"),
        (resource().shadow(resource().scope("a").live()), "no permission source"),
        (resource().shadow(resource().and(decide("a", "b", path("c")))), "no decision point"),
        (resource().shadow(resource().scope("")), "shadow"),
        (resource().shadow(resource().shadow(resource())), "a policy has one shadow"),
        (resource().dangerous_shadow_only().shadow(resource()), "a policy has one shadow"),
        (resource().shadow(resource()).dangerous_shadow_only(), "has a shadow"),
        (orgate::policy::user().dangerous_shadow_only().and(resource()), "a whole policy"),
        (resource().dangerous_shadow_only().or(resource().scope("a")), "a part of a policy"),
        (resource().shadow(organization(path("org"))).and(organization(path("x"))), "a token is for one of them"),
    ] {
        let fault = fault(policy);
        assert!(fault.contains(expected), "{fault} should say {expected}");
    }
    let known = Api::configured(|builder| builder.scopes([("a", "to read")])).await;
    let unknown = known.server.requirement(resource().scope("a").shadow(resource().scope("b"))).unwrap_err();
    assert!(unknown.to_string().contains("\"b\""), "{unknown}");
    let two = resource().check("same", |_| true).shadow(resource().check("same", |_| true));
    assert!(fault(two).contains("two different checks"));
    let guard: orgate::Guard = api.server.guard().get("/a", async || "", resource().shadow(organization(path("org"))));
    assert!(guard.into_router().unwrap_err().to_string().contains("no {org}"));
}

#[test]
fn words_are_stable() {
    assert_eq!((Agreement::WouldDiffer.as_str(), Outcome::Undecided.as_str()), ("would_differ", "undecided"));
}

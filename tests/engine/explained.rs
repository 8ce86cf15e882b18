//! An explanation says what the layer would send, and names the step that decided.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::request::Parts;
use orgate::ResourceServer;
use orgate::engine::{Grant, Requirement};
use orgate::explain::{Explanation, StepName, Verdict};
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{check, claim, client, live, optional, organization, path, resource, user};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::testing::TestIssuer;
use orgate::token::binding::Dpop;
use orgate::{Issuer, Policy};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::authorize::parts;
use crate::faces::{TOKENS, tokens, written};
use crate::shadow::Seen;
use crate::talks::Says;
use crate::web::{Api, RESOURCE};

/// The steps that may lead to a rejection of this kind.
fn steps_of(kind: RejectionKind) -> &'static [StepName] {
    use StepName as S;
    match kind {
        RejectionKind::MissingToken | RejectionKind::InvalidRequest => &[S::Credentials],
        RejectionKind::ExpiredToken => &[S::Times],
        RejectionKind::RevokedToken => &[S::Revocation, S::Permissions],
        RejectionKind::OpaqueToken => &[S::Form, S::Introspection],
        RejectionKind::KeyNotFound | RejectionKind::KeyUnresolved => &[S::Key],
        RejectionKind::OutdatedToken => &[S::Permissions],
        RejectionKind::InvalidProof => &[S::Sender, S::Proof],
        RejectionKind::UseNonce => &[S::Sender],
        RejectionKind::InsufficientUserAuthentication => &[S::Acr, S::AuthAge, S::Decision],
        RejectionKind::WrongModel => &[S::Audience],
        RejectionKind::WrongOrganization => &[S::Organization, S::Permissions],
        RejectionKind::InsufficientScope => &[S::Scopes, S::Permissions],
        RejectionKind::Denied => &[
            S::Issuer,
            S::Organization,
            S::SubjectKind,
            S::Client,
            S::Claim,
            S::Acr,
            S::AuthAge,
            S::AuthorizationDetail,
            S::Check,
            S::Decision,
            S::Permissions,
        ],
        RejectionKind::Unavailable => {
            &[S::Key, S::Signature, S::Introspection, S::Permissions, S::Decision, S::Sender, S::Proof]
        }
        RejectionKind::Misconfigured => &[S::Organization, S::Permissions, S::Decision],
        RejectionKind::InvalidToken => &[
            S::Credentials,
            S::Form,
            S::Introspection,
            S::Header,
            S::Issuer,
            S::Algorithm,
            S::Type,
            S::Key,
            S::Signature,
            S::Times,
            S::Subject,
            S::Audience,
            S::Claims,
            S::Sender,
            S::Bound,
        ],
        _ => &[],
    }
}

/// What an explanation must be like, whatever it explains.
pub(crate) fn check_steps(explanation: &Explanation) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}:\n{explanation}"));
    let outside = explanation.steps.iter().map(|step| (true, step));
    let inside = explanation.clauses.iter().flat_map(|clause| &clause.steps).map(|step| (false, step));
    for (_, step) in outside.chain(inside) {
        match (step.verdict, step.kind) {
            (Verdict::Passed, None) => {}
            (Verdict::Failed | Verdict::Undecided, Some(kind)) if steps_of(kind).contains(&step.name) => {}
            _ => return wrong("a step that its kind does not name"),
        }
    }
    // Only the last step may fail, outside and in each clause.
    let lists = [&explanation.steps].into_iter().chain(explanation.clauses.iter().map(|clause| &clause.steps));
    for steps in lists {
        if steps.iter().rev().skip(1).any(|step| step.verdict != Verdict::Passed) {
            return wrong("steps after one that failed");
        }
    }
    let passed = explanation.clauses.iter().filter(|clause| clause.verdict == Verdict::Passed).count();
    match (explanation.kind, explanation.failed_step()) {
        (None, None) if explanation.outcome == "allow" => {}
        (Some(kind), Some(step)) => {
            let named = step.kind.map(RejectionKind::as_str);
            let is_hidden = kind == "hidden" && matches!(named, Some("wrong_model" | "wrong_organization"));
            if named != Some(kind) && !is_hidden {
                return wrong("the step that failed is of another kind");
            }
            if passed > 0 && step.name != StepName::Proof {
                return wrong("rejected, and a clause passed");
            }
        }
        _ => return wrong("no step that failed"),
    }
    if explanation.outcome == "allow" && passed != usize::from(explanation.clause.is_some()) {
        return wrong("allowed, and not by one clause");
    }
    Ok(())
}

/// Status, headers and body.
pub(crate) type Sent = (u16, Vec<(String, String)>, String);

/// What the layer sends, as an explanation shows it.
pub(crate) async fn sent(requirement: &Requirement, mut request: Parts) -> Option<Sent> {
    let rejection = requirement.authorize(&mut request).await.err()?;
    let (head, body) = requirement.response(rejection, &request).into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Some((head.status.as_u16(), headers.collect(), String::from_utf8(body.to_vec()).unwrap()))
}

pub(crate) fn shown(explanation: &Explanation) -> Option<Sent> {
    let response = explanation.response.clone()?;
    Some((response.status, response.headers, response.body))
}

#[test]
fn an_explanation_says_what_the_layer_sends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = runtime.block_on(Api::start());
    let tokens = tokens(&api);
    let case = (written(), 0..TOKENS, select(vec!["acme", "globex", ""]), any::<bool>(), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&case, |(written, token, org, rotates, first)| {
        let token = tokens[token].as_deref();
        runtime.block_on(async {
            if rotates {
                // Time for another look at the keys: the next request waits for a fetch.
                api.issuer.clock().advance(Duration::from_secs(10));
            }
            let requirement = api.server.requirement(written.policy()).unwrap();
            let request = || {
                let mut request = parts(token, org);
                request.headers.insert("x-org", http::HeaderValue::from_static("acme"));
                request
            };
            let before = if first { None } else { Some(sent(&requirement, request()).await) };
            let explanation = requirement.explain(&mut request()).await;
            let answered = sent(&requirement, request()).await;
            prop_assert_eq!(shown(&explanation), answered.clone(), "{}", explanation);
            prop_assert!(before.is_none_or(|before| before == answered));
            check_steps(&explanation).map_err(TestCaseError::fail)?;
            Ok(())
        })
    });
    outcome.unwrap();
}

/// What the source of a shadow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// It is not asked.
    Nothing,
    Answers,
    Fails,
    Hangs,
}

#[derive(Clone)]
struct Source(Arc<Mutex<Watch>>);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let watch = *self.0.lock().unwrap();
        Box::pin(async move {
            match watch {
                Watch::Fails => Err(SourceError::new("the source is down")),
                Watch::Hangs => std::future::pending().await,
                _ => Ok(Permissions::of(["a"])),
            }
        })
    }
}

/// An API whose shadows may wait for almost nothing.
async fn watched(seen: &Seen, source: &Source) -> Api {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).permissions(source.clone());
    let builder = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).observer(seen.clone());
    let server = builder.shadow_wait(Duration::from_millis(5)).build().unwrap();
    Api { issuer, server }
}

/// What a shadow adds to a policy adds nothing to what is sent, whatever the shadow waits for and whatever comes of that.
#[test]
fn responses_with_a_shadow_equal_responses_without() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (seen, source) = (Seen::default(), Source(Arc::new(Mutex::new(Watch::Nothing))));
    let api = runtime.block_on(watched(&seen, &source));
    let tokens = tokens(&api);
    let watch = select(vec![Watch::Nothing, Watch::Answers, Watch::Fails, Watch::Hangs]);
    let case = (written(), written(), 0..TOKENS, select(vec!["acme", "globex"]), any::<bool>(), watch);
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&case, |(enforced, other, token, org, rotates, watch)| {
        let token = tokens[token].as_deref();
        let watch = if other.is_authenticated() { Watch::Nothing } else { watch };
        *source.0.lock().unwrap() = watch;
        runtime.block_on(async {
            if rotates {
                api.issuer.clock().advance(Duration::from_secs(10));
            }
            let request = || {
                let mut request = parts(token, org);
                request.headers.insert("x-org", http::HeaderValue::from_static("acme"));
                request
            };
            // Two checks of one name are two pieces of code.
            let other = || {
                let other = other.without_check().policy();
                if watch == Watch::Nothing { other } else { other.and(live()) }
            };
            let [shadow, without] = [Policy::shadow(enforced.policy(), other()), enforced.policy()]
                .map(|policy| api.server.requirement(policy).unwrap());
            let with = sent(&shadow, request()).await;
            let recorded = seen.take().remove(0);
            prop_assert_eq!(&with, &sent(&without, request()).await);
            prop_assert!(recorded.contains(" | "), "{}", recorded);
            if watch == Watch::Nothing {
                // And the shadow says what it would say if it were enforced.
                let judged = sent(&api.server.requirement(other()).unwrap(), request()).await;
                prop_assert_eq!(recorded.ends_with(" allow -"), judged.is_none(), "{}", recorded);
            }
            seen.take();
            Ok(())
        })
    });
    outcome.unwrap();
    let counts = api.server.shadow_counts();
    assert!(counts.undecided > 0 && counts.would_deny > 0 && counts.would_allow > 0, "{counts:?}");
}

#[tokio::test]
async fn each_step_says_what_was_expected_and_found() {
    let api = Api::start().await;
    let policy = organization(path("org")).scope("invite").or(resource().scope("admin").and(claim("plan", "pro")));
    let requirement = api.server.requirement(policy).unwrap();
    let token = api.issuer.organization_token("acme").subject("alice").client("web").scope("read").mint();
    let explanation = requirement.explain(&mut parts(Some(&token), "acme")).await;
    assert_eq!((explanation.outcome, explanation.kind), ("deny", Some("insufficient_scope")));
    let names: Vec<&str> = explanation.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "credentials",
            "form",
            "header",
            "issuer",
            "algorithm",
            "type",
            "times",
            "key",
            "signature",
            "times",
            "subject",
            "audience",
            "claims",
            "revocation",
            "sender",
        ]
    );
    let step = |name: StepName| explanation.steps.iter().rfind(|step| step.name == name).unwrap();
    assert!(step(StepName::Key).expected.contains(&api.issuer.signing_kid()));
    assert!(step(StepName::Key).found.contains("which is fresh and fetched 0 s ago"));
    let times = &step(StepName::Times).found;
    assert!(times.starts_with("exp in 3") && times.contains(" s, iat ") && times.ends_with(" s ago"), "{times}");
    assert_eq!(step(StepName::Subject).found, "a subject of the kind user, client \"web\"");
    assert_eq!(step(StepName::Audience).found, "[\"urn:logto:organization:acme\"]");
    let [nearest, other] = &explanation.clauses[..] else { panic!("{explanation}") };
    assert_eq!(explanation.clause.as_ref(), Some(&nearest.text));
    let clause = |steps: &[orgate::explain::Step]| {
        let step = |step: &orgate::explain::Step| {
            format!("{} {}: {} | {}", step.verdict, step.name, step.expected, step.found)
        };
        steps.iter().map(step).collect::<Vec<_>>()
    };
    assert_eq!(
        clause(&nearest.steps)[1..],
        [
            "passed organization: a request whose organization can be read (path {org}) | as expected",
            "passed audience: one organization, and no organization in a claim | aud [\"urn:logto:organization:acme\"]",
            "passed organization: the token's organization to be that of the request (path {org}) | the request names \"acme\", the token is for \"acme\"",
            "failed scopes: scope invite | [\"read\"]: lacks [\"invite\"]",
        ]
    );
    assert_eq!(other.verdict, Verdict::Failed);
    assert_eq!(explanation.failed_step().unwrap().name, StepName::Scopes);
    assert_eq!(explanation.asked.iter().map(|asked| asked.what).collect::<Vec<_>>(), ["key"]);
    let response = explanation.response.as_ref().unwrap();
    assert_eq!(response.status, 403);
    assert!(response.body.contains("\"missing_scopes\":[\"invite\"]"));
    let text = explanation.to_string();
    assert!(text.contains("  FAIL  scopes         expected scope invite\n"), "{text}");
    assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["clauses"][0]["steps"][4]["kind"], "insufficient_scope");
    for secret in token.split('.').chain(["alice"]) {
        assert!(!text.contains(secret) && !json.to_string().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn conditions_show_what_the_token_has_and_never_the_subject() {
    let api = Api::start().await;
    let token = api
        .issuer
        .resource_token(RESOURCE)
        .subject("alice")
        .client("web")
        .claim("plan", "free")
        .claim("owner", "alice");
    let explained = async |policy: Policy| {
        let requirement = api.server.requirement(policy).unwrap();
        let explanation = requirement.explain(&mut parts(Some(&token.mint()), "acme")).await;
        assert!(!explanation.to_string().contains("alice"), "{explanation}");
        let step = explanation.failed_step().unwrap();
        format!("{}: {} | {}", step.name, step.expected, step.found)
    };
    for (policy, expected) in [
        (
            resource().and(claim("plan", "pro")),
            "claim: claim plan = \"pro\" | plan is \"\\\"free\\\"\": claim \"plan\" does not have a required value",
        ),
        (
            resource().and(claim("owner", "bob")),
            "claim: claim owner = \"bob\" | owner is a value with the subject: claim \"owner\" does not have a required value",
        ),
        (resource().and(client(["app"])), "client: client [app] | \"web\": the token's client is not one of [\"app\"]"),
        (
            resource().authorization_detail("account", "reads", |_| true),
            "authorization_detail: authorization-detail account \"reads\" | 0 of the type account: authorization-detail account \"reads\": the token has no authorization detail of the type",
        ),
        (resource().machine(), "subject_kind: machine | the subject is user: the subject is a user"),
        (resource().and(check("quota", |_| false)), "check: check \"quota\" | check \"quota\" failed"),
        (
            resource().in_organization(path("org")),
            "organization: the token's organization to be that of the request (path {org}) | the request names \"acme\", the token is for none: the token is for no organization",
        ),
    ] {
        assert_eq!(explained(policy).await, expected);
    }
}

#[tokio::test]
async fn an_explanation_grants_nothing_and_keeps_what_was_granted() {
    let seen = Seen::default();
    let api = Api::configured(|builder| builder.observer(seen.clone())).await;
    let (read, home) = (resource().scope("read"), optional(resource()));
    let [read, home] = [read, home].map(|policy| api.server.requirement(policy).unwrap());
    let mut request = parts(Some(&api.token("read")), "");
    let explanation = read.explain(&mut request).await;
    assert_eq!((explanation.outcome, explanation.response.is_none()), ("allow", true));
    assert!(request.extensions.get::<Grant>().is_none() && request.headers["authorization"].is_sensitive());
    assert_eq!(home.explain(&mut parts(None, "")).await.steps[0].found, "no token, and the policy is optional");
    assert_eq!(seen.take(), [""; 0]);

    home.authorize(&mut request).await.unwrap();
    read.explain(&mut request).await;
    let granted = request.extensions.get::<Grant>().unwrap();
    assert_eq!(granted.requirement().policy(), home.policy());
}

#[tokio::test]
async fn an_explanation_uses_no_proof() {
    let api = Api::configured(|builder| builder.dpop(Dpop::new(RESOURCE))).await;
    let key = api.issuer.proof_key();
    let token = api.issuer.resource_token(RESOURCE).scope("a").bound_to(&key).mint();
    let proof = key.proof("GET", format!("{RESOURCE}/"), &token).mint();
    let request = || {
        let mut request = parts(None, "");
        request.headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
        request.headers.insert("dpop", proof.parse().unwrap());
        request
    };
    let requirement = api.server.requirement(resource().scope("a")).unwrap();
    for _ in 0..2 {
        let explanation = requirement.explain(&mut request()).await;
        assert_eq!((explanation.outcome, explanation.steps.last().unwrap().name), ("allow", StepName::Proof));
        check_steps(&explanation).unwrap();
    }
    requirement.authorize(&mut request()).await.unwrap();
    let explanation = requirement.explain(&mut request()).await;
    assert_eq!((explanation.kind, explanation.failed_step().unwrap().name), (Some("invalid_proof"), StepName::Proof));
    check_steps(&explanation).unwrap();
    assert_eq!(shown(&explanation), sent(&requirement, request()).await);
    assert!(!explanation.to_string().contains(&proof[..40]));
}

#[tokio::test]
async fn an_explanation_foresees_a_conversation_and_takes_no_step() {
    let issuer = TestIssuer::start().await;
    let source = Says::new();
    source.says(Ok(Permissions::of(["read"])));
    let entry = Issuer::new(issuer.url()).permissions(source);
    let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).build().unwrap();
    let requirement = server.requirement(resource().scope("write").live()).unwrap();
    let token = || issuer.resource_token(RESOURCE).client("web").scope("write").mint();
    for expected in ["refresh", "refresh", "refresh", "none", "none"] {
        // Tokens that would count, if they were sent.
        for _ in 0..3 {
            let explanation = requirement.explain(&mut parts(Some(&token()), "")).await;
            assert_eq!(explanation.remediation, Some(expected));
            assert_eq!(
                explanation.failed_step().unwrap().found.split(": ").next().unwrap(),
                "the token has [\"write\"], the subject holds [\"read\"]"
            );
            check_steps(&explanation).unwrap();
        }
        let rejection = requirement.authorize(&mut parts(Some(&token()), "")).await.unwrap_err();
        assert_eq!(rejection.remediation().as_str(), expected);
        issuer.clock().advance(Duration::from_secs(2));
    }
    assert_eq!(Remediation::None.as_str(), "none");
}

#[tokio::test]
async fn a_policy_that_is_not_enforced_is_explained_too() {
    let api = Api::start().await;
    let beside = api.server.requirement(resource().scope("a").shadow(resource().scope("b"))).unwrap();
    let explanation = beside.explain(&mut parts(Some(&api.token("a")), "")).await;
    let shadow = explanation.shadow.as_ref().unwrap();
    assert_eq!(
        (explanation.outcome, shadow.agreement, shadow.kind),
        ("allow", "would_deny", Some("insufficient_scope"))
    );
    assert_eq!(shadow.policy, "resource and scope b");
    assert_eq!(explanation.clauses.len(), 1, "the steps are those of what is enforced");

    let only = api.server.requirement(resource().scope("b").dangerous_shadow_only()).unwrap();
    let explanation = only.explain(&mut parts(Some(&api.token("a")), "")).await;
    assert_eq!((explanation.outcome, explanation.response.is_none()), ("allow", true));
    assert_eq!(explanation.shadow.unwrap().agreement, "would_deny");
    assert_eq!(explanation.clauses[0].steps.last().unwrap().verdict, Verdict::Failed);
}

#[tokio::test]
async fn waits_and_outages_are_explained() {
    let api = Api::start().await;
    api.issuer.take_down();
    let requirement = api.server.requirement(resource().and(user())).unwrap();
    let explanation = requirement.explain(&mut parts(Some(&api.token("a")), "")).await;
    assert_eq!((explanation.outcome, explanation.kind), ("undecided", Some("unavailable")));
    let step = explanation.failed_step().unwrap();
    assert_eq!((step.name, step.verdict), (StepName::Key, Verdict::Undecided));
    assert_eq!(explanation.response.as_ref().unwrap().status, 503);
}

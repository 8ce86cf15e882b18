use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request};

use super::super::{
    Policy, any_organization as of_token, authenticated, check, header, machine, optional, organization, resource,
    resource_at, scope, user,
};
use super::*;
use crate::issuer::{IssuerRules, ORGANIZATION_URN};
use crate::organization::OrganizationProvenance;
use crate::permissions::Conversations;
use crate::scope::ScopeList;
use crate::scoped::ScopedId;
use crate::token::{NumericDate, Provenance, Subject, SubjectKind, Times, Verified};

const API: &str = "https://api.example.com";
const NOW: Now = Now::new(Duration::from_secs(1_800_000_000), Duration::from_secs(3600));
const BILLING: &str = "https://api.example.com/billing";

struct Token {
    /// What the token's issuer may speak for.
    own: &'static [&'static str],
    audience: &'static [&'static str],
    organization: Option<&'static str>,
    scope: &'static str,
    kind: SubjectKind,
    payload: &'static str,
}

const GLOBAL: Token = Token {
    own: &[API, BILLING],
    audience: &[API],
    organization: None,
    scope: "a b",
    kind: SubjectKind::User,
    payload: "{}",
};
const ACME: Token = Token { audience: &["urn:logto:organization:acme"], ..GLOBAL };
const API_IN_ACME: Token = Token { organization: Some("acme"), ..GLOBAL };

fn minted(token: &Token) -> AccessToken {
    AccessToken::mint(
        Verified {
            issuer: "https://issuer.example".into(),
            entry: crate::token::EntryVersion::of(crate::token::IssuerId::for_tests("main")),
            subject: Subject::new("main".into(), "subject".into(), token.kind),
            resources: token.own.iter().map(|own| (*own).into()).collect(),
            client_id: None,
            token_id: None,
            scopes: ScopeList::from_text(token.scope),
            audience: token.audience.iter().map(|audience| (*audience).into()).collect(),
            organization: token.organization.map(|id| ScopedId::new(&"main".into(), id)),
            audience_organization: match token.audience {
                [only] => only.strip_prefix(ORGANIZATION_URN).map(|id| ScopedId::new(&"main".into(), id)),
                _ => None,
            },
            parties: crate::token::Parties::of(
                token
                    .audience
                    .iter()
                    .filter_map(|audience| audience.strip_prefix(ORGANIZATION_URN))
                    .map(Into::into)
                    .collect(),
                Vec::new(),
            ),
            confirmation: None,
            authentication: None,
            times: Times { expires_at: NumericDate::new(1.0).unwrap(), not_before: None, issued_at: None },
        },
        format!("e30.{}.", URL_SAFE_NO_PAD.encode(token.payload)).as_bytes(),
        Provenance::dangling(),
    )
}

fn decide(policy: Policy, token: &Token, requested: &'static str) -> Decision {
    let mut entry = IssuerRules::for_tests("main");
    entry.resources = Arc::from([API.into(), BILLING.into()]);
    let rules = CompiledPolicy::compile(policy, &[&entry]).unwrap();
    let mut request = Request::new(()).into_parts().0;
    request.headers.insert("org", HeaderValue::from_static(requested));
    judged(&rules, &minted(token), &mut request)
        .map(|granted| granted.organization.map(|organization| organization.id().to_owned()))
        .map_err(denial)
        .map_err(|denial| (denial.kind(), denial.remediation()))
}

/// By nothing but token and request.
fn judged(policy: &CompiledPolicy, token: &AccessToken, request: &mut Parts) -> Result<Granted, Stop> {
    judged_again(policy, token, request, &mut CheckMemory::default())
}

fn judged_again(
    policy: &CompiledPolicy,
    token: &AccessToken,
    request: &mut Parts,
    memory: &mut CheckMemory,
) -> Result<Granted, Stop> {
    let decisions = DecisionView { decider: None, decided: &[], route: None };
    policy.judge(
        token,
        request,
        &mut View {
            live: None,
            decisions,
            sign_in: SignInView { conversations: &Conversations::new(), now: NOW, lead: &|| 0.0, is_dry: false },
            now: NOW,
            memory,
            steps: &mut Steps::default(),
            is_dry: false,
            without_decision: false,
        },
    )
}

fn denial(stop: Stop) -> Rejection {
    match stop {
        Stop::Reject(rejection) => rejection,
        Stop::Need(_) => panic!("nothing is missing"),
    }
}

type Decision = Result<Option<String>, (RejectionKind, Remediation)>;

const AUDIENCE: fn(Remediation) -> Decision = |remediation| Err((RejectionKind::WrongModel, remediation));
const OTHER: Decision = Err((RejectionKind::WrongOrganization, Remediation::OrganizationToken));
const DENIED: Decision = Err((RejectionKind::Denied, Remediation::None));
const SCOPE: Result<Option<String>, (RejectionKind, Remediation)> =
    Err((RejectionKind::InsufficientScope, Remediation::RequestScope));

#[test]
fn each_model_takes_its_own_tokens_only() {
    let acme = || Ok(Some("acme".to_owned()));
    let org = || organization(header("org"));
    let api_in_org = || resource().in_organization(header("org"));
    let resource_token = Remediation::ResourceToken;
    let organization_token = Remediation::OrganizationToken;

    assert_eq!(decide(resource(), &GLOBAL, "acme"), Ok(None));
    assert_eq!(decide(resource(), &ACME, "acme"), AUDIENCE(resource_token));
    assert_eq!(decide(resource(), &API_IN_ACME, "acme"), AUDIENCE(resource_token));

    assert_eq!(decide(org(), &ACME, "acme"), acme());
    assert_eq!(decide(org(), &ACME, "other"), OTHER);
    assert_eq!(decide(org(), &ACME, ""), OTHER);
    assert_eq!(decide(org(), &GLOBAL, "acme"), AUDIENCE(organization_token));
    assert_eq!(decide(org(), &API_IN_ACME, "acme"), AUDIENCE(organization_token));

    assert_eq!(decide(api_in_org(), &API_IN_ACME, "acme"), acme());
    assert_eq!(decide(api_in_org(), &API_IN_ACME, "other"), OTHER);
    assert_eq!(decide(api_in_org(), &GLOBAL, "acme"), OTHER);
    assert_eq!(decide(api_in_org(), &ACME, "acme"), AUDIENCE(resource_token));

    for token in [&GLOBAL, &ACME, &API_IN_ACME] {
        assert_eq!(decide(authenticated(), token, "acme"), Ok(None));
    }
}

#[test]
fn ambiguous_tokens_pass_no_model() {
    let both = Token { audience: &[API, "urn:logto:organization:acme"], ..GLOBAL };
    let both_in_acme = Token { organization: Some("acme"), ..both };
    let two = Token { audience: &["urn:logto:organization:acme", "urn:logto:organization:acme"], ..GLOBAL };
    let urn_with_claim = Token { organization: Some("acme"), ..ACME };
    let empty_urn = Token { audience: &["urn:logto:organization:"], ..GLOBAL };
    let empty_claim = Token { organization: Some(""), ..GLOBAL };
    for token in [&both, &both_in_acme, &two, &urn_with_claim, &empty_urn, &empty_claim] {
        for policy in [
            resource(),
            organization(header("org")),
            resource().in_organization(header("org")),
            organization(of_token()),
        ] {
            for requested in ["acme", ""] {
                let text = policy.to_string();
                assert!(
                    decide(policy.clone(), token, requested).is_err(),
                    "{text}: {:?} {:?}",
                    token.audience,
                    token.organization
                );
            }
        }
    }
    assert!(decide(resource().in_organization(of_token()), &empty_claim, "").is_err());
}

#[test]
fn whatever_organization_the_token_is_for() {
    assert_eq!(decide(organization(of_token()), &ACME, "other"), Ok(Some("acme".into())));
    assert_eq!(decide(resource().in_organization(of_token()), &API_IN_ACME, "other"), Ok(Some("acme".into())));
    assert_eq!(decide(resource().in_organization(of_token()), &GLOBAL, "other"), OTHER);
}

#[test]
fn another_indicator_of_the_same_server() {
    let billing = || resource_at("https://api.example.com/billing");
    assert_eq!(decide(billing(), &GLOBAL, ""), AUDIENCE(Remediation::ResourceToken));
    assert_eq!(decide(billing(), &Token { audience: &["https://api.example.com/billing"], ..GLOBAL }, ""), Ok(None));
    assert_eq!(
        decide(resource(), &Token { audience: &["https://api.example.com/billing"], ..GLOBAL }, ""),
        AUDIENCE(Remediation::ResourceToken)
    );
}

#[test]
fn scopes_all_and_any() {
    assert_eq!(decide(resource().all_of(["a", "b"]), &GLOBAL, ""), Ok(None));
    assert_eq!(decide(resource().any_of(["x", "b"]), &GLOBAL, ""), Ok(None));
    for policy in
        [resource().scope("c"), resource().all_of(["a", "c"]), resource().any_of(["c", "d"]), resource().scope("A")]
    {
        assert_eq!(decide(policy, &GLOBAL, ""), SCOPE);
    }
}

#[test]
fn subject_kinds() {
    assert_eq!(decide(resource().user(), &GLOBAL, ""), Ok(None));
    assert_eq!(decide(resource().and(machine()), &GLOBAL, ""), DENIED);
    let unknown = Token { kind: SubjectKind::Unknown, ..GLOBAL };
    assert_eq!(decide(resource().and(user()), &unknown, ""), DENIED);
    assert_eq!(decide(resource().and(machine()), &unknown, ""), DENIED);
}

#[test]
fn claims_match_value_and_type() {
    let token = Token { payload: r#"{"plan":"pro","level":3,"beta":true,"list":["pro"]}"#, ..GLOBAL };
    for policy in [resource().claim("plan", "pro"), resource().claim("level", 3), resource().claim("beta", true)] {
        assert_eq!(decide(policy, &token, ""), Ok(None));
    }
    for policy in [
        resource().claim("plan", "Pro"),
        resource().claim("level", "3"),
        resource().claim("beta", "true"),
        resource().claim("beta", 1),
        resource().claim("list", "pro"),
        resource().claim("absent", ""),
        resource().claim("absent", false),
    ] {
        assert_eq!(decide(policy, &token, ""), DENIED);
    }
}

#[test]
fn checks_run_last_and_keep_their_error() {
    let called = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = called.clone();
    let counting = check("counting", move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        false
    });
    assert_eq!(decide(resource().and(counting.clone()).scope("missing"), &GLOBAL, ""), SCOPE);
    assert_eq!(called.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(decide(resource().and(counting), &GLOBAL, ""), DENIED);
    assert_eq!(called.load(std::sync::atomic::Ordering::Relaxed), 1);

    let rules =
        CompiledPolicy::compile(resource().check("quota", |_| Err("over quota")), &[&IssuerRules::for_tests("main")])
            .unwrap();
    let denial = judged(&rules, &minted(&GLOBAL), &mut Request::new(()).into_parts().0).map_err(denial).unwrap_err();
    assert_eq!(std::error::Error::source(&denial).unwrap().to_string(), "over quota");

    let sees =
        check("organization", |facts| facts.organization().is_some_and(|organization| organization.id() == "acme"));
    assert_eq!(decide(organization(header("org")).and(sees), &ACME, "acme"), Ok(Some("acme".into())));
}

#[test]
fn the_leftmost_passing_branch_fixes_the_organization() {
    let either = || {
        organization(header("org"))
            .scope("a")
            .or(resource().in_organization(of_token()).scope("a"))
            .or(resource().scope("a"))
    };
    assert_eq!(decide(either(), &ACME, "acme"), Ok(Some("acme".into())));
    assert_eq!(decide(either(), &API_IN_ACME, "other"), Ok(Some("acme".into())));
    assert_eq!(decide(either(), &GLOBAL, "other"), Ok(None));
    let swapped = || resource().scope("x").or(resource().in_organization(of_token())).or(authenticated());
    assert_eq!(decide(swapped(), &API_IN_ACME, ""), Ok(Some("acme".into())));
}

#[test]
fn the_nearest_branch_denies() {
    let scope_is_nearer = || organization(header("org")).or(resource().scope("c"));
    assert_eq!(decide(scope_is_nearer(), &GLOBAL, "acme"), SCOPE);
    let organization_is_nearer = || resource().machine().or(resource().in_organization(header("org")));
    assert_eq!(decide(organization_is_nearer(), &GLOBAL, "acme"), OTHER);
}

#[test]
fn hidden_denials_are_all_alike() {
    let hidden = || organization(header("org")).scope("a").hide_organization();
    let expected = Err((RejectionKind::Hidden, Remediation::None));
    assert_eq!(decide(hidden(), &ACME, "other"), expected);
    assert_eq!(decide(hidden(), &ACME, ""), expected);
    assert_eq!(decide(hidden(), &GLOBAL, "acme"), expected);
    assert_eq!(decide(hidden(), &API_IN_ACME, "acme"), expected);
    assert_eq!(decide(hidden(), &Token { scope: "", ..ACME }, "acme"), SCOPE, "a member learns what is missing");
    assert_eq!(decide(optional(hidden()), &ACME, "acme"), Ok(Some("acme".into())));
}

#[test]
fn a_policy_that_names_no_issuer_means_the_only_one_there_was() {
    let kind = |policy: Policy| {
        let rules = CompiledPolicy::compile(policy, &[&IssuerRules::for_tests("the only one")]).unwrap();
        let decision = judged(&rules, &minted(&GLOBAL), &mut Request::new(()).into_parts().0);
        decision.map(|granted| granted.organization).map_err(|unsettled| denial(unsettled).kind())
    };
    assert_eq!(kind(resource()), Err(RejectionKind::Denied));
    assert_eq!(kind(resource().any_issuer()), Ok(None));
}

#[test]
fn an_issuer_speaks_for_its_own_indicators_only() {
    let both = Token { own: &[API], audience: &[API, BILLING], ..GLOBAL };
    assert_eq!(decide(resource(), &both, ""), Ok(None));
    assert_eq!(decide(resource_at(BILLING), &both, ""), AUDIENCE(Remediation::ResourceToken));
    let in_acme = Token { organization: Some("acme"), ..both };
    assert_eq!(
        decide(resource_at(BILLING).in_organization(of_token()), &in_acme, ""),
        AUDIENCE(Remediation::ResourceToken)
    );
}

#[test]
fn a_claim_is_one_of_several_values_or_contains_one() {
    let payload =
        r#"{"plan":"pro","level":3,"groups":["a",{"b":1},"staff",7,true,null],"none":null,"quoted":["\u0061"]}"#;
    let token = Token { payload, ..GLOBAL };
    for policy in [
        resource().claim_any_of("plan", ["team", "pro"]),
        resource().claim_any_of("level", [2, 3]),
        resource().claim_contains("groups", "staff"),
        resource().claim_contains("groups", 7),
        resource().claim_contains("groups", true),
        resource().claim_contains("quoted", "a"),
    ] {
        let text = policy.to_string();
        assert_eq!(decide(policy, &token, ""), Ok(None), "{text}");
    }
    for policy in [
        resource().claim_any_of("plan", ["team", "Pro"]),
        resource().claim_any_of("level", ["3"]),
        resource().claim_any_of("absent", [""]),
        resource().claim_any_of("groups", ["a"]),
        resource().claim_contains("groups", "b"),
        resource().claim_contains("groups", "7"),
        resource().claim_contains("groups", false),
        resource().claim_contains("plan", "pro"),
        resource().claim_contains("plan", "p"),
        resource().claim_contains("none", "null"),
        resource().claim_contains("absent", ""),
    ] {
        let text = policy.to_string();
        assert_eq!(decide(policy, &token, ""), DENIED, "{text}");
    }
}

#[test]
fn an_organization_that_only_the_policy_vouches_for_is_told_apart() {
    let customers_or_support = || organization(header("org")).scope("a").or(resource().scope("b").about(header("org")));
    let organization = |token: &Token, requested: &'static str| {
        let mut request = Request::new(()).into_parts().0;
        request.headers.insert("org", HeaderValue::from_static(requested));
        let policy = CompiledPolicy::compile(customers_or_support(), &[&IssuerRules::for_tests("main")]).unwrap();
        let granted = judged(&policy, &minted(token), &mut request).map_err(|stop| denial(stop).kind())?;
        Ok(granted.organization.map(|found| (found.id().to_owned(), found.provenance(), granted.clause)))
    };
    let found = |provenance, clause| Ok(Some(("acme".to_owned(), provenance, clause)));
    assert_eq!(organization(&ACME, "acme"), found(OrganizationProvenance::Token, 0));
    assert_eq!(organization(&GLOBAL, "acme"), found(OrganizationProvenance::Policy, 1));
    // Whoever is not staff, or is for an organization, is not let into another one.
    assert!(organization(&Token { scope: "a", ..GLOBAL }, "acme").is_err());
    assert!(organization(&API_IN_ACME, "other").is_err());
    assert!(organization(&ACME, "other").is_err());
    assert_eq!(organization(&GLOBAL, ""), Err(RejectionKind::WrongModel), "the request names none");
}

#[test]
fn user_code_runs_once_for_each_model_however_often_it_is_decided() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let counted = |passes: bool| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = runs.clone();
        let name = if passes { "passes" } else { "fails" };
        let check = check(name, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            passes
        });
        (check, runs)
    };
    let (passing, passed) = counted(true);
    let (failing, failed) = counted(false);
    let found = Arc::new(AtomicUsize::new(0));
    let counter = found.clone();
    let source = super::super::custom("org", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some("acme".to_owned())
    });
    // Multiplied: four clauses for each of two models.
    let models = resource().or(resource().about(source.clone()));
    let policy = models.and(scope("a").or(scope("b"))).and(passing).and(failing.clone().or(failing));
    let policy = CompiledPolicy::compile(policy, &[&IssuerRules::for_tests("main")]).unwrap();
    assert_eq!(policy.clauses.len(), 8);
    let (token, mut memory) = (minted(&GLOBAL), CheckMemory::default());
    for _ in 0..3 {
        let mut request = Request::new(()).into_parts().0;
        let denied = judged_again(&policy, &token, &mut request, &mut memory).map_err(denial).unwrap_err();
        assert_eq!(denied.kind(), RejectionKind::Denied);
    }
    let runs = [passed, failed, found].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(runs, [2, 2, 1]);
}

#[test]
fn a_check_reads_the_path_as_a_handler_does() {
    let own = resource().check("own", |facts| facts.path("user") == Some("subject") && facts.path("twice").is_none());
    let policy = CompiledPolicy::compile(own, &[&IssuerRules::for_tests("main")]).unwrap();
    let mut request = Request::new(()).into_parts().0;
    assert!(judged(&policy, &minted(&GLOBAL), &mut request).is_err(), "there is no path parameter");
    let params = [("user", "subject"), ("twice", "a"), ("twice", "b")];
    request.extensions.insert(crate::organization::PathParams::new(params));
    assert!(judged(&policy, &minted(&GLOBAL), &mut request).is_ok());
}

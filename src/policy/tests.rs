//! What is printed is read again as the same, and what is described is what is judged.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::request::Parts;
use proptest::prelude::*;

use super::*;
use crate::decision::{
    CacheTimes, Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, DecisionView,
};
use crate::engine::{Need, Stop};
use crate::explain::Steps;
use crate::future::BoxFuture;
use crate::issuer::{IssuerRules, ORGANIZATION_URN};
use crate::organization::PathParams;
use crate::permissions::{
    Conversations, LivePermissions, PermissionModel, PermissionQuery, PermissionSource, Permissions, Source,
    SourceError, Waited, WantedPermissions,
};
use crate::rejection::{RejectionKind, Remediation};
use crate::scope::ScopeList;
use crate::scoped::ScopedId;
use crate::testing::TestClock;
use crate::time::Now;
use crate::token::binding::Confirmation;
use crate::token::{AccessToken, Authentication, NumericDate, Provenance, Subject, SubjectKind, Times, Verified};

const NASTY: [&str; 26] = [
    "x) or (resource",
    "token",
    "any organization",
    "a and b",
    " and ",
    "and",
    "or",
    "optional",
    "hidden",
    "read:orders",
    "https://api.example.com/v1",
    "a\"b",
    "a\\",
    "\\",
    "]",
    "[stale 60s]",
    "{org}",
    "}",
    "-1",
    "60s",
    "true",
    "a\nb",
    "\u{202e}abc",
    "\u{7f}",
    "é",
    "🦀 = [faulty]",
];

fn name() -> BoxedStrategy<String> {
    prop_oneof![
        3 => prop::sample::select(&NASTY[..]).prop_map(str::to_owned),
        2 => "[a-z:*/]{1,6}",
        1 => any::<String>().prop_filter("a name", |name| !name.is_empty()),
    ]
    .boxed()
}

fn scope_token() -> BoxedStrategy<String> {
    prop_oneof![Just("and".to_owned()), Just("]".to_owned()), "[!#-\\[\\]-~]{1,5}", "[a-d]"].boxed()
}

fn span(longest: u64) -> BoxedStrategy<Duration> {
    prop_oneof![
        (1..=longest).prop_map(Duration::from_secs),
        (1_000_000_000..5_000_000_000_u64).prop_map(Duration::from_nanos)
    ]
    .boxed()
}

const LABELS: [&str; 4] = ["token", "path {org}", "x\" or resource", "any organization"];

fn parser() -> Parser {
    let parser = NASTY.iter().fold(Parser::new(), |parser, name| parser.check(name, |_| true));
    let parser = LABELS.iter().fold(parser, |parser, label| parser.custom(label, |_| None));
    let details = NASTY.iter().flat_map(|kind| LABELS.iter().map(move |name| (kind, name)));
    details.fold(parser, |parser, (kind, name)| parser.authorization_detail(kind, name, |_| true))
}

fn request_source() -> BoxedStrategy<RequestSource> {
    prop_oneof![
        name().prop_map(|name| path(&name)),
        "[a-z!#$%&'*+.^_`|~-]{1,8}".prop_map(|name| header(&name)),
        Just(()).prop_map(|()| header("and")),
        Just(()).prop_map(|()| header("no header")),
        "[a-z_-]{1,5}\\.[a-z]{2,3}".prop_map(|domain| subdomain(&domain)),
        name().prop_map(|name| argument(&name)),
        prop::sample::select(&LABELS[..]).prop_map(|label| custom(label, |_| None)),
    ]
    .boxed()
}

fn model_word() -> BoxedStrategy<Policy> {
    let org = || prop_oneof![4 => request_source(), 1 => Just(()).prop_map(|()| any_organization())];
    prop_oneof![
        Just(()).prop_map(|()| resource()),
        Just(()).prop_map(|()| authenticated()),
        name().prop_map(|indicator| resource_at(&indicator)),
        org().prop_map(organization),
        (name(), org()).prop_map(|(indicator, source)| resource_at(&indicator).in_organization(source)),
        request_source().prop_map(|source| resource().about(source)),
        (name(), request_source()).prop_map(|(indicator, source)| resource_at(&indicator).for_member_of(source)),
        request_source().prop_map(|source| resource().for_member_of(source).acting_allowed()),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<ClaimValue> {
    prop_oneof![
        name().prop_map(ClaimValue::from),
        any::<bool>().prop_map(ClaimValue::from),
        any::<i64>().prop_map(ClaimValue::from)
    ]
    .boxed()
}

fn word() -> BoxedStrategy<Policy> {
    let scopes = || prop::collection::vec(scope_token(), 0..4);
    prop_oneof![
        scope_token().prop_map(|name| scope(&name)),
        scopes().prop_map(all_of),
        scopes().prop_map(any_of),
        name().prop_map(|name| issued_by(&name)),
        Just(()).prop_map(|()| any_issuer()),
        Just(()).prop_map(|()| user()),
        Just(()).prop_map(|()| machine()),
        Just(()).prop_map(|()| sender_constrained()),
        Just(()).prop_map(|()| dpop()),
        Just(()).prop_map(|()| mtls()),
        prop::collection::vec(name(), 0..3).prop_map(client),
        (name(), value()).prop_map(|(name, value)| claim(&name, value)),
        (name(), prop::collection::vec(value(), 0..3)).prop_map(|(name, values)| claim_any_of(&name, values)),
        (name(), value()).prop_map(|(name, value)| claim_contains(&name, value)),
        prop::collection::vec(scope_token(), 0..3).prop_map(any_acr),
        name().prop_map(|value| acr(&value)),
        (0..40_000_000_u64).prop_map(|age| max_auth_age(Duration::from_secs(age))),
        span(3).prop_map(max_auth_age),
        Just(()).prop_map(|()| live()),
        span(86_399).prop_map(fresh_within),
        span(86_399).prop_map(|age| live().stale_if_error(age)),
        span(86_399).prop_map(|age| scope("a").stale_if_error(age)),
        Just(()).prop_map(|()| live().dangerous_token_only_on_error()),
        prop::sample::select(&NASTY[..]).prop_map(|name| check(name, |_| true)),
        (prop::sample::select(&NASTY[..]), prop::sample::select(&LABELS[..]))
            .prop_map(|(kind, name)| authorization_detail(kind, name, |_| true)),
        (name(), name(), request_source()).prop_map(|(action, kind, id)| decide(&action, &kind, id)),
        (name(), request_source(), span(299), span(299)).prop_map(|(action, id, allow, deny)| {
            decide(&action, "document", id).decision_cache(CacheTimes::new(allow, deny)).dangerous_allow_on_error()
        }),
    ]
    .boxed()
}

fn policy() -> BoxedStrategy<Policy> {
    let conditions = word().prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| one.and(two)),
            (inner.clone(), inner).prop_map(|(one, two)| one.or(two)),
        ]
    });
    let clause = (model_word(), prop::option::of(conditions), any::<bool>()).prop_map(|(model, conditions, first)| {
        match conditions {
            None => model,
            Some(conditions) if first => conditions.and(model),
            Some(conditions) => model.and(conditions),
        }
    });
    (prop::collection::vec(clause, 1..4), any::<bool>(), any::<bool>())
        .prop_map(|(clauses, is_optional, is_hidden)| {
            let policy = clauses.into_iter().reduce(Policy::or).unwrap();
            let policy = if is_optional { optional(policy) } else { policy };
            if is_hidden { policy.hide_organization() } else { policy }
        })
        .boxed()
}

/// With a shadow, in two of four cases; and with a condition that is added to both.
fn framed() -> BoxedStrategy<Policy> {
    (policy(), policy(), prop::option::of(word()), 0..4)
        .prop_map(|(policy, other, more, frame)| {
            let policy = match frame {
                0 => policy.shadow(other),
                1 => policy.dangerous_shadow_only(),
                _ => policy,
            };
            match more {
                Some(more) => policy.and(more),
                None => policy,
            }
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_printed_policy_is_read_as_the_same(policy in framed()) {
        let text = policy.to_string();
        if policy.fault.is_some() {
            prop_assert!(text.ends_with(" [faulty]"), "{}", text);
            prop_assert!(parser().parse(&text).is_err(), "{}", text);
            return Ok(());
        }
        let read = parser().parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(read.describe(), policy.describe());
        prop_assert_eq!(read.to_string(), text, "printing is a fixed point");
        // What each clause is said to be judged by is a policy of its own, and means that clause.
        for clause in policy.describe().clauses {
            let alone = parser().parse(&clause.text).map_err(|error| TestCaseError::fail(format!("{}\n{error}", clause.text)))?;
            prop_assert_eq!(alone.describe().clauses, [clause]);
        }
    }

    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), "[a-z \"\\\\(){}\\[\\]=0-9-]{0,40}"]) {
        let _ = parser().parse(&text);
    }

    #[test]
    fn a_text_with_words_exchanged_does_not_panic(policy in framed(), at in any::<prop::sample::Index>(), word in name()) {
        let text = policy.to_string();
        let mut words: Vec<&str> = text.split(' ').collect();
        let at = at.index(words.len());
        words[at] = &word;
        let text = words.join(" ");
        if let Ok(read) = parser().parse(&text) {
            prop_assert_eq!(parser().parse(&read.to_string()).unwrap().describe(), read.describe());
        }
    }
}

#[test]
fn what_is_added_to_a_policy_with_a_shadow_holds_for_both() {
    let printed = |policy: Policy| policy.to_string();
    let (a, b) = (|| resource().scope("a"), || resource().scope("b"));
    for (policy, text) in [
        (a().shadow(b()).user(), "resource and scope a and user shadow (resource and scope b and user)"),
        (user().and(a().shadow(b())), "user and resource and scope a shadow (user and resource and scope b)"),
        (
            a().shadow(b()).or(machine().and(resource())),
            "(resource and scope a) or (machine and resource) shadow ((resource and scope b) or (machine and resource))",
        ),
        (
            user().shadow(machine()).and(a().shadow(b())),
            "user and resource and scope a shadow (machine and resource and scope b)",
        ),
        (optional(a().shadow(b())), "optional resource and scope a shadow (resource and scope b)"),
        (
            a().shadow(optional(b())).user(),
            "resource and scope a and user shadow (optional resource and scope b and user)",
        ),
        (a().dangerous_shadow_only().user(), "SHADOW ONLY resource and scope a and user"),
        (user().and(optional(a()).dangerous_shadow_only()), "SHADOW ONLY optional user and resource and scope a"),
        (
            a().dangerous_shadow_only().or(b().dangerous_shadow_only()),
            "SHADOW ONLY (resource and scope a) or (resource and scope b)",
        ),
    ] {
        assert_eq!(printed(policy.clone()), text);
        assert_eq!(text.parse::<Policy>().unwrap().describe(), policy.describe());
    }
}

#[test]
fn a_shadow_stands_in_parentheses_at_the_end() {
    for (text, message) in [
        ("resource shadow resource", "column 17: expected `(`, found `resource`"),
        ("resource shadow (resource", "column 26: expected `)`, found the end"),
        ("resource shadow (resource shadow (resource))", "column 27: expected `)`, found `shadow`"),
        ("resource shadow (user and machine)", "column 1: shadow: (user) and (machine) contradict each other"),
        (
            "resource shadow (SHADOW ONLY resource)",
            "column 18: expected a word of a policy, such as `resource`, `organization` or `scope`, found `SHADOW`",
        ),
        ("SHADOW resource", "column 8: expected `ONLY`, found `resource`"),
        (
            "SHADOW ONLY user",
            "column 1: dangerous_shadow_only() belongs to a whole policy, which says what the token is for",
        ),
        ("SHADOW ONLY resource shadow (resource)", "column 22: expected `and`, `or` or the end, found `shadow`"),
        (
            "shadow only resource",
            "column 1: expected a word of a policy, such as `resource`, `organization` or `scope`, found `shadow`",
        ),
    ] {
        assert_eq!(text.parse::<Policy>().unwrap_err().to_string(), message, "{text}");
    }
    assert_eq!(resource().scope("shadow").to_string(), "resource and scope \"shadow\"");
    assert_eq!(resource().scope("SHADOW").to_string(), "resource and scope SHADOW");
}

/// A token and a request, as far as policies look at them.
#[derive(Clone, Debug)]
struct World {
    issuer: &'static str,
    audience: Option<&'static str>,
    claimed: Option<&'static str>,
    scopes: Vec<&'static str>,
    kind: SubjectKind,
    cnf: Option<String>,
    /// By which authentication context, and how many seconds ago.
    signed_in: (Option<&'static str>, Option<u32>),
    payload: &'static str,
    requested: Option<&'static str>,
    /// The resource that the token is for, if it is for no organization.
    indicator: &'static str,
    held: Held,
}

/// What the permission source says of the subject.
#[derive(Clone, Debug)]
enum Held {
    /// Nothing: it is down.
    Down,
    MayNotAct,
    /// These scopes; for whoever asks about memberships, in this organization only.
    Scopes(Vec<&'static str>, Option<&'static str>),
}

const DETAILS: &str = r#"{"authorization_details":[{"type":"x"},{"type":"pay"}]}"#;
const API: &str = "https://api.example.com";
const BILLING: &str = "https://api.example.com/billing";
const NOW: Now = Now::new(Duration::from_secs(1_800_000_000), Duration::from_secs(3600));

fn world() -> impl Strategy<Value = World> {
    let organization = || prop::option::of(prop::sample::select(&["acme", "other"][..]));
    (
        prop::sample::select(&["main", "staff"][..]),
        organization(),
        organization(),
        prop::sample::subsequence(vec!["a", "b", "c"], 0..=3),
        prop::sample::select(&[SubjectKind::User, SubjectKind::Machine, SubjectKind::Unknown][..]),
        prop::sample::select(&[None, Some("jkt"), Some("x5t#S256")][..])
            .prop_map(|name| name.map(|name| format!("{{\"{name}\":\"{}\"}}", "A".repeat(43)))),
        (
            prop::sample::select(&[None, Some("gold"), Some("silver"), Some("Gold")][..]),
            prop::sample::select(&[None, Some(0), Some(60), Some(61), Some(300)][..]),
        ),
        prop::sample::select(
            &["{}", r#"{"plan":"pro"}"#, r#"{"plan":["pro","x"]}"#, r#"{"plan":"free"}"#, DETAILS][..],
        ),
        (organization(), prop::sample::select(&[API, API, BILLING][..]), held()),
    )
        .prop_map(|(issuer, audience, claimed, scopes, kind, cnf, signed_in, payload, rest)| World {
            issuer,
            audience,
            claimed,
            scopes,
            kind,
            cnf,
            signed_in,
            payload,
            requested: rest.0,
            indicator: rest.1,
            held: rest.2,
        })
}

fn held() -> impl Strategy<Value = Held> {
    let organization = prop::option::of(prop::sample::select(&["acme", "other"][..]));
    prop_oneof![
        1 => Just(Held::Down),
        1 => Just(Held::MayNotAct),
        4 => (prop::sample::subsequence(vec!["a", "b", "c"], 0..=3), organization)
            .prop_map(|(scopes, organization)| Held::Scopes(scopes, organization)),
    ]
}

impl World {
    fn token(&self) -> AccessToken {
        let of = |id: &str| ScopedId::new(&self.issuer.into(), id);
        let audience = self.audience.map_or_else(|| self.indicator.to_owned(), |id| format!("{ORGANIZATION_URN}{id}"));
        let verified = Verified {
            entry: crate::token::EntryVersion::of(crate::token::IssuerId::for_tests("main")),
            issuer: "https://issuer.example".into(),
            subject: Subject::new(self.issuer.into(), "subject".into(), self.kind),
            resources: Arc::from([API.into(), BILLING.into()]),
            client_id: Some("web".into()),
            token_id: None,
            scopes: ScopeList::from_text(&self.scopes.join(" ")),
            audience: vec![audience.into()],
            organization: self.claimed.map(of),
            audience_organization: self.audience.map(of),
            parties: crate::token::Parties::of(self.audience.into_iter().map(Into::into).collect(), Vec::new()),
            confirmation: self.cnf.as_deref().map(|cnf| Box::new(Confirmation::read(cnf).unwrap())),
            authentication: Authentication::of(
                self.signed_in.0.map(Into::into),
                self.signed_in.1.and_then(|age| NumericDate::new(NOW.unix.as_secs_f64() - f64::from(age))),
            ),
            times: Times { expires_at: NumericDate::new(1.0).unwrap(), not_before: None, issued_at: None },
        };
        let text = format!("e30.{}.", URL_SAFE_NO_PAD.encode(self.payload));
        AccessToken::mint(verified, text.as_bytes(), Provenance::dangling())
    }

    fn request(&self) -> Parts {
        let mut request = Request::new(()).into_parts().0;
        request.extensions.insert(PathParams::new([("org", self.requested.unwrap_or_default())]));
        if let Some(requested) = self.requested {
            request.headers.insert("org", requested.parse().unwrap());
        }
        request
    }

    /// What a reader of the description expects: the organization of the first clause that holds.
    #[allow(clippy::option_option, reason = "whether it passes, and for which organization")]
    fn expected(&self, description: &Description) -> Option<Option<&'static str>> {
        description.clauses.iter().find_map(|clause| {
            let organization = self.model(clause.model.as_ref()?)?;
            let holds = self.is_issued(clause.issuer.as_ref())
                && self.may(clause, organization)
                && clause.conditions.iter().all(|condition| self.meets(condition));
            holds.then_some(organization)
        })
    }

    #[allow(clippy::option_option, reason = "whether it passes, and for which organization")]
    fn model(&self, model: &ModelDescription) -> Option<Option<&'static str>> {
        let named = |source: &SourceDescription, of_token: Option<&'static str>| match source {
            SourceDescription::AnyOrganization => of_token,
            _ => of_token.filter(|_| self.requested == of_token),
        };
        match model {
            ModelDescription::Authenticated => Some(None),
            ModelDescription::Resource { indicator, about }
                if self.is_for(indicator.as_deref()) && self.claimed.is_none() =>
            {
                about.as_ref().map_or(Some(None), |_| self.requested.map(Some))
            }
            ModelDescription::Organization { source } if self.claimed.is_none() => {
                named(source, self.audience).map(Some)
            }
            ModelDescription::ResourceInOrganization { indicator, source } if self.is_for(indicator.as_deref()) => {
                named(source, self.claimed).map(Some)
            }
            ModelDescription::Member { indicator, .. } if self.is_for(indicator.as_deref()) => {
                self.requested.filter(|requested| self.claimed.is_none_or(|claimed| claimed == *requested)).map(Some)
            }
            _ => None,
        }
    }

    fn is_issued(&self, issuer: Option<&IssuerDescription>) -> bool {
        !matches!(issuer, Some(IssuerDescription::Named(name)) if name != self.issuer)
    }

    fn is_for(&self, indicator: Option<&str>) -> bool {
        self.audience.is_none() && indicator.unwrap_or(API) == self.indicator
    }

    /// Whether the token has the scopes, and its subject too where that is asked.
    fn may(&self, clause: &ClauseDescription, organization: Option<&'static str>) -> bool {
        let by = |held: Option<&[&str]>| {
            let has = |scope: &String| {
                self.scopes.contains(&scope.as_str()) && held.is_none_or(|held| held.contains(&scope.as_str()))
            };
            clause.scopes.iter().all(|rule| Self::has(rule, has))
        };
        let Some(freshness) = &clause.freshness else { return by(None) };
        let is_of_member = matches!(clause.model, Some(ModelDescription::Member { .. }));
        match &self.held {
            // Nothing is known from before, so nothing stale can serve.
            Held::Down => freshness.on_error == Some(OnErrorDescription::TokenOnly) && by(None),
            Held::MayNotAct => false,
            Held::Scopes(scopes, of) => (!is_of_member || *of == organization) && by(Some(scopes)),
        }
    }

    fn has(rule: &ScopesDescription, has: impl Fn(&String) -> bool) -> bool {
        match rule {
            ScopesDescription::All(scopes) => scopes.iter().all(has),
            ScopesDescription::Any(scopes) => scopes.iter().any(has),
        }
    }

    fn meets(&self, condition: &ConditionDescription) -> bool {
        let claims: serde_json::Value = serde_json::from_str(self.payload).unwrap();
        let value = |value: &ClaimValue| serde_json::to_value(value).unwrap();
        match condition {
            ConditionDescription::SubjectKind { subject } => match self.kind {
                SubjectKind::User => *subject == "user",
                SubjectKind::Machine => *subject == "machine",
                SubjectKind::Unknown => false,
            },
            ConditionDescription::SenderConstrained { to_key, to_certificate } => self
                .cnf
                .as_ref()
                .is_some_and(|cnf| (!to_key || cnf.contains("jkt")) && (!to_certificate || cnf.contains("x5t#S256"))),
            ConditionDescription::Client { any_of } => any_of.iter().any(|id| id == "web"),
            ConditionDescription::Claim { name, equals } => claims.get(name) == Some(&value(equals)),
            ConditionDescription::ClaimAnyOf { name, any_of } => {
                any_of.iter().any(|one| claims.get(name) == Some(&value(one)))
            }
            ConditionDescription::ClaimContains { name, contains } => {
                claims.get(name).and_then(|claim| claim.as_array()).is_some_and(|all| all.contains(&value(contains)))
            }
            ConditionDescription::Acr { any_of } => {
                self.signed_in.0.is_some_and(|acr| any_of.iter().any(|one| one == acr))
            }
            ConditionDescription::MaxAuthAge { max } => {
                self.signed_in.1.is_some_and(|age| u64::from(age) <= max.as_secs())
            }
            ConditionDescription::AuthorizationDetail { detail_type, name } => {
                let details = claims.get("authorization_details").and_then(|details| details.as_array());
                details.is_some_and(|all| all.iter().any(|one| one["type"] == **detail_type)) && name == "yes"
            }
            ConditionDescription::Check { name } => name == "yes",
            ConditionDescription::Decision { action, allow_on_error, .. } => {
                let passes = action == "yes" || action == "down" && *allow_on_error;
                passes && self.requested.is_some()
            }
        }
    }
}

impl PermissionSource for World {
    fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let is_of_member = matches!(query.model(), PermissionModel::Memberships { .. });
        Box::pin(ready(match &self.held {
            Held::Down => Err(SourceError::new("down")),
            Held::MayNotAct => Ok(Permissions::none()),
            Held::Scopes(scopes, of) if is_of_member => {
                let scopes = Arc::new(scopes.iter().map(|scope| (*scope).into()).collect());
                Ok(Permissions::of_memberships(of.map(|id| (id, scopes))))
            }
            Held::Scopes(scopes, _) => Ok(Permissions::of(scopes.iter().copied())),
        }))
    }
}

/// Allows the action `yes`, and is down for the action `down`.
struct Point;

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(ready(match request.action() {
            "yes" => Ok(Decision::allow()),
            "down" => Err(DecisionError::unavailable("down")),
            _ => Ok(Decision::deny()),
        }))
    }
}

/// Policies that need nothing but token and request, the source of `World` and the decision point.
fn judged_policy() -> BoxedStrategy<Policy> {
    let sources = || {
        let named = prop_oneof![Just("path"), Just("header"), Just("any")];
        named.prop_map(|kind| match kind {
            "path" => path("org"),
            "header" => header("org"),
            _ => any_organization(),
        })
    };
    let models = prop_oneof![
        prop::sample::select(&["", API, BILLING][..]).prop_map(|indicator| api(indicator).any_issuer()),
        Just(()).prop_map(|()| authenticated().issued_by("main")),
        sources().prop_map(|source| organization(source).any_issuer()),
        sources().prop_map(|source| resource().in_organization(source).issued_by("staff")),
        (prop::sample::select(&["", BILLING][..]), sources())
            .prop_map(|(indicator, source)| api(indicator).in_organization(source).any_issuer()),
        Just(()).prop_map(|()| resource().any_issuer().about(path("org"))),
        (prop::sample::select(&["", BILLING][..]), any::<bool>()).prop_map(|(indicator, is_live)| {
            let policy = api(indicator).any_issuer().for_member_of(path("org"));
            if is_live { policy.live() } else { policy.fresh_within(Duration::from_secs(30)) }
        }),
    ];
    let words = prop_oneof![
        prop::sample::select(&["a", "b", "c"][..]).prop_map(scope),
        prop::sample::subsequence(vec!["a", "b", "c"], 1..=3).prop_map(any_of),
        Just(()).prop_map(|()| user()),
        Just(()).prop_map(|()| machine()),
        Just(()).prop_map(|()| sender_constrained()),
        Just(()).prop_map(|()| dpop()),
        Just(()).prop_map(|()| mtls()),
        prop::sample::select(&["web", "other"][..]).prop_map(|id| client([id])),
        prop::sample::subsequence(vec!["gold", "silver"], 1..=2).prop_map(any_acr),
        prop::sample::select(&[60, 300][..]).prop_map(|age| max_auth_age(Duration::from_secs(age))),
        Just(()).prop_map(|()| claim("plan", "pro")),
        Just(()).prop_map(|()| claim_any_of("plan", ["pro", "free"])),
        Just(()).prop_map(|()| claim_contains("plan", "pro")),
        prop::sample::select(&["yes", "no"][..]).prop_map(|name| parsed(&format!("check \"{name}\""))),
        prop::sample::select(&["yes", "no"][..])
            .prop_map(|name| parsed(&format!("authorization-detail pay \"{name}\""))),
        prop::sample::select(&["yes", "no", "down"][..]).prop_map(|action| decide(action, "document", path("org"))),
        prop::sample::select(&["yes", "no", "down"][..])
            .prop_map(|action| decide(action, "document", path("org")).dangerous_allow_on_error()),
        Just(()).prop_map(|()| live()),
        Just(()).prop_map(|()| fresh_within(Duration::from_secs(30))),
        Just(()).prop_map(|()| live().stale_if_error(Duration::from_secs(60))),
        Just(()).prop_map(|()| live().dangerous_token_only_on_error()),
    ];
    let conditions = words.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| one.and(two)),
            (inner.clone(), inner).prop_map(|(one, two)| one.or(two)),
        ]
    });
    let clause = (models, prop::option::of(conditions))
        .prop_map(|(model, conditions)| conditions.map_or(model.clone(), |conditions| model.and(conditions)));
    let clauses = prop::collection::vec(clause, 1..4);
    let framed = (clauses, any::<bool>(), any::<bool>()).prop_map(|(clauses, is_optional, is_hidden)| {
        let policy = clauses.into_iter().reduce(Policy::or).unwrap();
        let policy = if is_optional { optional(policy) } else { policy };
        if is_hidden { policy.hide_organization() } else { policy }
    });
    framed.boxed()
}

fn api(indicator: &str) -> Policy {
    if indicator.is_empty() { resource() } else { resource_at(indicator) }
}

/// One closure for each name, whoever asks.
fn parsed(text: &str) -> Policy {
    static PARSER: std::sync::LazyLock<Parser> = std::sync::LazyLock::new(|| {
        let parser = Parser::new().check("yes", |_| true).check("no", |_| false);
        let parser = parser.authorization_detail("pay", "yes", |_| true);
        parser.authorization_detail("pay", "no", |_| false)
    });
    PARSER.parse(text).unwrap()
}

/// What came of a judgement, and whether a request without a token would have passed.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    judged: Result<Option<String>, (RejectionKind, Remediation)>,
    optional: bool,
}

/// Judges, and waits for what is missing. `None` if the policy does not fit the server.
fn judged(policy: Policy, world: &World) -> Option<Outcome> {
    let mut entries = ["main", "staff"].map(IssuerRules::for_tests);
    entries[1].issuers = vec!["https://staff.example".into()];
    for entry in &mut entries {
        entry.resources = Arc::from([API.into(), BILLING.into()]);
    }
    let policy = CompiledPolicy::compile(policy, &entries.iter().collect::<Vec<_>>()).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let permissions = Arc::new(LivePermissions::new(100, Arc::new(TestClock::new(NOW.unix))));
    let (conversations, source) = (Conversations::new(), Source::new(Arc::new(world.clone()), Arc::default()));
    let decider = Decider::builder(Point).clock(TestClock::new(NOW.unix)).build().unwrap();
    let (arrival, mut waited, mut decided) = (permissions.arrival(), Vec::new(), Vec::new());
    for _ in 0..16 {
        let live = LiveView {
            permissions: &permissions,
            conversations: &conversations,
            source: Some(&source),
            arrival,
            waited: &waited,
            serves_known: true,
            now: NOW,
            leeway: Duration::from_secs(60),
            lead: 0.0,
            changes: None,
        };
        let mut view = View {
            live: policy.is_live().then_some(live),
            decisions: DecisionView { decider: Some(&decider), decided: &decided, route: None },
            sign_in: SignInView { conversations: &conversations, now: NOW, lead: &|| 0.0, is_dry: false },
            now: NOW,
            memory: &mut CheckMemory::default(),
            steps: &mut Steps::default(),
            is_dry: false,
            without_decision: false,
        };
        let judged = match policy.judge(&world.token(), &mut world.request(), &mut view) {
            Ok(granted) => Ok(granted.organization.map(|organization| organization.id().to_owned())),
            Err(Stop::Reject(rejection)) => Err((rejection.kind(), rejection.remediation())),
            Err(Stop::Need(Need::Permissions(wanted))) => {
                let WantedPermissions { source, query, need } = *wanted;
                let outcome = runtime.block_on(permissions.resolve(&source, &query, need));
                waited.push(Waited { query, outcome });
                continue;
            }
            Err(Stop::Need(Need::Decisions(wanted))) => {
                decided.extend(runtime.block_on(wanted.ask()));
                continue;
            }
            Err(Stop::Need(_)) => panic!("nothing else is missing"),
        };
        return Some(Outcome { judged, optional: policy.is_optional() });
    }
    panic!("it is not decided")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_described_is_judged(policy in judged_policy(), world in world()) {
        let Some(outcome) = judged(policy.clone(), &world) else { return Ok(()) };
        let description = policy.describe();
        let expected = world.expected(&description).map(|organization| organization.map(str::to_owned));
        prop_assert_eq!(outcome.judged.clone().ok(), expected, "{}", policy);
        prop_assert_eq!(outcome.optional, description.optional);
        if let Err((kind, _)) = outcome.judged {
            let is_said = matches!(kind, RejectionKind::WrongModel | RejectionKind::WrongOrganization);
            prop_assert!(if description.hidden { !is_said } else { kind != RejectionKind::Hidden }, "{}", policy);
        }
        prop_assert_eq!(judged(parsed(&policy.to_string()), &world), Some(outcome));
    }
}

/// The generated policies are for something: enough of them fit the server, and each word passes and rejects.
#[test]
fn generated_policies_are_judged_both_ways() {
    use proptest::strategy::ValueTree as _;

    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<(&str, bool), u32>::new();
    for _ in 0..1000 {
        let policy = judged_policy().new_tree(&mut runner).unwrap().current();
        let world = world().new_tree(&mut runner).unwrap().current();
        let Some(outcome) = judged(policy.clone(), &world) else { continue };
        let text = policy.to_string();
        for word in ["resource https", "for member of", "live", "fresh within", "decide", "optional", "hidden"] {
            if text.contains(word) {
                *seen.entry((word, outcome.judged.is_ok())).or_default() += 1;
            }
        }
    }
    assert!(seen.len() == 14 && seen.values().all(|count| *count >= 5), "{seen:?}");
}

#[test]
fn a_text_that_is_no_policy_is_said_where() {
    for (text, expected) in [
        ("", "column 1: expected a word of a policy, such as `resource`, `organization` or `scope`, found the end"),
        (
            "resource and",
            "column 13: expected a word of a policy, such as `resource`, `organization` or `scope`, found the end",
        ),
        ("resource xor user", "column 14: expected `and`, `or` or the end, found `user`"),
        ("resource user", "column 10: expected `and`, `or` or the end, found `user`"),
        ("(resource", "column 10: expected `)`, found the end"),
        (
            "resource and optional user",
            "column 14: expected a word of a policy, such as `resource`, `organization` or `scope`, found `optional`",
        ),
        ("resource and scope and", "column 20: expected a scope (or the string \"and\"), found `and`"),
        ("é", "column 1: expected a word, a string, or one of ( ) [ ] { } =, found \"é\""),
        ("resource \"é\" and §", "column 18: expected a word, a string, or one of ( ) [ ] { } =, found \"§\""),
        ("resource and claim a = \"b", "column 24: expected a string as in JSON, found \"\\\"b\""),
        ("resource and claim a = b", "column 24: expected a string, an integer, `true` or `false`, found `b`"),
        ("resource and all of []", "column 22: expected a scope, found `]`"),
        ("resource and fresh within 5m", "column 27: expected a duration: an integer and ns, us, ms or s, found `5m`"),
        ("resource and fresh within 0s", "column 14: fresh within 0ns: not in 1s ..= 86400s"),
        ("resource and scope a and live and freshness [stale 604800s]", "column 35: stale 604800s: more than 86400s"),
        ("resource and live [stale 604800s]", "column 14: stale 604800s: more than 86400s"),
        ("resource and user and machine", "column 1: (user) and (machine) contradict each other"),
        ("resource and scope a [faulty]", "column 22: expected `and`, `or` or the end, found `[`"),
        (
            "resource and check \"mine\"",
            "column 20: expected code of the application that is registered: see Parser::check for check \"mine\", found `\"mine\"`",
        ),
        (
            "organization from custom \"query\"",
            "column 26: expected code of the application that is registered: see Parser::custom for custom \"query\", found `\"query\"`",
        ),
        (
            "organization from token",
            "column 19: expected `path {..}`, `header`, `subdomain of`, `argument` or `custom`, found `token`",
        ),
        (
            "resource about any organization",
            "column 16: expected `path {..}`, `header`, `subdomain of`, `argument` or `custom`, found `any`",
        ),
        (
            "resource and decide read document from path {id} [keep 10s 5s] [allow on error]",
            "column 65: expected `allow on error` or `keep`, in this order and each once, found `allow`",
        ),
        (
            "resource and decide read document from path {id} [keep 301s 5s]",
            "column 56: expected times of at most 300s, found `301s 5s]`",
        ),
    ] {
        assert_eq!(text.parse::<Policy>().unwrap_err().to_string(), expected, "{text}");
    }
    let error = "resource and §".parse::<Policy>().unwrap_err();
    assert_eq!(error.column(), 14);
}

#[test]
fn code_without_a_name_is_not_read() {
    let parser = Parser::new().check("", |_| true).custom("", |_| None);
    let parser = ["", "a"].into_iter().fold(parser, |parser, kind| {
        ["", "a"].into_iter().fold(parser, |parser, name| parser.authorization_detail(kind, name, |_| true))
    });
    for text in [
        "resource and check \"\"",
        "organization from custom \"\"",
        "resource and authorization-detail \"\" \"a\"",
        "resource and authorization-detail a \"\"",
    ] {
        assert!(parser.parse(text).is_err(), "{text}");
    }
    assert!(parser.parse("resource and authorization-detail a \"a\"").is_ok());
}

#[test]
fn what_is_read_is_bounded() {
    let long = format!("resource and scope {}", "a".repeat(70_000));
    assert!(long.parse::<Policy>().unwrap_err().to_string().contains("65536 bytes"));
    let deep = format!("{}resource{}", "(".repeat(30_000), ")".repeat(30_000));
    assert!(deep.parse::<Policy>().unwrap_err().to_string().contains("at most 64 groups"));
    // Each group makes the tree deeper by two.
    let nested = |groups| {
        let inner = (0..groups).fold("scope a".to_owned(), |inner, _| format!("scope a and (scope b or {inner})"));
        format!("resource and ({inner})")
    };
    for shadow in [false, true] {
        let parsed = |groups| {
            let text = if shadow { format!("resource shadow ({})", nested(groups)) } else { nested(groups) };
            text.parse::<Policy>()
        };
        let deepest = parsed(31).unwrap();
        assert!(deepest.to_string().parse::<Policy>().is_ok(), "{deepest}");
        assert!(parsed(32).unwrap_err().to_string().contains("more than 64 deep"));
    }
    let wide = ["(scope a or scope b)"; 7].join(" and ");
    assert!(wide.parse::<Policy>().unwrap_err().to_string().contains("more than 64 clauses"));
    let many = vec!["(scope a or scope b)"; 2_000].join(" and ");
    assert!(many.parse::<Policy>().unwrap_err().to_string().contains("more than 64 clauses"));
    assert!(["(scope a or scope b)"; 6].join(" and ").parse::<Policy>().is_ok());
    // What the builder makes is bounded by the same, however it is put together.
    let nested = (0..10_000).fold(resource(), |policy, _| live().and(live().and(policy)));
    assert!(nested.describe().fault.unwrap().contains("deep"));
    let chained = (0..10_000).fold(resource(), |policy, _| policy.or(resource().and(user())));
    assert!(chained.describe().fault.unwrap().contains("clauses"));
}

#[test]
fn one_name_for_two_pieces_of_code_is_a_fault() {
    let twice = resource().check("a", |_| true).or(authenticated().check("a", |_| false));
    assert!(twice.describe().fault.unwrap().contains("check \"a\""));
    let source = || custom("l", |_| None);
    let twice = organization(source()).or(resource().in_organization(source()));
    assert!(twice.describe().fault.unwrap().contains("custom \"l\""));
    let (one, same) = (check("a", |_| true), custom("l", |_| None));
    let once = organization(same.clone()).and(one.clone()).or(resource().in_organization(same).and(one));
    assert_eq!(once.describe().fault, None);
    let many = (0..65).fold(resource(), |policy, number| policy.check(&number.to_string(), |_| true));
    let fault = CompiledPolicy::compile(many, &[&IssuerRules::for_tests("main")]).unwrap_err().to_string();
    assert!(fault.contains("more than 64 checks"), "{fault}");
}

#[test]
fn faults_name_the_word_as_it_was_written() {
    for (policy, printed) in [
        (organization(header("a b")), "organization from header \"a b\" [faulty]"),
        (resource().about(any_organization()), "resource [faulty]"),
        (resource().scope("a b"), "resource and scope \"a b\" [faulty]"),
        (organization(subdomain("a..b")), "organization from subdomain of a..b [faulty]"),
        (resource().and(claim("", 1)), "resource and claim \"\" = 1 [faulty]"),
        (resource().user().machine(), "resource and user and machine [faulty]"),
    ] {
        assert_eq!(policy.to_string(), printed);
        assert!(printed.parse::<Policy>().is_err());
    }
}

#[test]
fn a_description_is_data() {
    let policy = optional(
        organization(path("org"))
            .any_of(["a", "b"])
            .live()
            .stale_if_error(Duration::from_secs(60))
            .and(claim_contains("groups", "staff"))
            .decide("read", "document", path("id"))
            .decision_cache(CacheTimes::new(Duration::from_millis(1500), Duration::ZERO))
            .or(resource_at(API).issued_by("staff").about(header("x-org"))),
    );
    let expected = serde_json::json!({
        "text": "optional (organization from path {org} and any of [a b] and live [stale 60s] and claim groups contains \"staff\" \
                 and decide read document from path {id} [keep 1500ms 0s]) or \
                 (resource https://api.example.com about header x-org and issued by staff)",
        "optional": true,
        "hidden": false,
        "written": { "or": [
            { "and": [
                { "word": "organization from path {org}" },
                { "word": "any of [a b]" },
                { "word": "live [stale 60s]" },
                { "word": "claim groups contains \"staff\"" },
                { "word": "decide read document from path {id} [keep 1500ms 0s]" },
            ] },
            { "and": [{ "word": "resource https://api.example.com about header x-org" }, { "word": "issued by staff" }] },
        ] },
        "clauses": [
            {
                "text": "organization from path {org} and claim groups contains \"staff\" and any of [a b] and live [stale 60s] \
                         and decide read document from path {id} [keep 1500ms 0s]",
                "issuer": null,
                "model": { "kind": "organization", "source": { "path": "org" } },
                "scopes": [{ "any": ["a", "b"] }],
                "freshness": { "live": true, "on_error": { "stale": "60s" } },
                "conditions": [
                    { "kind": "claim_contains", "name": "groups", "contains": "staff" },
                    {
                        "kind": "decision", "action": "read", "resource_type": "document", "id": { "path": "id" },
                        "allow_on_error": false, "keep": { "allow": "1500ms", "deny": "0s" },
                    },
                ],
            },
            {
                "text": "resource https://api.example.com about header x-org and issued by staff",
                "issuer": { "named": "staff" },
                "model": { "kind": "resource", "indicator": "https://api.example.com", "about": { "header": "x-org" } },
                "scopes": [],
                "freshness": null,
                "conditions": [],
            },
        ],
    });
    assert_eq!(serde_json::to_value(policy.describe()).unwrap(), expected);
}

#[test]
fn fault_that_repeats_a_long_name_is_cut() {
    let text = format!("resource and scope \"{}\"", "\u{7f}".repeat(4000));
    let error = text.parse::<Policy>().unwrap_err().to_string();
    assert!(error.starts_with("column ") && error.ends_with(" ...") && error.len() < 1024, "{} bytes", error.len());
}

//! Asked directly, through the Tower layer and through the guard, a request has the same outcome.

use std::convert::Infallible;

use axum::body::Body;
use http::Response;
use orgate::organization::PathParams;
use orgate::policy::{Policy, header, organization, path, resource};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tower::{Layer as _, service_fn};

use crate::authorize::parts;
use crate::web::{Answer, Api, request};

#[derive(Clone, Debug)]
pub(crate) enum Word {
    Resource,
    Organization,
    Member,
    ByHeader,
    Authenticated,
}

#[derive(Clone, Debug)]
pub(crate) struct Written {
    models: Vec<(Word, Vec<&'static str>)>,
    user: bool,
    hidden: bool,
    optional: bool,
    check: Option<bool>,
}

impl Written {
    pub(crate) fn is_authenticated(&self) -> bool {
        self.models.iter().any(|(word, _)| matches!(word, Word::Authenticated))
    }

    pub(crate) fn without_check(&self) -> Self {
        Self { check: None, ..self.clone() }
    }

    pub(crate) fn policy(&self) -> Policy {
        let branch = |(word, scopes): &(Word, Vec<&str>)| {
            let model = match word {
                Word::Resource => resource(),
                Word::Organization => organization(path("org")),
                Word::Member => resource().in_organization(path("org")),
                Word::ByHeader => organization(header("x-org")),
                Word::Authenticated => return orgate::policy::authenticated(),
            };
            if scopes.is_empty() { model } else { model.any_of(scopes.iter().copied()) }
        };
        let mut branches = self.models.iter().map(branch);
        let first = branches.next().unwrap();
        let mut policy = branches.fold(first, Policy::or);
        if self.user {
            policy = policy.user();
        }
        if let Some(passes) = self.check {
            policy = policy.check("told", move |_| passes);
        }
        let has_organization =
            self.models.iter().any(|(word, _)| !matches!(word, Word::Resource | Word::Authenticated));
        if self.hidden && has_organization {
            policy = policy.hide_organization();
        }
        if self.optional { orgate::policy::optional(policy) } else { policy }
    }
}

pub(crate) fn written() -> impl Strategy<Value = Written> {
    let word = select(vec![Word::Resource, Word::Organization, Word::Member, Word::ByHeader, Word::Authenticated]);
    let scopes = prop::collection::vec(select(vec!["a", "b", "c"]), 0..3);
    let models = prop::collection::vec((word, scopes), 1..4);
    (models, any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<bool>>())
        .prop_map(|(models, user, hidden, optional, check)| Written { models, user, hidden, optional, check })
}

pub(crate) const TOKENS: usize = 11;

pub(crate) fn tokens(api: &Api) -> [Option<String>; TOKENS] {
    let resource = api.issuer.resource_token(crate::web::RESOURCE);
    [
        None,
        Some("opaque".to_owned()),
        Some("a.b.c".to_owned()),
        Some(resource.clone().scope("a b").mint()),
        Some(resource.clone().scope("").mint()),
        Some(resource.clone().expired().mint()),
        Some(resource.clone().forged().mint()),
        Some(resource.signed_with_unknown_key().mint()),
        Some(api.organization_token("acme", "a")),
        Some(api.member_token("acme", "a c")),
        Some(api.member_token("globex", "b")),
    ]
}

/// What a client and a log see of an outcome.
fn seen(answer: &Answer) -> String {
    let rejection = answer.rejection.as_ref().map(|rejection| {
        let scopes = (rejection.required_scopes().to_vec(), rejection.missing_scopes().to_vec());
        format!("{:?} {:?} {scopes:?} {:?}", rejection.kind(), rejection.remediation(), rejection.retry_after())
    });
    format!("{} {rejection:?} {:?} {}", answer.status, answer.challenge(), answer.body)
}

async fn by_guard(api: &Api, policy: Policy, target: &str, token: Option<&str>) -> String {
    let app = api.server.guard().get("/orgs/{org}", async || "", policy).into_router().unwrap();
    let mut asked = request("GET", target, token);
    asked.headers_mut().insert("x-org", http::HeaderValue::from_static("acme"));
    seen(&api.send(&app, asked).await)
}

async fn by_layer(api: &Api, policy: Policy, org: &str, token: Option<&str>) -> String {
    let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())));
    let mut asked = request("GET", "/", token);
    asked.headers_mut().insert("x-org", http::HeaderValue::from_static("acme"));
    asked.extensions_mut().insert(PathParams::new([("org", org)]));
    seen(&api.send_to(api.server.require(policy).unwrap().layer(service), asked).await)
}

async fn by_hand(api: &Api, policy: Policy, org: &str, token: Option<&str>) -> String {
    let requirement = api.server.requirement(policy).unwrap();
    let mut asked = parts(token, org);
    asked.headers.insert("x-org", http::HeaderValue::from_static("acme"));
    let response = match requirement.authorize(&mut asked).await {
        Ok(_) => Response::new(bytes::Bytes::new()),
        Err(rejection) => requirement.response(rejection, &asked),
    };
    let service = service_fn(move |_: http::Request<Body>| {
        let response = response.clone().map(Body::from);
        async { Ok::<_, Infallible>(response) }
    });
    seen(&api.send_to(service, request("GET", "/", token)).await)
}

#[test]
fn authorize_layer_and_guard_have_the_same_outcome() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = runtime.block_on(Api::start());
    let tokens = tokens(&api);
    let case = (written(), 0..TOKENS, select(vec!["acme", "globex", "a%20b"]), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&case, |(written, token, org, rotates)| {
        let token = tokens[token].as_deref();
        runtime.block_on(async {
            if rotates {
                // Time for another look at the keys: the next request waits for a fetch.
                api.issuer.clock().advance(std::time::Duration::from_secs(10));
            }
            let decoded = org.replace("%20", " ");
            let guard = by_guard(&api, written.policy(), &format!("/orgs/{org}"), token).await;
            let layer = by_layer(&api, written.policy(), &decoded, token).await;
            let hand = by_hand(&api, written.policy(), &decoded, token).await;
            prop_assert_eq!(&guard, &layer);
            prop_assert_eq!(&layer, &hand);
            Ok(())
        })
    });
    outcome.unwrap();
}

//! Asked directly, through the Tower layer and through the guard, a request has the same outcome, whatever it waits for.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use http::Response;
use orgate::decision::{Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::future::BoxFuture;
use orgate::http::HttpClient;
use orgate::organization::PathParams;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{Policy, decide, header, organization, path, resource};
use orgate::{Issuer, ResourceServer};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::yield_now;
use tower::{Layer as _, service_fn};

use crate::authorize::parts;
use crate::observed::Observed;
use crate::web::{Answer, Api, RESOURCE, request};

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
    let resource = api.issuer.resource_token(RESOURCE);
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

/// What a permission source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Scopes(&'static [&'static str]),
    MayNotAct,
    Down,
}

/// What a decision point says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decides {
    Allows,
    Denies,
    Down,
}

/// A policy that asks others too, and what they say.
#[derive(Clone, Debug)]
struct Asking {
    written: Written,
    held: Option<(Held, bool)>,
    decides: Option<(Decides, bool)>,
    /// Whether the server knows the issuer's keys before the request comes.
    is_ready: bool,
}

impl Asking {
    fn policy(&self) -> Policy {
        let policy = self.written.policy();
        let policy = match self.held.filter(|_| !self.written.is_authenticated()) {
            None => policy,
            Some((_, false)) => policy.live(),
            Some((_, true)) => policy.fresh_within(Duration::from_secs(30)).dangerous_token_only_on_error(),
        };
        let asked = decide("read", "order", path("org"));
        match self.decides {
            None => policy,
            Some((_, false)) => policy.and(asked),
            Some((_, true)) => policy.and(asked.dangerous_allow_on_error()),
        }
    }

    /// A server for one request.
    async fn server(&self, api: &Api, client: &HttpClient, observed: Observed) -> ResourceServer {
        let entry = Issuer::new(api.issuer.url()).permissions(Source(self.held.map_or(Held::Down, |(held, _)| held)));
        let point = Point(self.decides.map_or(Decides::Down, |(decides, _)| decides));
        let decider = Decider::builder(point).clock(api.issuer.clock()).build().unwrap();
        let builder = ResourceServer::builder(entry, RESOURCE).clock(api.issuer.clock()).http_client(client.clone());
        let server = builder.decision_point(decider).observer(observed).build().unwrap();
        if self.is_ready {
            server.ready().await.unwrap();
        }
        server
    }
}

struct Source(Held);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            yield_now().await;
            match self.0 {
                Held::Scopes(scopes) => Ok(Permissions::of(scopes.iter().copied())),
                Held::MayNotAct => Ok(Permissions::none()),
                Held::Down => Err(SourceError::new("down")),
            }
        })
    }
}

struct Point(Decides);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async {
            yield_now().await;
            match self.0 {
                Decides::Allows => Ok(Decision::allow()),
                Decides::Denies => Ok(Decision::deny()),
                Decides::Down => Err(DecisionError::unavailable("down")),
            }
        })
    }
}

fn asking() -> impl Strategy<Value = Asking> {
    let held = select(vec![
        Held::Scopes(&["a", "b", "c"]),
        Held::Scopes(&["a"]),
        Held::Scopes(&[]),
        Held::MayNotAct,
        Held::Down,
    ]);
    let decides = select(vec![Decides::Allows, Decides::Allows, Decides::Denies, Decides::Down]);
    let held = prop::option::of((held, any::<bool>()));
    let decides = prop::option::of((decides, any::<bool>()));
    (written(), held, decides, any::<bool>()).prop_map(|(written, held, decides, is_ready)| Asking {
        written,
        held,
        decides,
        is_ready,
    })
}

/// Where a request may be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Guard,
    GuardRoute,
    Layer,
    ByHand,
}

const FACES: [Face; 4] = [Face::Guard, Face::GuardRoute, Face::Layer, Face::ByHand];

/// One request: the organization as it is in the path, and the token.
#[derive(Clone, Copy)]
struct Sent<'a> {
    org: &'a str,
    token: Option<&'a str>,
}

impl Sent<'_> {
    fn request(self, target: &str) -> http::Request<Body> {
        let mut asked = request("GET", target, self.token);
        asked.headers_mut().insert("x-org", http::HeaderValue::from_static("acme"));
        asked
    }

    fn decoded(self) -> String {
        self.org.replace("%20", " ")
    }
}

async fn by(face: Face, api: &Api, server: &ResourceServer, policy: Policy, sent: Sent<'_>) -> String {
    const ROUTE: &str = "/orgs/{org}";
    let service = service_fn(async |_: http::Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    match face {
        Face::Guard | Face::GuardRoute => {
            let guard = server.guard();
            let guard = match face {
                Face::Guard => guard.get(ROUTE, async || "", policy),
                _ => guard.route(ROUTE, axum::routing::get_service(service), policy),
            };
            let app = guard.into_router().unwrap();
            seen(&api.send(&app, sent.request(&format!("/orgs/{}", sent.org))).await)
        }
        Face::Layer => {
            let mut asked = sent.request("/");
            asked.extensions_mut().insert(PathParams::new([("org", sent.decoded())]));
            seen(&api.send_to(server.require(policy).unwrap().layer(service), asked).await)
        }
        Face::ByHand => {
            let requirement = server.requirement(policy).unwrap();
            let mut asked = parts(sent.token, &sent.decoded());
            asked.headers.insert("x-org", http::HeaderValue::from_static("acme"));
            let response = match requirement.authorize(&mut asked).await {
                Ok(_) => Response::new(bytes::Bytes::new()),
                Err(rejection) => requirement.response(rejection, &asked),
            };
            let service = service_fn(move |_: http::Request<Body>| {
                let response = response.clone().map(Body::from);
                async { Ok::<_, Infallible>(response) }
            });
            seen(&api.send_to(service, request("GET", "/", sent.token)).await)
        }
    }
}

/// Each face has a server of its own, which knows nothing of what the others have waited for.
#[test]
fn all_faces_have_the_same_outcome_and_wait_for_the_same() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = runtime.block_on(Api::start());
    let (tokens, client) = (tokens(&api), HttpClient::new());
    let case = (asking(), 0..TOKENS, select(vec!["acme", "globex", "a%20b"]), Just(FACES).prop_shuffle());
    let mut runner = TestRunner::new(Config { cases: 160, failure_persistence: None, ..Config::default() });
    let waits = std::cell::RefCell::new(BTreeSet::new());
    let outcome = runner.run(&case, |(asking, token, org, faces)| {
        let sent = Sent { org, token: tokens[token].as_deref() };
        let mut outcomes = Vec::new();
        for face in faces {
            let observed = Observed::default();
            let outcome = runtime.block_on(async {
                let server = asking.server(&api, &client, observed.clone()).await;
                by(face, &api, &server, asking.policy(), sent).await
            });
            let records = observed.take();
            prop_assert_eq!(records.len(), 1, "{:?}", face);
            waits.borrow_mut().extend(records[0].waits.iter().copied());
            outcomes.push((face, outcome, records));
        }
        for pair in outcomes.windows(2) {
            prop_assert_eq!(&pair[0].1, &pair[1].1, "{:?} and {:?}", pair[0].0, pair[1].0);
            prop_assert_eq!(&pair[0].2, &pair[1].2, "{:?} and {:?}", pair[0].0, pair[1].0);
        }
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(waits.into_inner(), ["decision", "key", "permissions"].into(), "what was waited for");
}

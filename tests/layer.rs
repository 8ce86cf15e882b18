//! `server.require(policy)` as a Tower layer, on whatever it may be put.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod web;

use std::convert::Infallible;
use std::future::{Future, Ready, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::handler::Handler as _;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use orgate::engine::Grant;
use orgate::policy::{Policy, any_organization, organization, resource};
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::tower::{Require, RequireFuture, RequireLayer};
use orgate::{AccessToken, Issuer, Organization, Rejection, ResourceServer};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use web::{Api, RESOURCE, request};

mod markers {
    use orgate::http::FetchError;
    use orgate::issuer::{Algorithm, MachineMark, Profile, ScopeForm, keys};
    use orgate::organization::PathParams;
    use orgate::policy::{ClaimValue, Facts, RequestSource};
    use orgate::rejection::ErrorCode;
    use orgate::rejection::{RejectionKind, Remediation};
    use orgate::respond::RejectionBody;
    use orgate::scope::Scope;
    use orgate::server::Builder;
    use orgate::token::{ClaimsError, Subject, SubjectKind};
    use orgate::tower::{Require, RequireFuture, RequireLayer, ResponseBody};
    use orgate::{AccessToken, Claims, ConfigError, Guard, Issuer, Organization, Policy, Rejection, ResourceServer};
    use orgate::{testing, time};
    use static_assertions::assert_impl_all;

    assert_impl_all!(ResourceServer: Clone, Send, Sync);
    assert_impl_all!(Builder: Send, Sync);
    assert_impl_all!(Issuer: Clone, Send, Sync);
    assert_impl_all!(Guard: Clone, Send, Sync);
    assert_impl_all!(Policy: Clone, Send, Sync);
    assert_impl_all!(RequestSource: Clone, Send, Sync);
    assert_impl_all!(ClaimValue: Clone, Send, Sync);
    assert_impl_all!(Facts<'static>: Copy, Send, Sync);
    assert_impl_all!(AccessToken: Clone, Send, Sync);
    assert_impl_all!(Subject: Clone, Send, Sync);
    assert_impl_all!(Organization: Clone, Send, Sync);
    assert_impl_all!(PathParams: Clone, Send, Sync);
    assert_impl_all!(Claims<String>: Clone, Send, Sync);
    assert_impl_all!(ClaimsError: Clone, Send, Sync, std::error::Error);
    assert_impl_all!(ConfigError: Clone, Send, Sync, std::error::Error);
    assert_impl_all!(Rejection: Clone, Send, Sync, std::error::Error);
    assert_impl_all!(RejectionKind: Copy, Send, Sync);
    assert_impl_all!(Remediation: Copy, Send, Sync);
    assert_impl_all!(ErrorCode: Copy, Send, Sync);
    assert_impl_all!(Scope: Clone, Send, Sync);
    assert_impl_all!(Algorithm: Copy, Send, Sync);
    assert_impl_all!(RejectionBody: Clone, Send, Sync);
    assert_impl_all!(RequireLayer: Clone, Send, Sync);
    assert_impl_all!(Require<axum::Router>: Clone, Send, Sync);
    assert_impl_all!(ResponseBody<String>: Send, Sync);
    assert_impl_all!(FetchError: Send, Sync, std::error::Error);
    assert_impl_all!(keys::NotReady: Clone, Send, Sync, std::error::Error);
    assert_impl_all!(keys::RefreshError: Clone, Send, Sync, std::error::Error);
    assert_impl_all!(RequireFuture<axum::routing::Route, axum::body::Body>: Send);

    const fn shared<T: Send + Sync + 'static>() {}
    macro_rules! shared {
        ($($public:ty),+ $(,)?) => { const _: () = { $(shared::<$public>();)+ }; };
    }
    shared!(
        ResourceServer,
        Builder,
        Issuer,
        Guard,
        Policy,
        RequestSource,
        ClaimValue,
        Facts<'static>,
        AccessToken,
        Subject
    );
    shared!(SubjectKind, Organization, PathParams, Claims<String>, ClaimsError, ConfigError, Rejection, RejectionKind);
    shared!(Remediation, ErrorCode, Scope, Algorithm, Profile, ScopeForm, MachineMark, RejectionBody, RequireLayer);
    shared!(
        Require<axum::Router>,
        ResponseBody<String>,
        FetchError,
        keys::NotReady,
        keys::RefreshError,
        keys::KeyEvent
    );
    shared!(
        keys::KeySetStatus,
        keys::KeySetState,
        time::Now,
        time::SystemClock,
        testing::TestIssuer,
        testing::TestClock
    );
    shared!(testing::TestIssuerBuilder, testing::TokenBuilder, testing::Fault, testing::Endpoint);
}

#[test]
fn names_of_enumerations_are_stable() {
    use orgate::issuer::{Algorithm, MachineMark, Profile, ScopeForm, keys};
    use orgate::rejection::{ErrorCode, RejectionKind, Remediation};
    use orgate::token::SubjectKind;

    let kinds = [SubjectKind::User, SubjectKind::Machine, SubjectKind::Unknown];
    assert_eq!(kinds.map(SubjectKind::as_str), ["user", "machine", "unknown"]);
    assert_eq!([Profile::Rfc9068, Profile::UntypedJwt].map(Profile::as_str), ["rfc9068", "untyped_jwt"]);
    assert_eq!([ScopeForm::Text, ScopeForm::Array].map(ScopeForm::as_str), ["text", "array"]);
    assert_eq!(MachineMark::Present("clientHost".into()).as_str(), "present");
    assert_eq!(keys::KeySetState::RefreshDue.as_str(), "refresh_due");
    assert_eq!(keys::KeyEvent::UnknownKidSuppressed.as_str(), "unknown_kid_suppressed");
    assert_eq!(RejectionKind::WrongModel.as_str(), "wrong_model");
    assert_eq!(Remediation::OrganizationToken.as_str(), "organization_token");
    assert_eq!(ErrorCode::InvalidToken.as_str(), "invalid_token");
    assert_eq!(Algorithm::Es256.as_str(), "ES256");
}

#[test]
fn a_configuration_error_prints_its_message_in_both_forms() {
    let error = ResourceServer::builder("not a url", RESOURCE).build().unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
}

async fn whom(token: AccessToken) -> String {
    token.subject().to_string()
}

fn bare(token: Option<&str>) -> Request<Full<Bytes>> {
    let (parts, _) = request("GET", "/", token).into_parts();
    Request::from_parts(parts, Full::default())
}

/// Without axum: the token is in the request's extensions.
async fn from_extensions(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request.extensions().get::<Grant>().and_then(Grant::token).expect("a verified token");
    let organization =
        request.extensions().get::<Grant>().and_then(Grant::organization).map(Organization::id).unwrap_or_default();
    Ok(Response::new(Full::from(format!("{} {organization}", token.subject()))))
}

#[tokio::test]
async fn around_a_bare_service() {
    let api = Api::start().await;
    let mut service =
        api.server.require(resource().in_organization(any_organization())).unwrap().layer(service_fn(from_extensions));
    let member = api.member_token("acme", "");
    for _ in 0..3 {
        let answer = service.ready().await.unwrap().call(bare(Some(&member))).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "user_1 acme");
    }
    let refused = service.ready().await.unwrap().call(bare(None)).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"https://api.example.com\"");
    let hint = refused.body().size_hint().exact().expect("the size of a refusal is known");
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes().len() as u64, hint);
}

#[tokio::test]
async fn the_error_and_the_body_are_the_inner_services() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    let api = Api::start().await;
    let layer = api.server.require(resource()).unwrap();
    let broken = layer.layer(service_fn(async |_: Request<Full<Bytes>>| Err::<Response<Full<Bytes>>, _>(Broken)));
    assert_eq!(broken.clone().oneshot(bare(Some(&api.token("")))).await.unwrap_err(), Broken);
    assert_eq!(broken.oneshot(bare(None)).await.unwrap().status(), 401);
    let chunks = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
        let frames = ["a", "b"].map(|text| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(text))));
        Ok::<_, Infallible>(Response::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames))))
    }));
    let mut body = chunks.oneshot(bare(Some(&api.token("")))).await.unwrap().into_body();
    for expected in ["a", "b"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn around_each_thing_of_axum() {
    let api = Api::start().await;
    let layer = || api.server.require(resource().scope("x")).unwrap();
    let apps = [
        Router::new().route("/", get(whom.layer(layer()))),
        Router::new().route("/", get(whom).layer(layer())),
        Router::new().route("/", get(whom).route_layer(layer())),
        Router::new().route("/", get(whom)).layer(layer()),
        Router::new().route("/", get(whom)).route_layer(layer()),
        Router::new().nest("/in", Router::new().route("/", get(whom)).layer(layer())),
        Router::new().merge(Router::new().route("/", get(whom)).layer(layer())),
        Router::new().route_service("/", layer().layer(get(whom))),
        Router::new().fallback_service(layer().layer(Router::new().route("/", get(whom)))),
        Router::new().route("/", get(whom)).layer(ServiceBuilder::new().layer(layer()).concurrency_limit(1)),
    ];
    for (number, app) in apps.into_iter().enumerate() {
        let target = if number == 5 { "/in" } else { "/" };
        assert_eq!(api.ask(&app, "GET", target, None).await.status, 401, "number {number}");
        assert_eq!(api.ask(&app, "GET", target, Some(&api.token(""))).await.status, 403, "number {number}");
        assert_eq!(api.ask(&app, "GET", target, Some(&api.token("x"))).await.body, "user_1", "number {number}");
    }
}

/// Two layers, of one server or of two: the inner one has the last word, on token and organization too.
#[tokio::test]
async fn layers_inside_layers() {
    let api = Api::start().await;
    let outer = api.server.require(resource().in_organization(any_organization())).unwrap();
    let inner = api.server.require(resource().in_organization(any_organization()).scope("x")).unwrap();
    let service = outer.layer(inner.layer(service_fn(from_extensions)));
    assert_eq!(service.clone().oneshot(bare(Some(&api.member_token("a", "")))).await.unwrap().status(), 403);
    let passed = service.oneshot(bare(Some(&api.member_token("a", "x")))).await.unwrap();
    assert_eq!(passed.into_body().collect().await.unwrap().to_bytes(), "user_1 a");
}

#[tokio::test]
async fn an_optional_policy_passes_with_and_without() {
    let api = Api::start().await;
    let seen = service_fn(async |request: Request<Full<Bytes>>| {
        let found = request.extensions().get::<Grant>().and_then(Grant::token).is_some();
        Ok::<_, Infallible>(Response::<Full<Bytes>>::new(Full::from(found.to_string())))
    });
    let service = api.server.require(orgate::policy::optional(resource())).unwrap().layer(seen);
    let body =
        async |request| service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body(bare(None)).await, "false");
    assert_eq!(body(bare(Some(&api.token("")))).await, "true");
}

/// Panics when it is called without having been polled ready; readiness is not cloned.
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn only_what_was_polled_ready_is_called() {
    let api = Api::start().await;
    let mut service = api.server.require(resource()).unwrap().layer(Strict { ready: false });
    let token = api.token("");
    // The first request waits for the keys, the others do not.
    for round in 0..3 {
        poll_fn(|context| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, context)).await.unwrap();
        let requests = api.issuer.requests(Endpoint::Keys);
        let response = service.call(bare(Some(&token)));
        assert_eq!(format!("{response:?}").contains("waiting"), round == 0, "{response:?}");
        assert_eq!(response.await.unwrap().status(), 200);
        assert_eq!(api.issuer.requests(Endpoint::Keys), if round == 0 { requests + 1 } else { requests });
    }
    // A new key: again a wait.
    api.issuer.rotate();
    poll_fn(|context| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, context)).await.unwrap();
    let response = service.call(bare(Some(&api.token(""))));
    assert!(format!("{response:?}").contains("waiting"));
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_service_that_fails_while_the_keys_are_fetched_is_not_called() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    /// Its clones never get ready.
    struct Original(bool);
    impl Clone for Original {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<Full<Bytes>>> for Original {
        type Response = Response<Full<Bytes>>;
        type Error = Broken;
        type Future = Ready<Result<Self::Response, Broken>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            Poll::Ready(if self.0 { Ok(()) } else { Err(Broken) })
        }

        fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
            panic!("called although it failed")
        }
    }
    let api = Api::start().await;
    let mut service = api.server.require(resource()).unwrap().layer(Original(true));
    let waiting = service.ready().await.unwrap().call(bare(Some(&api.token(""))));
    assert_eq!(waiting.await.unwrap_err(), Broken);
}

#[tokio::test]
async fn a_permit_is_held_by_the_request_and_no_longer() {
    let api = Api::start().await;
    api.issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let limited = ConcurrencyLimit::new(service_fn(from_extensions), 1);
    let service = api.server.require(resource()).unwrap().layer(limited);
    let token = api.token("");
    let (mut one, mut two) = (service.clone(), service);
    let waiting = tokio::spawn(one.ready().await.unwrap().call(bare(Some(&token))));
    api.issuer.wait_for_requests(Endpoint::Keys, 1).await;
    // A request that waits for the keys reserves nothing meanwhile, and gets the permit when it may pass.
    let free = async |service: &mut _| {
        poll_fn(|context| Poll::Ready(Service::<Request<Full<Bytes>>>::poll_ready(service, context))).await.is_ready()
    };
    assert!(free(&mut two).await);
    api.issuer.release();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!waiting.is_finished(), "the permit is reserved for the other one");
    }
    drop(std::mem::replace(&mut two, one.clone()));
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    let response = two.ready().await.unwrap().call(bare(Some(&token))).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(one);
    // A rejected request gives the permit back, though the service that rejected it lives on.
    let mut three = two.clone();
    assert_eq!(two.ready().await.unwrap().call(bare(None)).await.unwrap().status(), 401);
    assert!(free(&mut three).await, "a refused request keeps a permit of the inner service");
}

/// Two servers, one around the other: what the outer one found is not what the inner one judged.
#[tokio::test]
async fn what_an_outer_layer_found_does_not_get_past_an_inner_one() {
    let (outer, inner) = (Api::start().await, Api::start().await);
    let seen = service_fn(|request: Request<Full<Bytes>>| async move {
        let found = request.extensions().get::<Grant>().and_then(Grant::token).map(|token| token.issuer().to_owned());
        let organization = request.extensions().get::<Grant>().and_then(Grant::organization).is_some();
        let sensitive = request.headers().get("authorization").is_none_or(http::HeaderValue::is_sensitive);
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("{found:?} {organization} {sensitive}"))))
    });
    let alone = |facts: &orgate::policy::Facts<'_>| {
        let extensions = &facts.request().extensions;
        extensions.get::<Grant>().is_none()
    };
    let keep_outer = inner.server.require(orgate::policy::optional(resource().check("alone", alone))).unwrap();
    let swap = inner.token("");
    let both = outer.server.require(organization(any_organization())).unwrap().layer(tower::util::MapRequest::new(
        keep_outer.layer(seen),
        move |mut request: Request<Full<Bytes>>| {
            if request.headers().contains_key("x-anonymous") {
                request.headers_mut().remove("authorization");
            } else {
                request.headers_mut().insert("authorization", format!("Bearer {swap}").parse().unwrap());
            }
            request
        },
    ));
    let mut request = bare(Some(&outer.organization_token("acme", "")));
    let answer = both.clone().oneshot(request.clone()).await.unwrap();
    let text = |answer: Response<_>| async move {
        let answer: Response<orgate::tower::ResponseBody<orgate::tower::ResponseBody<Full<Bytes>>>> = answer;
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    assert_eq!(text(answer).await, format!("Some({:?}) false true", inner.issuer.url()));
    request.headers_mut().insert("x-anonymous", "1".parse().unwrap());
    assert_eq!(text(both.oneshot(request).await.unwrap()).await, "None false true");
}

fn added<S, F, R>(_: &S) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Future = F>,
{
    size_of::<RequireFuture<S, Full<Bytes>>>().checked_sub(size_of::<F>()).expect("it holds the inner future")
}

#[test]
fn the_layer_adds_little_to_a_future() {
    async fn empty(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::default())
    }
    async fn large(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        let held = [1_u8; 4096];
        tokio::task::yield_now().await;
        Ok(Response::new(Full::from(held.to_vec())))
    }
    let (empty, large) = (service_fn(empty), service_fn(large));
    let sizes = [
        added(&empty),
        added(&large),
        added(&Strict { ready: true }),
        added(&ConcurrencyLimit::new(large, 1)),
        added(&empty.boxed_clone()),
        added(&api_layer().layer(empty)),
    ];
    assert!(sizes.iter().all(|size| *size <= 1024), "{sizes:?}");
    // It is a few words, and none of them grows with the inner future.
    assert!(sizes.iter().all(|size| *size <= 32), "{sizes:?}");
}

fn api_layer() -> RequireLayer {
    ResourceServer::builder("https://tenant.logto.app/oidc", RESOURCE).build().unwrap().require(resource()).unwrap()
}

/// Polls once with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn status_at_once(
    service: &Require<impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone>,
    token: &str,
) -> u16 {
    let mut service = service.clone();
    match poll_once(pin!(service.call(bare(Some(token))))) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Pending => panic!("nothing can be waited for here"),
    }
}

#[test]
fn without_a_runtime_nothing_panics() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let issuer = runtime.block_on(TestIssuer::start());
    let token = issuer.resource_token(RESOURCE).mint();
    let service = |issuer: Issuer| {
        let server = ResourceServer::builder(issuer, RESOURCE).build().unwrap();
        server
            .require(resource())
            .unwrap()
            .layer(service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::<Full<Bytes>>::default())))
    };
    // Keys that must be fetched cannot be.
    let fetching = service(Issuer::new(issuer.url()));
    assert_eq!(status_at_once(&fetching, &token), 503);
    assert_eq!(status_at_once(&fetching, "not.a.token"), 401);
    assert_eq!(issuer.requests(Endpoint::All), 0);
    // Known keys need no runtime.
    let given = service(Issuer::new(issuer.url()).jwks_json(issuer.jwks_json()));
    assert_eq!(status_at_once(&given, &token), 200);
    assert_eq!(status_at_once(&given, &issuer.resource_token(RESOURCE).forged().mint()), 401);
    assert_eq!(status_at_once(&given, &issuer.resource_token(RESOURCE).signed_with_unknown_key().mint()), 401);
    let fetched = service(Issuer::new(issuer.url()));
    let warmed = runtime.block_on(fetched.clone().oneshot(bare(Some(&token)))).unwrap();
    assert_eq!(warmed.status(), 200);
    assert_eq!(status_at_once(&fetched, &token), 200);
    assert_eq!(status_at_once(&fetched, &issuer.resource_token(RESOURCE).signed_with_unknown_key().mint()), 503);
    // A fetch that was started inside a runtime cannot be waited for outside.
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let held = service(Issuer::new(issuer.url()));
    issuer.reset_counts();
    let waiting = runtime.spawn(held.clone().oneshot(bare(Some(&token))));
    runtime.block_on(issuer.wait_for_requests(Endpoint::Keys, 1));
    assert_eq!(status_at_once(&held, &token), 503);
    issuer.release();
    assert_eq!(runtime.block_on(waiting).unwrap().unwrap().status(), 200);
}

/// A client that hangs up while keys are fetched leaves the fetch to the others.
#[tokio::test]
async fn a_dropped_request_does_not_end_the_fetch() {
    let api = Api::start().await;
    api.issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let service = api.server.require(resource()).unwrap().layer(service_fn(from_extensions));
    let token = api.token("");
    let mut dropped = Box::pin(service.clone().oneshot(bare(Some(&token))));
    assert!(poll_once(dropped.as_mut()).is_pending());
    api.issuer.wait_for_requests(Endpoint::Keys, 1).await;
    drop(dropped);
    let other = tokio::spawn(service.clone().oneshot(bare(Some(&token))));
    tokio::task::yield_now().await;
    api.issuer.release();
    assert_eq!(other.await.unwrap().unwrap().status(), 200);
    assert_eq!(api.issuer.requests(Endpoint::Keys), 1);
}

mod grpc {
    use super::{Context, Future, Grant, Infallible, Pin, Poll, Request, Response, Service};
    use tonic::Status;
    use tonic::body::Body;
    use tonic::server::{Grpc, NamedService, UnaryService};
    use tonic_prost::ProstCodec;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Text {
        #[prost(string, tag = "1")]
        pub(super) text: String,
    }

    /// `test.Echo/Say`: the text, and who said it.
    #[derive(Clone)]
    pub(super) struct Echo;

    type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

    impl NamedService for Echo {
        const NAME: &'static str = "test.Echo";
    }

    impl UnaryService<Text> for Echo {
        type Response = Text;
        type Future = Answer<tonic::Response<Text>, Status>;

        fn call(&mut self, request: tonic::Request<Text>) -> Self::Future {
            let subject =
                request.extensions().get::<Grant>().and_then(Grant::token).map(|token| token.subject().to_string());
            let text = format!("{} {}", subject.unwrap_or_default(), request.into_inner().text);
            Box::pin(async { Ok(tonic::Response::new(Text { text })) })
        }
    }

    impl Service<Request<Body>> for Echo {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Answer<Response<Body>, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            Box::pin(async { Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await) })
        }
    }
}

/// Serves `test.Echo` behind a policy.
async fn serve_grpc(api: &Api, policy: Policy) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(api.server.require(policy).unwrap()).add_service(grpc::Echo);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
    address
}

async fn say(address: std::net::SocketAddr, token: Option<&str>) -> Result<String, tonic::Status> {
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(grpc::Text { text: "hello".to_owned() });
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let path = http::uri::PathAndQuery::from_static("/test.Echo/Say");
    let codec = tonic_prost::ProstCodec::<grpc::Text, grpc::Text>::default();
    client.unary(request, path, codec).await.map(|response| response.into_inner().text)
}

#[tokio::test]
async fn under_tonic() {
    let api = Api::start().await;
    let address =
        serve_grpc(&api, resource().scope("say").check("not eve", |facts| facts.token().subject().id() != "eve")).await;
    assert_eq!(say(address, Some(&api.token("say"))).await.unwrap(), "user_1 hello");
    let eve = api.issuer.resource_token(RESOURCE).subject("eve").scope("say").mint();
    let expired = api.issuer.resource_token(RESOURCE).expired().mint();
    for (token, code, message) in [
        (None, tonic::Code::Unauthenticated, "This resource requires a Bearer access token."),
        (Some(expired), tonic::Code::Unauthenticated, "The access token has expired."),
        (Some("bad.bad.bad".to_owned()), tonic::Code::Unauthenticated, "The access token is not valid for this API."),
        (
            Some("a b".to_owned()),
            tonic::Code::InvalidArgument,
            "The request must carry exactly one well-formed Bearer token.",
        ),
        (Some(api.token("")), tonic::Code::PermissionDenied, "The access token lacks a required scope."),
        (Some(eve), tonic::Code::PermissionDenied, "The access token does not permit this request."),
    ] {
        let status = say(address, token.as_deref()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message));
    }
    // What the challenge says is in the metadata, too.
    let status = say(address, Some(&api.token(""))).await.unwrap_err();
    assert!(status.metadata().get("www-authenticate").unwrap().to_str().unwrap().contains("scope=\"say\", "));
    let hidden = serve_grpc(&api, organization(any_organization()).hide_organization()).await;
    assert_eq!(say(hidden, Some(&api.token("say"))).await.unwrap_err().code(), tonic::Code::NotFound);
    let miswired = serve_grpc(&api, organization(orgate::policy::path("org"))).await;
    assert_eq!(say(miswired, Some(&api.organization_token("a", ""))).await.unwrap_err().code(), tonic::Code::Internal);
}

#[tokio::test]
async fn under_tonic_without_keys() {
    let api = Api::start().await;
    api.issuer.take_down();
    let address = serve_grpc(&api, resource()).await;
    let status = say(address, Some(&api.token(""))).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.metadata().get("retry-after").is_some());
    api.issuer.bring_up();
    api.issuer.clock().advance(Duration::from_secs(60));
    assert_eq!(say(address, Some(&api.token(""))).await.unwrap(), "user_1 hello");
}

/// On the wire: HTTP status 200, `grpc-status` in the first and only head, and then the end of the stream.
#[tokio::test]
async fn a_grpc_rejection_is_trailers_only() {
    let api = Api::start().await;
    let address = serve_grpc(&api, resource()).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let call = client.post(format!("http://{address}/test.Echo/Say")).header("te", "trailers").body(&b"\0\0\0\0\0"[..]);
    let send = async |content_type: &str, token: Option<String>| {
        let call = call.try_clone().unwrap().header("content-type", content_type);
        let response = token.into_iter().fold(call, reqwest::RequestBuilder::bearer_auth).send().await.unwrap();
        Response::<reqwest::Body>::from(response)
    };
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let response = send(content_type, None).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
        assert!(response.body().is_end_stream(), "the head ends the stream");
    }
    // An answer of the service itself is not: its status comes after the body.
    let passed = send("application/grpc", Some(api.token(""))).await;
    assert!(!passed.headers().contains_key("grpc-status") && !passed.body().is_end_stream());
    let collected = passed.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    // Anything else is answered in HTTP's own words.
    let plain = send("application/json", None).await;
    assert_eq!((plain.status().as_u16(), plain.headers().contains_key("grpc-status")), (401, false));
}

#[tokio::test]
async fn a_rejection_is_in_the_responses_extensions() {
    let api = Api::start().await;
    let service = api.server.require(resource()).unwrap().layer(service_fn(from_extensions));
    let refused = service.clone().oneshot(bare(None)).await.unwrap();
    assert_eq!(refused.extensions().get::<Rejection>().unwrap().status(), refused.status());
    let passed = service.oneshot(bare(Some(&api.token("")))).await.unwrap();
    assert!(passed.extensions().get::<Rejection>().is_none());
}

//! An API that takes proofs, and its client.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use orgate::policy::resource;
use orgate::server::Builder;
use orgate::testing::{ProofBuilder, TestIssuer, TestProofKey};
use orgate::token::binding::Dpop;
use orgate::{AccessToken, ResourceServer};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const ORDERS: &str = "https://api.example.com/orders";
pub(crate) const BEARER: &str = "Bearer realm=\"https://api.example.com\"";
pub(crate) const ALGORITHMS: &str = "DPoP algs=\"ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512\"";

pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: ResourceServer,
    pub(crate) app: Router,
    pub(crate) key: TestProofKey,
}

/// What a client sees.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::configured(|dpop| dpop).await
    }

    pub(crate) async fn configured(change: impl FnOnce(Dpop) -> Dpop) -> Self {
        let dpop = change(Dpop::new(API));
        Self::built(|builder| builder.dpop(dpop)).await
    }

    pub(crate) async fn built(change: impl FnOnce(Builder) -> Builder) -> Self {
        let issuer = TestIssuer::start().await;
        let server = change(ResourceServer::builder(issuer.url(), API).clock(issuer.clock())).build().unwrap();
        Self::of(issuer, server)
    }

    pub(crate) fn of(issuer: TestIssuer, server: ResourceServer) -> Self {
        let app = app(&server);
        let key = issuer.proof_key();
        Self { issuer, server, app, key }
    }

    /// A token that is bound to the client's key.
    pub(crate) fn token(&self) -> String {
        self.issuer.resource_token(API).scope("read:orders").bound_to(&self.key).mint()
    }

    pub(crate) fn proof(&self, token: &str) -> ProofBuilder {
        self.key.proof("GET", ORDERS, token)
    }

    /// A good request, with another proof each time.
    pub(crate) async fn call(&self, token: &str) -> Seen {
        self.send("DPoP", token, &[&self.proof(token).mint()]).await
    }

    pub(crate) async fn send(&self, scheme: &str, token: &str, proofs: &[&str]) -> Seen {
        send(&self.app, request("GET", "/orders", scheme, token, proofs)).await
    }
}

/// Tells whose token it is.
pub(crate) fn app(server: &ResourceServer) -> Router {
    let guard = server.guard();
    let orders = guard.get("/orders", whose, resource().scope("read:orders"));
    orders.post("/orders", whose, resource().scope("write:orders")).into_router().unwrap()
}

pub(crate) async fn whose(token: AccessToken) -> String {
    format!("{} {}", token.subject(), token.is_sender_constrained())
}

/// A router without a guard of its own.
pub(crate) fn plain() -> Router {
    Router::new().route("/orders", get(whose))
}

pub(crate) fn request(method: &str, target: &str, scheme: &str, token: &str, proofs: &[&str]) -> Request<Body> {
    let mut request =
        Request::builder().method(method).uri(target).header("authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Seen {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Seen { status: parts.status.as_u16(), headers: parts.headers, body }
}

impl Seen {
    pub(crate) fn challenges(&self) -> Vec<&str> {
        self.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        let mut nonces = self.headers.get_all("dpop-nonce").iter();
        let nonce = nonces.next().map(|nonce| nonce.to_str().unwrap().to_owned());
        assert!(nonces.next().is_none(), "one nonce at most");
        nonce
    }

    fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn remediation(&self) -> String {
        self.problem()["remediation"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn passes(&self) {
        assert_eq!((self.status, &*self.body), (200, "user_1 true"), "{self:?}");
    }

    /// 401 with an error of the scheme `DPoP`, beside a bare challenge of `Bearer`.
    #[track_caller]
    pub(crate) fn is_refused(&self, error: &str, remediation: &str) {
        assert_eq!(self.status, 401, "{self:?}");
        let challenges = self.challenges();
        assert_eq!(challenges.len(), 2, "{challenges:?}");
        assert!(challenges[0].starts_with(&format!("{ALGORITHMS}, error=\"{error}\", ")), "{challenges:?}");
        assert_eq!(challenges[1], BEARER);
        assert_eq!((self.problem()["error"].as_str(), &*self.remediation()), (Some(error), remediation));
    }
}

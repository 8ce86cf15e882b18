//! The server under load, on loopback, with a runtime of its own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use orgate::policy::resource;
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";
const ISSUER: &str = "https://tenant.logto.app/oidc";

/// Routes: `/open` for everybody, `/hit` and `/miss` behind a policy with and without a cache, and `/401`, which
/// rejects everybody.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) threads: usize,
    pub(crate) issuer: TestIssuer,
    /// Serves as long as it lives.
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(crate) fn start(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .expect("a runtime");
        let issuer = runtime.block_on(TestIssuer::start());
        let router = router(&issuer);
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, threads, issuer, _runtime: runtime }
    }

    /// A token as Logto writes it, of about 877 bytes.
    pub(crate) fn token(&self) -> TokenBuilder {
        let scopes: Vec<String> = (0..8).map(|number| format!("read:collection{number:02}")).collect();
        self.issuer
            .resource_token(API)
            .issuer(ISSUER)
            .subject("x4kq9vbn2m7d")
            .client("q8zt5w1c3yhj6l0pfa2rs")
            .expires_in(Duration::from_secs(86_400))
            .scope("read:products write:products")
            .scope(&scopes.join(" "))
    }

    pub(crate) fn tokens(&self, count: usize) -> Vec<String> {
        let token = self.token();
        (0..count).map(|_| token.mint()).collect()
    }
}

fn router(issuer: &TestIssuer) -> Router {
    let guarded = |path: &str, cache: Option<u64>| {
        let entry = Issuer::new(ISSUER).jwks_json(issuer.jwks_json());
        let builder = ResourceServer::builder(entry, API);
        let builder = cache.into_iter().fold(builder, orgate::server::Builder::token_cache_bytes);
        let server = builder.build().expect("a server");
        let policy = resource().scope("read:products");
        server.guard().get(path, || async { "products" }, policy).into_router().expect("a router")
    };
    Router::new()
        .route("/open", get(|| async { "products" }))
        .route("/401", get(|| async { StatusCode::UNAUTHORIZED }))
        .merge(guarded("/hit", None))
        .merge(guarded("/miss", Some(0)))
}

//! An issuer before it starts.

use std::sync::{Arc, Mutex};

use http::HeaderValue;
use tokio::net::TcpListener;

use super::keys::KeyForm;
use super::release::LogtoRelease;
use super::ring::KeyRing;
use super::script::Faults;
use super::server;
use super::state::State;
use super::tenant::Tenant;
use super::traffic::Traffic;
use super::{TestClock, TestIssuer};
use crate::signature::Algorithm;
use crate::time::{Clock as _, SystemClock};

/// The settings of a [`TestIssuer`] that is about to start.
///
/// ```
/// use orgate::issuer::Algorithm;
/// use orgate::testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::builder().algorithm(Algorithm::Es256).path("").start().await;
/// assert!(!issuer.url().ends_with("/oidc"));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the issuer starts with start()"]
pub struct TestIssuerBuilder {
    algorithm: Algorithm,
    clock: Option<TestClock>,
    path: String,
    form: KeyForm,
}

impl TestIssuerBuilder {
    pub(super) fn new() -> Self {
        Self { algorithm: Algorithm::Es384, clock: None, path: "/oidc".to_owned(), form: KeyForm::default() }
    }

    /// Sets the algorithm of the first key and of its successors. Default: ES384, as with Logto.
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the clock that dates the tokens. Default: a new one, stopped at the real time.
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the path of the issuer identifier: empty, or with a leading and no trailing slash. Default: `/oidc`, as
    /// with Logto.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether the published keys state their `alg`. Default: all except RS256 keys, as with Logto.
    pub const fn alg_in_keys(mut self, states: bool) -> Self {
        self.form.states_alg = Some(states);
        self
    }

    /// Names [`Algorithm::EdDsa`] `Ed25519` (RFC 9864) instead of `EdDSA`, in tokens and in keys.
    pub const fn rfc9864_names(mut self) -> Self {
        self.form.rfc9864_names = true;
        self
    }

    /// Binds a free port on 127.0.0.1 and serves.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, if the path is invalid, or outside of a tokio runtime.
    pub async fn start(self) -> TestIssuer {
        self.start_for(|_| None).await
    }

    /// With the tenant that `tenant` makes for an origin, `http://127.0.0.1:{port}`.
    pub(super) async fn start_for(self, tenant: impl FnOnce(String) -> Option<Arc<Tenant>>) -> TestIssuer {
        let is_path = self.path.is_empty() || self.path.starts_with('/') && !self.path.ends_with('/');
        assert!(is_path, "the path of an issuer is empty or like /oidc, not {:?}", self.path);
        let bound = TcpListener::bind(("127.0.0.1", 0)).await.and_then(|bound| Ok((bound.local_addr()?, bound)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("no port on 127.0.0.1 for a test issuer: {error}"),
        };
        super::ports::note(address.port());
        let tenant = tenant(format!("http://{address}"));
        let release = tenant.as_ref().map_or_else(LogtoRelease::default, |tenant| tenant.release());
        let state = Arc::new(State {
            url: format!("http://{address}{}", self.path),
            path: self.path,
            clock: self.clock.unwrap_or_else(|| TestClock::new(SystemClock::new().now().unix)),
            keys: Mutex::new(KeyRing::new(self.algorithm, self.form, release)),
            faults: Faults::default(),
            cache_control: Mutex::new(Some(HeaderValue::from_static("no-cache, max-age=0, must-revalidate"))),
            traffic: Arc::new(Traffic::new()),
            tenant,
        });
        TestIssuer::new(server::spawn(listener, Arc::clone(&state)), state)
    }
}

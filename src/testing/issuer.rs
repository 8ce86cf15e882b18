//! The handle to an issuer that lives in the test process.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use serde::Serialize;

use super::keys::random;
use super::kind::Kind;
use super::loopback::Loopback;
use super::state::State;
use super::{Endpoint, Fault, TestClock, TestIssuerBuilder, TestProofKey, TokenBuilder, to_json};
use crate::lock::lock;
use crate::signature::Algorithm;

/// An issuer on loopback, with the URLs, keys and tokens of a Logto tenant.
///
/// It serves its metadata (OIDC discovery and RFC 8414) and its key set, mints tokens, and does wrong what
/// it is told to do wrong. It has no token endpoint: tokens come from [`resource_token`](Self::resource_token) and its
/// siblings. [`TestTenant`](super::TestTenant) has the rest.
///
/// The server runs as a task of the tokio runtime that started it, and ends when the value is dropped.
///
/// ```
/// use orgate::testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// let token = issuer.resource_token("https://api.example.com").scope("read:orders").mint();
/// assert_eq!(token.split('.').count(), 3);
/// # }
/// ```
pub struct TestIssuer {
    state: Arc<State>,
    server: Loopback,
}

/// Where it is.
impl TestIssuer {
    pub(super) const fn new(server: Loopback, state: Arc<State>) -> Self {
        Self { state, server }
    }

    pub(super) const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Starts an issuer like a new Logto tenant: one ES384 key, under `/oidc`.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, or outside of a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns the settings, to change before [`TestIssuerBuilder::start`].
    pub fn builder() -> TestIssuerBuilder {
        TestIssuerBuilder::new()
    }

    /// Returns the issuer identifier, `http://127.0.0.1:{port}/oidc`: the value to configure a resource server with,
    /// and the `iss` of the tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// Returns the URL of the key set.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.state.url)
    }

    /// Returns the key set as published now, for a resource server that takes its keys as JSON.
    #[must_use]
    pub fn jwks_json(&self) -> String {
        lock(&self.state.keys).jwks().to_string()
    }

    /// Returns the clock that dates the tokens. Give it to the resource server too, so that both age together.
    #[must_use]
    pub fn clock(&self) -> TestClock {
        self.state.clock.clone()
    }
}

/// What it issues.
impl TestIssuer {
    /// Builds an access token for a global API resource: `aud` is the resource indicator, without `organization_id`.
    pub fn resource_token(&self, resource: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Resource { audience: resource.into(), organization: None })
    }

    /// Builds an access token for organization permissions: `aud` is `urn:logto:organization:{organization}`.
    pub fn organization_token(&self, organization: impl fmt::Display) -> TokenBuilder {
        self.token(Kind::Organization { audience: format!("urn:logto:organization:{organization}") })
    }

    /// Builds an access token for an API resource within an organization: `aud` is the resource indicator,
    /// `organization_id` the organization.
    pub fn organization_resource_token(
        &self,
        resource: impl Into<String>,
        organization: impl Into<String>,
    ) -> TokenBuilder {
        self.token(Kind::Resource { audience: resource.into(), organization: Some(organization.into()) })
    }

    /// Builds an ID token for a client. It is signed like an access token, and every API must reject it.
    pub fn id_token(&self, client: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Id { audience: client.into() })
    }

    /// Builds a back-channel logout token for a client. It is signed like an access token, and every API must reject
    /// it.
    pub fn logout_token(&self, client: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Logout { audience: client.into() })
    }

    /// Returns an opaque access token of 43 characters without dots, as a client receives that forgot `resource`. The
    /// issuer does not know this one; introspection knows those of a
    /// [`TokenRequest::opaque`](super::TokenRequest::opaque).
    #[must_use]
    pub fn opaque_token(&self) -> String {
        random(32)
    }

    /// Returns a key of a DPoP client (ES256), whose proofs are dated by the same clock.
    #[must_use]
    pub fn proof_key(&self) -> TestProofKey {
        self.proof_key_for(Algorithm::Es256)
    }

    /// Returns a key of a DPoP client, for one algorithm.
    #[must_use]
    pub fn proof_key_for(&self, algorithm: Algorithm) -> TestProofKey {
        TestProofKey::generate(algorithm, self.clock())
    }

    fn token(&self, kind: Kind) -> TokenBuilder {
        TokenBuilder::new(Arc::clone(&self.state), kind)
    }
}

/// Its keys.
impl TestIssuer {
    /// Returns the `kid` of the signing key.
    #[must_use]
    pub fn signing_kid(&self) -> String {
        lock(&self.state.keys).signing().kid().to_owned()
    }

    /// Returns the `kid`s in the key set, newest first.
    #[must_use]
    pub fn kids(&self) -> Vec<String> {
        lock(&self.state.keys).kids()
    }

    /// Signs with a new key from now on; the two before it stay published, and older ones are dropped. Self-hosted Logto
    /// rotates like this, without notice; before its release 1.39 it kept one.
    pub fn rotate(&self) {
        let mut keys = lock(&self.state.keys);
        let algorithm = keys.signing().algorithm();
        keys.rotate(algorithm);
    }

    /// Rotates as [`rotate`](Self::rotate) does, to a key for another algorithm: the set then has keys for both.
    pub fn rotate_to(&self, algorithm: Algorithm) {
        lock(&self.state.keys).rotate(algorithm);
    }

    /// Signs with a new key and publishes no other, so that earlier tokens can no longer be verified.
    pub fn rotate_without_overlap(&self) {
        lock(&self.state.keys).rotate_without_overlap();
    }

    /// Publishes the next key, which does not sign until [`switch`](Self::switch), and returns its `kid`. Logto's cloud
    /// gives four hours of such notice.
    #[allow(clippy::must_use_candidate, reason = "the kid is there for those who want it")]
    pub fn announce(&self) -> String {
        let mut keys = lock(&self.state.keys);
        let algorithm = keys.signing().algorithm();
        keys.announce(algorithm)
    }

    /// Signs with the latest announced key from now on.
    ///
    /// # Panics
    ///
    /// Panics if no key is announced.
    pub fn switch(&self) {
        let switched = lock(&self.state.keys).switch();
        assert!(switched, "no key is announced");
    }

    /// Signs with a new key, published under the `kid` of the previous one.
    pub fn replace_key_keeping_kid(&self) {
        lock(&self.state.keys).replace_keeping_kid();
    }

    /// Removes a key from the set, even the signing key.
    ///
    /// # Panics
    ///
    /// Panics if no such key is published.
    pub fn withdraw(&self, kid: &str) {
        let withdrawn = lock(&self.state.keys).withdraw(kid);
        assert!(withdrawn, "no key {kid:?} is published");
    }

    /// Adds any value to the key set: an encryption key, a broken one, one of an unknown kind.
    ///
    /// # Panics
    ///
    /// Panics if `jwk` does not serialize to JSON.
    pub fn publish(&self, jwk: impl Serialize) {
        lock(&self.state.keys).publish(to_json(jwk));
    }
}

/// Its bad days.
impl TestIssuer {
    /// Applies the fault to the next request to the endpoint; a second call applies to the one after it.
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        self.state.faults.next(endpoint, fault);
    }

    /// Applies the fault to every request to the endpoint, until [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_always(&self, endpoint: Endpoint, fault: Fault) {
        self.state.faults.always(endpoint, fault);
    }

    /// Ends all faults. Requests that are held now are not [released](Self::release).
    pub fn recover(&self) {
        self.state.faults.recover();
    }

    /// Answers the requests that [`Fault::Hold`] holds now.
    pub fn release(&self) {
        self.state.faults.release();
    }

    /// Breaks every connection, and resets each new one. The port stays taken, so that
    /// [`bring_up`](Self::bring_up) finds it free.
    pub fn take_down(&self) {
        self.server.close();
    }

    /// Serves again after [`take_down`](Self::take_down).
    pub fn bring_up(&self) {
        self.server.open();
    }

    /// Sets the `Cache-Control` of the key set; an empty value omits it. Default: `no-cache, max-age=0,
    /// must-revalidate`, as with Logto 1.42.
    ///
    /// # Panics
    ///
    /// Panics if `value` is not a valid header value.
    pub fn cache_control(&self, value: &str) {
        assert!(HeaderValue::from_str(value).is_ok(), "not the value of a Cache-Control header: {value:?}");
        *lock(&self.state.cache_control) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty());
    }
}

/// What was asked of it.
impl TestIssuer {
    /// Returns the number of requests, including those that met a fault.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.state.traffic.counts().requests(endpoint)
    }

    /// Returns how many requests for the key set received 304.
    #[must_use]
    pub fn not_modified(&self) -> usize {
        self.state.traffic.counts().not_modified
    }

    /// Returns how many requests are in progress now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.traffic.counts().in_flight
    }

    /// Returns the highest number of requests that were in progress at the same time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.state.traffic.counts().most_in_flight
    }

    /// Resets all counts to zero.
    pub fn reset_counts(&self) {
        self.state.traffic.reset();
    }

    /// Waits until `count` requests in total have arrived since the start, or since
    /// [`reset_counts`](Self::reset_counts).
    pub async fn wait_for_requests(&self, endpoint: Endpoint, count: usize) {
        self.state.traffic.wait_for(endpoint, count).await;
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.state.url).field("kids", &self.kids()).finish_non_exhaustive()
    }
}

//! The handle to an issuer that lives in the test process.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use serde::Serialize;

use super::fault::Script;
use super::keys::random;
use super::kind::Kind;
use super::loopback::Loopback;
use super::state::State;
use super::{Endpoint, Fault, TestClock, TestIssuerBuilder, TestProofKey, TokenBuilder, to_json};
use crate::lock::lock;
use crate::signature::Algorithm;

/// A real issuer on loopback, with the address space, keys and tokens of a Logto tenant.
///
/// It serves its metadata (OIDC discovery and RFC 8414) and its key set, mints tokens, and does wrong what
/// it is told to do wrong. It has no token endpoint: tokens come from [`resource_token`](Self::resource_token) and its
/// siblings. [`TestTenant`](super::TestTenant) has the rest.
///
/// The server runs as a task of the tokio runtime that started it, and ends when the value is dropped.
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

    /// An issuer like a new Logto tenant: one ES384 key, under `/oidc`.
    ///
    /// # Panics
    ///
    /// If loopback has no port left, or outside a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The settings, to change before [`TestIssuerBuilder::start`].
    pub fn builder() -> TestIssuerBuilder {
        TestIssuerBuilder::new()
    }

    /// The issuer identifier, `http://127.0.0.1:{port}/oidc`: what a resource server is configured with, and the `iss`
    /// of the tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// Where the key set is.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.state.url)
    }

    /// The key set as it is published now, for a resource server that is given its keys instead of an address.
    #[must_use]
    pub fn jwks_json(&self) -> String {
        lock(&self.state.keys).jwks().to_string()
    }

    /// The clock that dates the tokens. Give it to the resource server too, and both age together.
    #[must_use]
    pub fn clock(&self) -> TestClock {
        self.state.clock.clone()
    }
}

/// What it issues.
impl TestIssuer {
    /// An access token for a global API resource: `aud` is the resource indicator, no `organization_id`.
    pub fn resource_token(&self, resource: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Resource { audience: resource.into(), organization: None })
    }

    /// An access token for organization permissions: `aud` is `urn:logto:organization:{organization}`.
    pub fn organization_token(&self, organization: impl fmt::Display) -> TokenBuilder {
        self.token(Kind::Organization { audience: format!("urn:logto:organization:{organization}") })
    }

    /// An access token for an API resource within an organization: `aud` is the resource indicator, `organization_id`
    /// the organization.
    pub fn organization_resource_token(
        &self,
        resource: impl Into<String>,
        organization: impl Into<String>,
    ) -> TokenBuilder {
        self.token(Kind::Resource { audience: resource.into(), organization: Some(organization.into()) })
    }

    /// An ID token for a client. It is signed like an access token and no API may accept it.
    pub fn id_token(&self, client: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Id { audience: client.into() })
    }

    /// A back-channel logout token for a client. It is signed like an access token and no API may accept it.
    pub fn logout_token(&self, client: impl Into<String>) -> TokenBuilder {
        self.token(Kind::Logout { audience: client.into() })
    }

    /// An opaque access token: 43 characters, no dots. What a client gets that forgot `resource`. The issuer does not know this one;
    /// introspection knows those of a [`TokenRequest::opaque`](super::TokenRequest::opaque).
    #[must_use]
    pub fn opaque_token(&self) -> String {
        random(32)
    }

    /// A key of a DPoP client (ES256), whose proofs are dated by the same clock.
    #[must_use]
    pub fn proof_key(&self) -> TestProofKey {
        self.proof_key_for(Algorithm::Es256)
    }

    /// A key of a DPoP client, for one algorithm.
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
    /// The `kid` of the key that signs.
    #[must_use]
    pub fn signing_kid(&self) -> String {
        lock(&self.state.keys).signing().kid().to_owned()
    }

    /// The `kid`s in the key set, newest first.
    #[must_use]
    pub fn kids(&self) -> Vec<String> {
        lock(&self.state.keys).kids()
    }

    /// A new key signs from now on; those before it stay published. Logto on an own server: no notice is given.
    pub fn rotate(&self) {
        let mut keys = lock(&self.state.keys);
        let algorithm = keys.signing().algorithm();
        keys.rotate(algorithm);
    }

    /// As [`rotate`](Self::rotate), to a key for another algorithm: the set then holds keys of both.
    pub fn rotate_to(&self, algorithm: Algorithm) {
        lock(&self.state.keys).rotate(algorithm);
    }

    /// A new key signs and is the only one published: tokens issued before are orphans.
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

    /// The key announced last signs from now on.
    ///
    /// # Panics
    ///
    /// If none is announced.
    pub fn switch(&self) {
        let switched = lock(&self.state.keys).switch();
        assert!(switched, "no key is announced");
    }

    /// A new key signs, and is published, under the `kid` of the one before.
    pub fn replace_key_keeping_kid(&self) {
        lock(&self.state.keys).replace_keeping_kid();
    }

    /// Takes a key out of the set, even the one that signs.
    ///
    /// # Panics
    ///
    /// If no such key is published.
    pub fn withdraw(&self, kid: &str) {
        let withdrawn = lock(&self.state.keys).withdraw(kid);
        assert!(withdrawn, "no key {kid:?} is published");
    }

    /// Adds any value to the key set: an encryption key, a broken one, one of an unknown kind.
    ///
    /// # Panics
    ///
    /// If `jwk` does not serialize to JSON.
    pub fn publish(&self, jwk: impl Serialize) {
        lock(&self.state.keys).publish(to_json(jwk));
    }
}

/// Its bad days.
impl TestIssuer {
    /// The next request to the endpoint meets the fault; called again, the one after it.
    ///
    /// # Panics
    ///
    /// If the fault cannot be sent: not a final status, not the value of a header.
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        lock(&self.state.script).next(endpoint, fault);
    }

    /// Every request to the endpoint meets the fault, until [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// If the fault cannot be sent: not a final status, not the value of a header.
    pub fn fail_always(&self, endpoint: Endpoint, fault: Fault) {
        lock(&self.state.script).always(endpoint, fault);
    }

    /// No more faults. Requests that meet one now are not [released](Self::release).
    pub fn recover(&self) {
        *lock(&self.state.script) = Script::default();
    }

    /// Answers the requests that [`Fault::Hold`] holds now.
    pub fn release(&self) {
        self.state.released.send_replace(());
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

    /// The `Cache-Control` of the key set from now on; an empty value for none. Default:
    /// `no-cache, max-age=0, must-revalidate`, as with Logto 1.42.
    ///
    /// # Panics
    ///
    /// If this is not the value of a header.
    pub fn cache_control(&self, value: &str) {
        assert!(HeaderValue::from_str(value).is_ok(), "not the value of a Cache-Control header: {value:?}");
        *lock(&self.state.cache_control) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty());
    }
}

/// What was asked of it.
impl TestIssuer {
    /// How many requests have come in, those that met a fault included.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.state.traffic.counts().requests(endpoint)
    }

    /// How many of the requests for the key set were answered with 304.
    #[must_use]
    pub fn not_modified(&self) -> usize {
        self.state.traffic.counts().not_modified
    }

    /// How many requests are being answered now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.traffic.counts().in_flight
    }

    /// How many requests were being answered at the same time, at most.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.state.traffic.counts().most_in_flight
    }

    /// Starts to count anew.
    pub fn reset_counts(&self) {
        self.state.traffic.reset();
    }

    /// Waits until `count` requests in all have come in since the start, or since [`reset_counts`](Self::reset_counts).
    pub async fn wait_for_requests(&self, endpoint: Endpoint, count: usize) {
        self.state.traffic.wait_for(endpoint, count).await;
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.state.url).field("kids", &self.kids()).finish_non_exhaustive()
    }
}

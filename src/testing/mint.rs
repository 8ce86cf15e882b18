//! Tokens, right and wrong.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::keys::{SigningKey, encode, random};
use super::kind::Kind;
use super::members::{Change, changed, changes_members};
use super::state::State;
use super::{TestCertificate, TestProofKey};
use crate::lock::lock;
use crate::time::Clock as _;

const HOUR: Duration = Duration::from_secs(3600);

/// Builds a token, which has the form of a Logto token unless the test changes it.
///
/// An access token has the header members `alg`, `typ` (`at+jwt`) and `kid`, and the claims `jti`, `sub` (`user_1`),
/// `client_id` (`app_1`), `iss`, `aud`, `scope`, `iat` (now) and `exp` (an hour later). It is for a user unless
/// [`machine`](Self::machine) is called. Changes by [`claim`](Self::claim) and [`header`](Self::header) are made last.
///
/// ```
/// use std::time::Duration;
/// use orgate::testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// let token = issuer
///     .resource_token("https://api.example.com")
///     .subject("alice")
///     .scope("read:orders")
///     .claim("plan", "pro")
///     .expires_in(Duration::from_secs(60))
///     .mint();
/// assert_eq!(token.split('.').count(), 3);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a token is made by mint()"]
pub struct TokenBuilder {
    state: Arc<State>,
    kind: Kind,
    subject: String,
    client: String,
    scope: Option<String>,
    issued_at: Option<Duration>,
    /// `None`: expired.
    lifetime: Option<Duration>,
    claims: Vec<Change>,
    header: Vec<Change>,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    Right,
    UnknownKey,
    EmbeddedKey,
    Forged,
    OfOtherClaims,
    None,
}

/// Whom the token is for.
impl TokenBuilder {
    pub(super) fn new(state: Arc<State>, kind: Kind) -> Self {
        Self {
            state,
            kind,
            subject: "user_1".to_owned(),
            client: "app_1".to_owned(),
            scope: None,
            issued_at: None,
            lifetime: Some(HOUR),
            claims: Vec::new(),
            header: Vec::new(),
            raw_header: None,
            raw_payload: None,
            signature: Signature::Right,
        }
    }

    /// Adds scopes, separated by spaces. Without any, `scope` is as with Logto: absent in a machine's token for a
    /// resource, empty otherwise.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = match self.scope {
            Some(before) if !before.is_empty() => Some(format!("{before} {scope}")),
            _ => Some(scope.to_owned()),
        };
        self
    }

    /// Sets the user: `sub`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the application that received the token: `client_id`.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// Makes it a machine-to-machine token of this application: both `sub` and `client_id`.
    pub fn machine(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self.subject.clone_from(&self.client);
        self
    }

    /// Sets an issuer other than the signing one: `iss`.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.claim("iss", issuer.into())
    }

    /// Sets several audiences, or one in an array: `aud`.
    pub fn audience<T: Into<String>>(self, audience: impl IntoIterator<Item = T>) -> Self {
        self.claim("aud", audience.into_iter().map(Into::into).collect::<Vec<String>>())
    }
}

/// When it is valid.
impl TokenBuilder {
    /// Sets the lifetime, from `iat` on. Default: one hour.
    pub const fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Makes it expire one hour ago, issued one hour before that.
    pub const fn expired(mut self) -> Self {
        self.lifetime = None;
        self
    }

    /// Sets when it was issued, as the duration since the Unix epoch: `iat`. Default: the time of
    /// [`TestIssuer::clock`](super::TestIssuer::clock) when it is minted.
    pub const fn issued_at(mut self, unix: Duration) -> Self {
        self.issued_at = Some(unix);
        self
    }

    /// Sets when it becomes valid, as the duration since the Unix epoch: `nbf`. Default: absent, as with Logto.
    pub fn not_before(self, unix: Duration) -> Self {
        self.claim("nbf", unix.as_secs())
    }
}

changes_members!(TokenBuilder);

/// What it is bound to, and its form.
impl TokenBuilder {
    /// Binds the token to the key of a client: `cnf.jkt` (RFC 9449).
    pub fn bound_to(self, key: &TestProofKey) -> Self {
        self.claim("cnf", json!({ "jkt": key.thumbprint() }))
    }

    /// Binds the token to a client certificate: `cnf.x5t#S256` (RFC 8705).
    pub fn bound_to_certificate(self, certificate: &TestCertificate) -> Self {
        self.claim("cnf", json!({ "x5t#S256": certificate.thumbprint() }))
    }

    /// Sets the type in the header: `typ`.
    pub fn typ(self, typ: impl Into<String>) -> Self {
        self.header("typ", typ.into())
    }

    /// Uses these octets instead of the claims and signs them unchanged: for duplicate claims, or invalid JSON.
    pub fn raw_payload(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(octets.into());
        self
    }

    /// Uses these octets instead of the header and signs them unchanged.
    pub fn raw_header(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(octets.into());
        self
    }
}

/// What is wrong with its signature: the last word counts.
impl TokenBuilder {
    /// Signs with a key that is not published, under an unknown `kid`.
    pub const fn signed_with_unknown_key(mut self) -> Self {
        self.signature = Signature::UnknownKey;
        self
    }

    /// Signs as [`signed_with_unknown_key`](Self::signed_with_unknown_key) does, with the public key in the header
    /// (`jwk`).
    pub const fn signed_with_embedded_key(mut self) -> Self {
        self.signature = Signature::EmbeddedKey;
        self
    }

    /// Signs with a key that is not published, under the `kid` of a published one.
    pub const fn forged(mut self) -> Self {
        self.signature = Signature::Forged;
        self
    }

    /// Changes the claims after signing, so that the signature does not match.
    pub const fn tampered(mut self) -> Self {
        self.signature = Signature::OfOtherClaims;
        self
    }

    /// Leaves the token unsigned: `alg` is `none`, the signature is empty.
    pub const fn unsigned(mut self) -> Self {
        self.signature = Signature::None;
        self
    }

    /// Returns the token, each time with a new `jti`.
    #[must_use]
    pub fn mint(&self) -> String {
        let (key, kid) = self.key();
        let header = self.raw_header.clone().unwrap_or_else(|| self.write_header(&key, kid));
        let payload = self.raw_payload.clone().unwrap_or_else(|| self.write_claims());
        let message = format!("{}.{}", encode(&header), encode(&payload));
        let signature = match self.signature {
            Signature::None => Vec::new(),
            Signature::OfOtherClaims => key.sign(format!("{}.{}", encode(&header), encode("{}")).as_bytes()),
            Signature::Right | Signature::UnknownKey | Signature::EmbeddedKey | Signature::Forged => {
                key.sign(message.as_bytes())
            }
        };
        format!("{message}.{}", encode(signature))
    }

    fn key(&self) -> (Arc<SigningKey>, String) {
        let mut keys = lock(&self.state.keys);
        let kid = keys.signing().kid().to_owned();
        match self.signature {
            Signature::UnknownKey | Signature::EmbeddedKey => (keys.stranger(), random(32)),
            Signature::Forged => (keys.stranger(), kid),
            Signature::Right | Signature::OfOtherClaims | Signature::None => (Arc::clone(keys.signing()), kid),
        }
    }

    fn write_header(&self, key: &SigningKey, kid: String) -> Vec<u8> {
        let mut header = Map::new();
        let alg = if self.signature == Signature::None { "none" } else { key.alg() };
        header.insert("alg".to_owned(), alg.into());
        if let Some(typ) = self.kind.typ(self.state.release()) {
            header.insert("typ".to_owned(), typ.into());
        }
        header.insert("kid".to_owned(), kid.into());
        if self.signature == Signature::EmbeddedKey {
            header.insert("jwk".to_owned(), key.jwk());
        }
        changed(header, &self.header)
    }

    fn write_claims(&self) -> Vec<u8> {
        let now = self.state.clock.now().unix;
        let (issued_at, expires_at) = match self.lifetime {
            Some(lifetime) => {
                let issued_at = self.issued_at.unwrap_or(now);
                (issued_at, issued_at.saturating_add(lifetime))
            }
            None => (self.issued_at.unwrap_or_else(|| now.saturating_sub(2 * HOUR)), now.saturating_sub(HOUR)),
        };
        let mut claims = self.kind.claims();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", self.state.url.as_str().into());
        set("sub", self.subject.as_str().into());
        set("iat", issued_at.as_secs().into());
        set("exp", expires_at.as_secs().into());
        if self.kind.is_access_token() {
            set("client_id", self.client.as_str().into());
            if let Some(scope) = self.granted_scope() {
                set("scope", scope.into());
            }
        }
        changed(claims, &self.claims)
    }

    fn granted_scope(&self) -> Option<&str> {
        let is_machine = self.subject == self.client;
        match (&self.scope, &self.kind) {
            (Some(scope), _) => Some(scope),
            (None, Kind::Resource { .. }) if is_machine => None,
            (None, _) => Some(""),
        }
    }
}

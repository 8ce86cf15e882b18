//! Which keys an issuer publishes, and which one signs.

use std::sync::Arc;

use serde_json::{Value, json};

use super::keys::{KeyForm, SigningKey};
use super::release::LogtoRelease;
use crate::signature::Algorithm;

/// The keys of one issuer, newest first, as Logto publishes them.
#[derive(Debug)]
pub(super) struct KeyRing {
    form: KeyForm,
    /// Of its own; the oldest are dropped.
    most: usize,
    published: Vec<Published>,
    signing: Arc<SigningKey>,
    announced: Option<Arc<SigningKey>>,
    /// Keys that are never published, for tokens that must not verify.
    strangers: Vec<Arc<SigningKey>>,
}

#[derive(Debug)]
enum Published {
    Key(Arc<SigningKey>),
    Other(Value),
}

impl Published {
    fn kid(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key.kid()),
            Self::Other(jwk) => jwk.get("kid").and_then(Value::as_str),
        }
    }
}

impl KeyRing {
    pub(super) fn new(algorithm: Algorithm, form: KeyForm, release: LogtoRelease) -> Self {
        let signing = Arc::new(SigningKey::generate(algorithm, form));
        let published = vec![Published::Key(Arc::clone(&signing))];
        let most = if release < LogtoRelease::V1_42 { 2 } else { 3 };
        Self { form, most, published, signing, announced: None, strangers: Vec::new() }
    }

    pub(super) const fn signing(&self) -> &Arc<SigningKey> {
        &self.signing
    }

    pub(super) fn kids(&self) -> Vec<String> {
        self.published.iter().filter_map(Published::kid).map(str::to_owned).collect()
    }

    pub(super) fn jwks(&self) -> Value {
        let keys = self.published.iter().map(|published| match published {
            Published::Key(key) => key.jwk(),
            Published::Other(jwk) => jwk.clone(),
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// Whether a published key of this name made the signature; `None` if there is no such key.
    pub(super) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        self.published.iter().find_map(|published| match published {
            Published::Key(key) if key.kid() == kid => Some(key.verifies(message, signature)),
            _ => None,
        })
    }

    /// The key is published and signs from now on; those before it stay published, as far as there is room.
    pub(super) fn rotate(&mut self, algorithm: Algorithm) {
        self.announce(algorithm);
        self.switch();
    }

    /// The new key is the only one.
    pub(super) fn rotate_without_overlap(&mut self) {
        self.published.clear();
        self.rotate(self.signing.algorithm());
    }

    /// The key is published but does not sign yet.
    pub(super) fn announce(&mut self, algorithm: Algorithm) -> String {
        let next = Arc::new(SigningKey::generate(algorithm, self.form));
        let kid = next.kid().to_owned();
        self.published.insert(0, Published::Key(Arc::clone(&next)));
        self.announced = Some(next);
        self.drop_oldest();
        kid
    }

    /// But not the key that signs.
    fn drop_oldest(&mut self) {
        let signing = self.signing.kid().to_owned();
        let is_own = |published: &Published| matches!(published, Published::Key(_));
        while self.published.iter().filter(|published| is_own(published)).count() > self.most {
            let may_go = |published: &Published| is_own(published) && published.kid() != Some(&*signing);
            let Some(oldest) = self.published.iter().rposition(may_go) else { return };
            self.published.remove(oldest);
        }
    }

    /// The announced key signs. Whether there was one.
    pub(super) fn switch(&mut self) -> bool {
        let next = self.announced.take();
        let announced = next.is_some();
        self.signing = next.unwrap_or_else(|| Arc::clone(&self.signing));
        announced
    }

    /// Other numbers under the signing key's name.
    pub(super) fn replace_keeping_kid(&mut self) {
        let kid = self.signing.kid().to_owned();
        let key = SigningKey::generate(self.signing.algorithm(), self.form).with_kid(kid.clone());
        self.signing = Arc::new(key);
        for published in &mut self.published {
            if published.kid() == Some(&*kid) {
                *published = Published::Key(Arc::clone(&self.signing));
            }
        }
    }

    pub(super) fn publish(&mut self, jwk: Value) {
        self.published.push(Published::Other(jwk));
    }

    /// Whether something was withdrawn.
    pub(super) fn withdraw(&mut self, kid: &str) -> bool {
        let before = self.published.len();
        self.published.retain(|published| published.kid() != Some(kid));
        self.published.len() < before
    }

    /// A key for the signing key's algorithm that is not, and never was, published.
    pub(super) fn stranger(&mut self) -> Arc<SigningKey> {
        let algorithm = self.signing.algorithm();
        if let Some(known) = self.strangers.iter().find(|key| key.algorithm() == algorithm) {
            return Arc::clone(known);
        }
        let key = Arc::new(SigningKey::generate(algorithm, self.form));
        self.strangers.push(Arc::clone(&key));
        key
    }
}

//! Sessions that belong to whoever opened them.
//!
//! Nothing is kept of them: the id that a client gets is the service's own and its MAC over the owner, so it says nothing to
//! anybody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ConfigError;
use crate::signature::{SharedSecret, random};
use crate::token::AccessToken;

const MIN_SECRET: usize = 32;
/// Binds the MAC to its purpose: the secret may serve other purposes as well.
const LABEL: &[u8] = b"orgate MCP session 1\0";

#[derive(Clone)]
pub(super) struct Sessions(SharedSecret);

impl Sessions {
    /// # Errors
    ///
    /// Returns a secret that is too short.
    pub(super) fn new(secret: Option<&[u8]>) -> Result<Self, ConfigError> {
        match secret {
            Some(secret) if secret.len() < MIN_SECRET => Err(ConfigError::new(format_args!(
                "session_secret: {} octets; at least {MIN_SECRET} are needed",
                secret.len()
            ))),
            Some(secret) => Ok(Self(SharedSecret::new(secret))),
            None => match random::<32>() {
                Some(octets) => Ok(Self(SharedSecret::new(&octets))),
                None => Err(ConfigError::new("MCP sessions: the system has no random octets")),
            },
        }
    }

    /// The id that the client gets.
    pub(super) fn bind(&self, id: &str, token: &AccessToken) -> String {
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(self.0.tag(&message(id, token))))
    }

    /// The service's own id, if the caller is the one that it was bound to.
    pub(super) fn own<'s>(&self, bound: &'s str, token: &AccessToken) -> Option<&'s str> {
        let (id, tag) = bound.rsplit_once('.')?;
        let tag: [u8; 32] = URL_SAFE_NO_PAD.decode(tag).ok()?.try_into().ok()?;
        self.0.verify(&message(id, token), &tag).then_some(id)
    }
}

/// Who has the session, and what it is called: each part with its length in front, so that none can be taken for another.
fn message(id: &str, token: &AccessToken) -> Vec<u8> {
    let subject = token.subject();
    let mut message = LABEL.to_vec();
    for part in [subject.issuer(), subject.id(), token.client_id().unwrap_or_default(), id] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part.as_bytes());
    }
    message
}

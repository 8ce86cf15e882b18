//! Why claims cannot be parsed into a type of the application.

use std::fmt;
use std::sync::Arc;

use super::received::Received;
use crate::json::Object;

/// The claims of a verified token do not fit the type that was asked for.
///
/// Says which claim it is, and never what the claim holds.
#[derive(Clone)]
pub struct ClaimsError {
    error: Arc<serde_json::Error>,
    claim: Option<Box<str>>,
}

impl ClaimsError {
    pub(super) fn new(error: serde_json::Error, claims: &[u8]) -> Self {
        Self { claim: claim_of(&error, claims), error: Arc::new(error) }
    }

    /// Returns whether the token holds text or a number that no type could read, half of a surrogate pair for example.
    /// This is the fault of the token, any other that of the type.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        !self.error.is_data()
    }
}

/// The top-level claim that the error is about.
fn claim_of(error: &serde_json::Error, claims: &[u8]) -> Option<Box<str>> {
    // serde's own wording, and the name is one of the type's.
    if let Some(rest) = error.to_string().strip_prefix("missing field `") {
        return rest.split('`').next().map(Into::into);
    }
    let at = error.column().checked_sub(1).filter(|_| error.line() == 1)?;
    Object::parse(claims).ok()?.name_at(claims, at).map(Into::into)
}

impl fmt::Debug for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimsError({self})")
    }
}

impl fmt::Display for ClaimsError {
    // Category and place only: serde_json's own words may quote a claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let category = if self.is_unreadable() { "it cannot be read" } else { "it is missing or of another type" };
        match &self.claim {
            Some(claim) => write!(f, "the claim {} does not fit: {category}", Received(claim)),
            None => {
                write!(f, "the claims do not fit ({:?} error at column {})", self.error.classify(), self.error.column())
            }
        }
    }
}

impl std::error::Error for ClaimsError {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only parsed")]
    struct Profile {
        name: String,
        plan: u8,
    }

    fn error(json: &str) -> ClaimsError {
        ClaimsError::new(serde_json::from_str::<Profile>(json).err().unwrap(), json.as_bytes())
    }

    #[test]
    fn the_claim_is_named_and_not_quoted() {
        for (json, claim) in [
            (r#"{"name":"Ann","plan":"secret"}"#, "\"plan\""),
            (r#"{"plan":-1,"name":"secret"}"#, "\"plan\""),
            (r#"{"name":["secret"],"plan":1}"#, "\"name\""),
            (r#"{"name":"secret"}"#, "\"plan\""),
        ] {
            let error = error(json);
            assert!(!error.is_unreadable(), "{json}");
            assert!(error.to_string().contains(claim) && !format!("{error:?}").contains("secret"), "{json}: {error}");
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_the_fault_of_the_token() {
        for json in [r#"{"name":"Ann \ud83d","plan":1}"#, r#"{"plan":1,"name":"\udc00"}"#] {
            let error = error(json);
            assert!(error.is_unreadable() && error.to_string().contains("\"name\""), "{json}: {error}");
        }
    }
}

//! Why claims cannot be parsed into a type of the application.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::received::Received;

/// An error of the claims of a verified token: they do not fit the requested type.
///
/// Says which claim it is, and never what the claim holds.
#[derive(Clone)]
pub struct ClaimsError {
    error: Arc<serde_json::Error>,
    claim: Option<Box<str>>,
}

impl ClaimsError {
    pub(crate) fn parse<T: DeserializeOwned>(claims: &[u8]) -> Result<T, Self> {
        let mut reader = serde_json::Deserializer::from_slice(claims);
        let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let claim = claim_of(&error);
            Self { error: Arc::new(error.into_inner()), claim }
        })?;
        reader.end().map_err(|error| Self { error: Arc::new(error), claim: None })?;
        Ok(parsed)
    }

    /// Returns whether the token holds text or a number that no type could read, half of a surrogate pair for example.
    /// This is the fault of the token, any other that of the type.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        !self.error.is_data()
    }
}

/// Where in the claims it is: `roles[0].name`.
fn claim_of(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<Box<str>> {
    let path = Some(error.path().to_string()).filter(|path| path != ".");
    // serde's own wording, and the name is one of the type's.
    let text = error.inner().to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, missing) {
        (Some(path), Some(missing)) => Some(format!("{path}.{missing}").into()),
        (path, missing) => path.or_else(|| missing.map(Into::into)).map(Into::into),
    }
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
        #[serde(default)]
        teams: Vec<Team>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only parsed")]
    struct Team {
        id: u8,
    }

    fn error(json: &str) -> ClaimsError {
        ClaimsError::parse::<Profile>(json.as_bytes()).err().unwrap()
    }

    #[test]
    fn the_claim_is_named_and_not_quoted() {
        for (json, claim) in [
            (r#"{"name":"Ann","plan":"secret"}"#, "\"plan\""),
            (r#"{"plan":-1,"name":"secret"}"#, "\"plan\""),
            (r#"{"name":["secret"],"plan":1}"#, "\"name\""),
            (r#"{"name":"secret"}"#, "\"plan\""),
            (r#"{"name":"secret","plan":1,"teams":[{"id":1},{"id":"secret"}]}"#, "\"teams[1].id\""),
            (r#"{"name":"secret","plan":1,"teams":[{"no":"secret"}]}"#, "\"teams[0].id\""),
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

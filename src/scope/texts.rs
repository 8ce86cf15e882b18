//! What scopes permit, in words for a person.

use std::collections::BTreeMap;

use super::Scope;
use crate::error::ConfigError;

/// The texts of all scopes of an API; without one, every scope is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeTexts(Option<BTreeMap<String, String>>);

impl ScopeTexts {
    /// # Errors
    ///
    /// Returns the first scope that is none, is there twice, or has no text.
    pub(crate) fn new(texts: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut all = BTreeMap::new();
        for (scope, text) in texts {
            let scope = Scope::new(scope).map_err(|fault| fault.at("scopes"))?;
            if text.trim().is_empty() {
                return Err(ConfigError::new(format_args!("scopes: {scope:?} has no text")));
            }
            if let Some(other) = all.insert(scope.as_str().to_owned(), text.clone()) {
                return Err(ConfigError::new(format_args!("scopes: {scope:?} occurs twice: {other:?} and {text:?}")));
            }
        }
        Ok(Self(Some(all)))
    }

    /// # Errors
    ///
    /// Returns the scope if there are texts, and none for it.
    pub(crate) fn check(&self, scope: &Scope) -> Result<(), ConfigError> {
        match &self.0 {
            Some(all) if !all.contains_key(scope.as_str()) => {
                let known: Vec<&String> = all.keys().collect();
                Err(ConfigError::new(format_args!(
                    "scope {scope:?} is not one of Builder::scopes, which are {known:?}"
                )))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flatten().map(|(scope, text)| (scope.as_str(), text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[(&str, &str)]) -> Result<ScopeTexts, ConfigError> {
        ScopeTexts::new(
            &texts.iter().map(|(scope, text)| ((*scope).to_owned(), (*text).to_owned())).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn only_scopes_with_a_text_are_known() {
        let known = texts(&[("b", "To b"), ("a", "To a")]).unwrap();
        assert_eq!(known.iter().collect::<Vec<_>>(), [("a", "To a"), ("b", "To b")]);
        assert!(known.check(&Scope::new("a").unwrap()).is_ok());
        let error = known.check(&Scope::new("c").unwrap()).unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains("[\"a\", \"b\"]"), "{error}");
        assert!(ScopeTexts::default().check(&Scope::new("c").unwrap()).is_ok(), "no texts, no check");
    }

    #[test]
    fn a_scope_twice_or_without_text_is_rejected() {
        for bad in [&[("a", "x"), ("a", "y")][..], &[("a", " ")], &[("a b", "x")]] {
            assert!(texts(bad).is_err(), "{bad:?}");
        }
    }
}

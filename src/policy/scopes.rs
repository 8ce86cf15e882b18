//! Which scopes a token must have.

use std::fmt;

use crate::error::ConfigError;
use crate::explain::shown;
use crate::name::Name;
use crate::scope::Scope;

/// All of these scopes, or one of them. Never empty; a single one is `All`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScopeRule {
    All(Vec<Scope>),
    Any(Vec<Scope>),
}

impl ScopeRule {
    /// # Errors
    ///
    /// Returns an error if the list is empty, or a scope is none.
    pub(super) fn new<S: AsRef<str>>(is_any: bool, scopes: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let scopes: Vec<Scope> =
            scopes.into_iter().map(|scope| Scope::new(scope.as_ref())).collect::<Result<_, _>>()?;
        match (is_any, scopes.len()) {
            (_, 0) => {
                let word = if is_any { "any_of" } else { "all_of" };
                Err(ConfigError::new(format_args!("{word}([]): an empty list of scopes")))
            }
            (true, 2..) => Ok(Self::Any(scopes)),
            _ => Ok(Self::All(scopes)),
        }
    }

    pub(super) fn scopes(&self) -> &[Scope] {
        match self {
            Self::All(scopes) | Self::Any(scopes) => scopes,
        }
    }
}

/// More scopes or audiences than a reader would look through.
pub(super) const MOST_SHOWN: usize = 64;

/// Scopes that were found, for an explanation.
pub(super) fn found_scopes<'a>(scopes: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", scopes.take(MOST_SHOWN).map(shown).collect::<Vec<_>>().join(" "))
}

pub(super) fn written<'a>(is_any: bool, names: impl Iterator<Item = Name<'a>>) -> String {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    match (&*names, is_any) {
        ([only], _) => format!("scope {only}"),
        (_, true) => format!("any of [{}]", names.join(" ")),
        (_, false) => format!("all of [{}]", names.join(" ")),
    }
}

impl fmt::Display for ScopeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.scopes().iter().map(|scope| Name(scope.as_str()));
        f.write_str(&written(matches!(self, Self::Any(_)), names))
    }
}

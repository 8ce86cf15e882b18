//! One clause of a policy: everything in it must hold.

use std::fmt;

use super::condition::Condition;
use super::freshness::Freshness;
use super::model::{IssuerRule, Model};
use super::scopes::ScopeRule;
use crate::error::ConfigError;
use crate::scope::Scope;

/// Whose token, for what, with which scopes, how fresh; and conditions, in the order in which they are judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Clause {
    pub(super) issuer: Option<IssuerRule>,
    pub(super) model: Option<Model>,
    pub(super) scopes: Vec<ScopeRule>,
    pub(super) freshness: Freshness,
    pub(super) conditions: Box<[Condition]>,
}

impl Clause {
    /// Both at once. Two models, or two conditions that exclude each other, are an error.
    pub(super) fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        if let (Some(one), Some(two)) = (&self.model, &other.model) {
            return Err(if one.to_string() == two.to_string() {
                ConfigError::new(format_args!("({one}) and ({two}): the model is stated twice; state it once"))
            } else {
                ConfigError::new(format_args!(
                    "({one}) and ({two}): a token is for one of them; combine them with `or`"
                ))
            });
        }
        if let (Some(one), Some(two)) = (&self.issuer, &other.issuer)
            && one != two
        {
            return Err(ConfigError::new(format_args!("({one}) and ({two}) contradict each other")));
        }
        self.model = self.model.or(other.model);
        self.issuer = self.issuer.or(other.issuer);
        for rule in other.scopes {
            if !self.scopes.contains(&rule) {
                self.scopes.push(rule);
            }
        }
        self.freshness = self.freshness.and(other.freshness);
        self.conditions = Condition::both(self.conditions, other.conditions)?;
        Ok(self)
    }

    /// Whether its scopes hold for a set of them.
    pub(super) fn holds(&self, has: impl Fn(&str) -> bool) -> bool {
        self.scopes.iter().all(|rule| match rule {
            ScopeRule::All(scopes) => scopes.iter().all(|scope| has(scope.as_str())),
            ScopeRule::Any(scopes) => scopes.iter().any(|scope| has(scope.as_str())),
        })
    }

    /// Its scopes, as they are printed.
    pub(super) fn scopes_text(&self) -> String {
        self.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }

    /// Every scope that this clause names, once.
    pub(super) fn required_scopes(&self) -> Vec<Scope> {
        let mut required: Vec<Scope> = Vec::new();
        for scope in self.scopes.iter().flat_map(ScopeRule::scopes) {
            if !required.contains(scope) {
                required.push(scope.clone());
            }
        }
        required
    }
}

/// In the order in which it is judged.
impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = |early: bool| {
            let wanted = move |condition: &&Condition| condition.is_before_scopes() == early;
            self.conditions.iter().filter(wanted).map(ToString::to_string)
        };
        let words = (self.model.iter().map(ToString::to_string))
            .chain(self.issuer.iter().map(ToString::to_string))
            .chain(conditions(true))
            .chain(self.scopes.iter().map(ToString::to_string))
            .chain(Some(&self.freshness).filter(|rule| !rule.is_empty()).map(ToString::to_string))
            .chain(conditions(false));
        f.write_str(&words.collect::<Vec<_>>().join(" and "))
    }
}

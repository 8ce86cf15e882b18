//! What of a policy an OpenAPI document can say: its scopes, and what a token must be bound to.

use std::collections::{BTreeMap, BTreeSet};

use super::describe::{ClauseDescription, ConditionDescription, ScopesDescription};
use super::value::Policy;
use crate::error::ConfigError;

/// The most alternatives that a document is given: as many as a policy may have clauses.
const MAX_ALTERNATIVES: usize = 64;

/// The requirements of one of several alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alternative {
    /// The scopes, all of them.
    pub scopes: Vec<String>,
    /// Whether the token must be bound to a key (DPoP).
    pub dpop: bool,
    /// Whether the token must be bound to a certificate (mutual TLS).
    pub mtls: bool,
    /// Whether nothing is needed at all.
    pub anonymous: bool,
}

impl Policy {
    /// Returns the requirements of an OpenAPI operation (its `security`): a list of which one must hold, each a map from the
    /// name of a security scheme to scopes that are needed together. The last one is empty where the policy is optional, or not
    /// enforced ([`dangerous_shadow_only`](Self::dangerous_shadow_only)).
    ///
    /// A document cannot say what a policy requires beside scopes: the printed policy belongs into the description.
    ///
    /// ```
    /// use orgate::policy::{optional, resource};
    ///
    /// let policy = resource().scope("a").and(orgate::policy::any_of(["b", "c"]));
    /// let security = policy.security("logto")?;
    /// assert_eq!(serde_json::to_value(&security).unwrap(), serde_json::json!([{ "logto": ["a", "b"] }, { "logto": ["a", "c"] }]));
    /// assert_eq!(optional(resource()).security("logto")?.len(), 2);
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the fault of a faulty policy, and a policy with more than 64 alternatives.
    pub fn security(&self, scheme: &str) -> Result<Vec<BTreeMap<String, Vec<String>>>, ConfigError> {
        let named = |alternative: Alternative| {
            let entry = (scheme.to_owned(), alternative.scopes);
            if alternative.anonymous { BTreeMap::new() } else { BTreeMap::from([entry]) }
        };
        let mut security: Vec<BTreeMap<String, Vec<String>>> = Vec::new();
        for requirement in self.alternatives()?.into_iter().map(named) {
            if !security.contains(&requirement) {
                security.push(requirement);
            }
        }
        Ok(security)
    }

    /// Returns what a request must have, as alternatives in the order of the clauses. Equal ones are there once.
    ///
    /// # Errors
    ///
    /// Same as [`security`](Self::security).
    pub fn alternatives(&self) -> Result<Vec<Alternative>, ConfigError> {
        let description = self.describe();
        if let Some(fault) = &self.fault {
            return Err(fault.at(format_args!("policy ({self})")));
        }
        let mut alternatives: Vec<Alternative> = Vec::new();
        let mut known = Vec::new();
        for clause in &description.clauses {
            for alternative in of_clause(clause)? {
                let scopes: BTreeSet<String> = alternative.scopes.iter().cloned().collect();
                let needed = (scopes, alternative.dpop, alternative.mtls);
                if !known.contains(&needed) {
                    known.push(needed);
                    alternatives.push(alternative);
                }
            }
            if alternatives.len() > MAX_ALTERNATIVES {
                return Err(too_many(&description.text));
            }
        }
        if description.optional || description.shadow_only {
            alternatives.push(Alternative { scopes: Vec::new(), dpop: false, mtls: false, anonymous: true });
        }
        Ok(alternatives)
    }
}

fn too_many(policy: &str) -> ConfigError {
    ConfigError::new(format_args!("policy ({policy}): more than {MAX_ALTERNATIVES} alternatives of scopes"))
}

/// Each `any_of` multiplies.
fn of_clause(clause: &ClauseDescription) -> Result<Vec<Alternative>, ConfigError> {
    let mut sets: Vec<Vec<String>> = vec![Vec::new()];
    let with = |set: &[String], more: &[String]| {
        let new = more.iter().filter(|scope| !set.contains(scope));
        set.iter().chain(new).cloned().collect::<Vec<_>>()
    };
    for rule in &clause.scopes {
        sets = match rule {
            ScopesDescription::All(scopes) => sets.iter().map(|set| with(set, scopes)).collect(),
            ScopesDescription::Any(scopes) => {
                let one = |set: &Vec<String>| {
                    scopes.iter().map(|scope| with(set, std::slice::from_ref(scope))).collect::<Vec<_>>()
                };
                sets.iter().flat_map(one).collect()
            }
        };
        if sets.len() > MAX_ALTERNATIVES {
            return Err(too_many(&clause.text));
        }
    }
    let bound = clause.conditions.iter().filter_map(|condition| match condition {
        ConditionDescription::SenderConstrained { to_key, to_certificate } => Some((*to_key, *to_certificate)),
        _ => None,
    });
    // Neither a key nor a certificate means either of them.
    let bindings = match bound.reduce(|one, two| (one.0 || two.0, one.1 || two.1)) {
        None => vec![(false, false)],
        Some((false, false)) => vec![(true, false), (false, true)],
        Some(both) => vec![both],
    };
    let make = |scopes: &Vec<String>| {
        let of = |&(dpop, mtls): &(bool, bool)| Alternative { scopes: scopes.clone(), dpop, mtls, anonymous: false };
        bindings.iter().map(of).collect::<Vec<_>>()
    };
    Ok(sets.iter().flat_map(make).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{any_of, optional, organization, path, resource, sender_constrained};
    use super::*;

    fn scopes(policy: &Policy) -> Vec<String> {
        policy.alternatives().unwrap().into_iter().map(|alternative| alternative.scopes.join(" ")).collect()
    }

    #[test]
    fn clauses_are_alternatives_and_any_of_multiplies() {
        for (policy, expected) in [
            (resource(), &[""][..]),
            (resource().scope("b").scope("a"), &["b a"]),
            (resource().all_of(["a", "b"]).scope("a"), &["a b"]),
            (resource().any_of(["a", "b"]), &["a", "b"]),
            (resource().any_of(["a", "b"]).and(any_of(["b", "c"])), &["a b", "a c", "b", "b c"]),
            (organization(path("org")).scope("a").or(resource().scope("b")), &["a", "b"]),
            (resource().all_of(["a", "b"]).or(resource().all_of(["b", "a"])), &["a b"]),
            (optional(resource().scope("a")), &["a", ""]),
            (resource().scope("a").dangerous_shadow_only(), &["a", ""]),
            (optional(resource().scope("a")).dangerous_shadow_only(), &["a", ""]),
            (resource().scope("a").shadow(resource().scope("b")), &["a"]),
        ] {
            assert_eq!(scopes(&policy), expected, "{policy}");
        }
    }

    #[test]
    fn what_a_token_is_bound_to() {
        let bound =
            |policy: Policy| policy.alternatives().unwrap().iter().map(|it| (it.dpop, it.mtls)).collect::<Vec<_>>();
        assert_eq!(bound(resource().dpop()), [(true, false)]);
        assert_eq!(bound(resource().mtls()), [(false, true)]);
        assert_eq!(bound(resource().dpop().mtls()), [(true, true)]);
        assert_eq!(bound(resource().and(sender_constrained())), [(true, false), (false, true)]);
    }

    #[test]
    fn more_alternatives_than_a_reader_would_read_are_rejected() {
        let nine = || any_of(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(resource().and(nine()).alternatives().is_ok());
        assert!(resource().and(nine()).and(any_of(["a", "b", "c", "d", "e", "f", "g", "h"])).alternatives().is_err());
        assert!(resource().scope("a b").security("logto").is_err(), "a faulty policy");
    }
}

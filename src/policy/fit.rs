//! Whether a clause fits the issuers of a server.

use std::collections::BTreeSet;

use super::clause::Clause;
use super::condition::Condition;
use super::freshness::OnError;
use super::model::{IssuerRule, Model};
use crate::error::ConfigError;
use crate::issuer::IssuerRules;

pub(super) fn fits(clause: &Clause, entries: &[&IssuerRules]) -> Result<(), ConfigError> {
    let Some(model) = &clause.model else {
        return Err(ConfigError::new(format_args!(
            "a clause ({clause}) does not say what the token is for: begin with `resource`, `organization` or `authenticated`"
        )));
    };
    if matches!(model, Model::Authenticated) && !clause.scopes.is_empty() {
        return Err(ConfigError::new(
            "`authenticated` accepts tokens for every audience of this server, so it is unclear what its scopes are for: use `resource` or `organization`",
        ));
    }
    if eligible(clause, entries).next().is_none() {
        let known: Vec<&str> = entries.iter().map(|rules| &*rules.name).collect();
        return Err(ConfigError::new(format_args!(
            "a clause ({clause}) names no issuer entry of this server, which are {known:?}"
        )));
    }
    if clause.issuer.is_none() && entries.len() > 1 {
        return Err(ConfigError::new(format_args!(
            "this server has {} issuer entries, and the same id means another organization or subject in each: add `issued by NAME` or `any issuer` to each clause",
            entries.len()
        )));
    }
    check_freshness(clause, model, eligible(clause, entries))?;
    if let Some(indicator) = model.indicator() {
        let known = eligible(clause, entries).any(|rules| rules.has_resource(indicator));
        if !known {
            return Err(ConfigError::new(format_args!("{indicator:?} is not a resource indicator of this server")));
        }
    }
    Ok(())
}

/// The entries whose tokens a clause takes.
pub(super) fn eligible<'a>(clause: &Clause, entries: &[&'a IssuerRules]) -> impl Iterator<Item = &'a IssuerRules> {
    entries.iter().copied().filter(|rules| match &clause.issuer {
        Some(IssuerRule::Named(name) | IssuerRule::Only(name, _)) => rules.name == *name,
        Some(IssuerRule::Any) | None => true,
    })
}

fn check_freshness<'a>(
    clause: &Clause,
    model: &Model,
    mut entries: impl Iterator<Item = &'a IssuerRules>,
) -> Result<(), ConfigError> {
    clause.freshness.check()?;
    if matches!(model, Model::Member { .. }) {
        if !clause.freshness.is_asked() {
            return Err(ConfigError::new(format_args!(
                "a clause ({clause}) relies on the permission source for a membership: add `live` or `fresh within`"
            )));
        }
        if clause.freshness.on_error == Some(OnError::TokenOnly) {
            return Err(ConfigError::new(format_args!(
                "a clause ({clause}): the token alone does not prove a membership, so `token only on error` cannot be combined with `for member of`"
            )));
        }
    }
    if !clause.freshness.is_asked() {
        return Ok(());
    }
    if matches!(model, Model::Authenticated) {
        return Err(ConfigError::new(
            "`authenticated` accepts tokens for every audience of this server, so it is unclear which permissions must be fresh",
        ));
    }
    match entries.find(|rules| !rules.has_permissions) {
        None => Ok(()),
        Some(rules) => Err(ConfigError::new(format_args!(
            "a clause ({clause}) requires fresh permissions, and issuer {:?} has no permission source, such as the Logto Management API",
            rules.name
        ))),
    }
}

/// Counts what may be asked for one request: each question once for each model.
pub(super) fn check_decisions(clauses: &[Clause], most: usize) -> Result<(), ConfigError> {
    let mut asked = BTreeSet::new();
    for clause in clauses {
        let model = clause.model.as_ref().map(ToString::to_string).unwrap_or_default();
        for condition in &clause.conditions {
            if let Condition::Decisions(decisions) = condition {
                asked.extend(decisions.topics().map(|topic| (model.clone(), topic)));
            }
        }
    }
    if asked.len() > most {
        return Err(ConfigError::new(format_args!("more than {most} decisions")));
    }
    Ok(())
}

//! From a policy to its description.

use super::clause::Clause;
use super::describe::{
    ClauseDescription, Description, FreshnessDescription, IssuerDescription, KeepDescription, ModelDescription,
    OnErrorDescription, ScopesDescription, SourceDescription, Written,
};
use super::freshness::{Freshness, OnError};
use super::model::{IssuerRule, Model};
use super::scopes::ScopeRule;
use super::tree::Node;
use super::value::Policy;
use crate::decision::CacheTimes;
use crate::organization::{RequestSource, SourceKind};
use crate::scope::Scope;

impl Policy {
    /// Returns the policy as data: as it was written, and the clauses as they are judged.
    ///
    /// ```
    /// use orgate::policy::{path, resource};
    ///
    /// let policy = resource().in_organization(path("org")).scope("read:orders");
    /// let clause = &policy.describe().clauses[0];
    /// assert_eq!(clause.text, "resource in organization from path {org} and scope read:orders");
    /// ```
    #[must_use]
    pub fn describe(&self) -> Description {
        let clauses = if self.fault.is_some() { Vec::new() } else { self.tree.clauses().unwrap_or_default() };
        describe(self, clauses.iter())
    }
}

/// A policy, and the clauses as they are judged.
pub(super) fn describe<'a>(policy: &Policy, clauses: impl Iterator<Item = &'a Clause>) -> Description {
    Description {
        text: policy.to_string(),
        optional: policy.optional,
        hidden: policy.hidden,
        shadow_only: policy.is_shadow_only(),
        shadow: policy.beside().map(|other| Box::new(other.describe())),
        fault: policy.fault.as_ref().map(ToString::to_string),
        written: Written::from(&policy.tree),
        clauses: clauses.map(ClauseDescription::from).collect(),
    }
}

impl From<&Node> for Written {
    fn from(node: &Node) -> Self {
        match node {
            Node::And(nodes) => Self::And(nodes.iter().map(Self::from).collect()),
            Node::Or(nodes) => Self::Or(nodes.iter().map(Self::from).collect()),
            Node::Word(word) => Self::Word(word.to_string()),
        }
    }
}

impl From<&Clause> for ClauseDescription {
    fn from(clause: &Clause) -> Self {
        let mut conditions = Vec::new();
        clause.conditions.iter().for_each(|condition| condition.describe(&mut conditions));
        Self {
            text: clause.to_string(),
            issuer: clause.issuer.as_ref().map(|rule| match rule {
                IssuerRule::Any => IssuerDescription::Any,
                IssuerRule::Named(name) | IssuerRule::Only(name, _) => IssuerDescription::Named(name.to_string()),
            }),
            model: clause.model.as_ref().map(ModelDescription::from),
            scopes: clause.scopes.iter().map(ScopesDescription::from).collect(),
            freshness: Some(&clause.freshness).filter(|rule| !rule.is_empty()).map(FreshnessDescription::from),
            conditions,
        }
    }
}

impl From<&Model> for ModelDescription {
    fn from(model: &Model) -> Self {
        let indicator = model.indicator().map(ToString::to_string);
        match model {
            Model::Authenticated => Self::Authenticated,
            Model::Resource { about, .. } => Self::Resource { indicator, about: about.as_ref().map(Into::into) },
            Model::Organization(source) => Self::Organization { source: source.into() },
            Model::Member { source, acting_allowed, .. } => {
                Self::Member { indicator, source: source.into(), acting_allowed: *acting_allowed }
            }
            Model::ResourceInOrganization(_, source) => {
                Self::ResourceInOrganization { indicator, source: source.into() }
            }
        }
    }
}

impl From<&RequestSource> for SourceDescription {
    fn from(source: &RequestSource) -> Self {
        match source.kind() {
            SourceKind::Path(name) => Self::Path(name.to_string()),
            SourceKind::Header(name) => Self::Header(name.to_string()),
            SourceKind::BadHeader(name) => Self::Header(name.to_string()),
            SourceKind::Subdomain(domain) => Self::Subdomain(domain.to_string()),
            SourceKind::Custom(label, _) => Self::Custom(label.to_string()),
            SourceKind::Argument(name) => Self::Argument(name.to_string()),
            SourceKind::AnyOrganization => Self::AnyOrganization,
        }
    }
}

impl From<&ScopeRule> for ScopesDescription {
    fn from(rule: &ScopeRule) -> Self {
        let names = |scopes: &[Scope]| scopes.iter().map(ToString::to_string).collect();
        match rule {
            ScopeRule::All(scopes) => Self::All(names(scopes)),
            ScopeRule::Any(scopes) => Self::Any(names(scopes)),
        }
    }
}

impl From<&Freshness> for FreshnessDescription {
    fn from(rule: &Freshness) -> Self {
        Self {
            live: rule.now,
            within: rule.max_age,
            on_error: rule.on_error.map(|way| match way {
                OnError::Stale(age) => OnErrorDescription::Stale(age),
                OnError::TokenOnly => OnErrorDescription::TokenOnly,
            }),
        }
    }
}

impl From<CacheTimes> for KeepDescription {
    fn from(times: CacheTimes) -> Self {
        Self { allow: times.allow(), deny: times.deny() }
    }
}

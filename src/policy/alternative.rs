//! One branch of a policy: everything in it must hold.

use std::fmt;
use std::sync::Arc;

use super::check::Check;
use super::claim::ClaimValue;
use super::decide_by::Question;
use super::freshness::LiveRule;
use crate::decision::CacheTimes;
use crate::error::ConfigError;
use crate::organization::RequestSource;
use crate::scope::Scope;
use crate::token::SubjectKind;

/// What the token must be for, and beyond that.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternative {
    pub(super) model: Option<Model>,
    pub(super) issuer: Option<IssuerRule>,
    pub(super) kind: Option<SubjectKind>,
    pub(super) claims: Vec<(Arc<str>, ClaimValue)>,
    pub(super) scopes: Vec<ScopeRule>,
    pub(super) live: LiveRule,
    pub(super) checks: Vec<Check>,
    pub(super) questions: Vec<Question>,
    pub(super) remember: Option<CacheTimes>,
}

/// The authorization model.
#[derive(Clone, Debug)]
pub(super) enum Model {
    /// Any token that this server serves.
    Authenticated,
    /// The API as a whole; `None` is the API's first indicator.
    Resource(Option<Arc<str>>),
    /// An organization's own permissions.
    Organization(RequestSource),
    /// The API within one organization.
    ResourceInOrganization(Option<Arc<str>>, RequestSource),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IssuerRule {
    Any,
    Named(Arc<str>),
}

/// All of these scopes, or one of them. Never empty.
#[derive(Clone, Debug)]
pub(super) enum ScopeRule {
    All(Vec<Scope>),
    Any(Vec<Scope>),
}

impl ScopeRule {
    pub(super) fn scopes(&self) -> &[Scope] {
        match self {
            Self::All(scopes) | Self::Any(scopes) => scopes,
        }
    }
}

impl Model {
    pub(super) fn source(&self) -> Option<&RequestSource> {
        match self {
            Self::Organization(source) | Self::ResourceInOrganization(_, source) => Some(source),
            Self::Authenticated | Self::Resource(_) => None,
        }
    }

    pub(super) fn indicator(&self) -> Option<&Arc<str>> {
        match self {
            Self::Resource(indicator) | Self::ResourceInOrganization(indicator, _) => indicator.as_ref(),
            Self::Authenticated | Self::Organization(_) => None,
        }
    }
}

impl Alternative {
    /// Both at once. Two models, or two conditions that exclude each other, are an error.
    pub(super) fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        if let (Some(one), Some(two)) = (&self.model, &other.model) {
            return Err(ConfigError::new(format_args!(
                "({one}) and ({two}): a token is for one of them; combine them with `or`"
            )));
        }
        if let (Some(one), Some(two)) = (&self.issuer, &other.issuer)
            && one != two
        {
            return Err(ConfigError::new(format_args!("({one}) and ({two}) contradict each other")));
        }
        if let (Some(one), Some(two)) = (self.kind, other.kind)
            && one != two
        {
            return Err(ConfigError::new("(user) and (machine) contradict each other"));
        }
        for (name, value) in &other.claims {
            if self.claims.iter().any(|(known, other)| known == name && other != value) {
                return Err(ConfigError::new(format_args!("claim {name:?} cannot have two values")));
            }
        }
        self.model = self.model.or(other.model);
        self.issuer = self.issuer.or(other.issuer);
        self.kind = self.kind.or(other.kind);
        self.claims.extend(other.claims);
        self.scopes.extend(other.scopes);
        {
            self.live = self.live.and(other.live);
        }
        self.checks.extend(other.checks);
        self.questions.extend(other.questions);
        self.remember = match (self.remember, other.remember) {
            (Some(one), Some(two)) => Some(one.shorter(two)),
            (one, two) => one.or(two),
        };
        Ok(self)
    }

    /// Whether its scopes hold for a set of them.
    pub(super) fn holds(&self, has: impl Fn(&str) -> bool) -> bool {
        self.scopes.iter().all(|rule| match rule {
            ScopeRule::All(scopes) => scopes.iter().all(|scope| has(scope.as_str())),
            ScopeRule::Any(scopes) => scopes.iter().any(|scope| has(scope.as_str())),
        })
    }

    /// Every scope that this branch names, once.
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

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated => f.write_str("authenticated"),
            Self::Resource(None) => f.write_str("resource"),
            Self::Resource(Some(indicator)) => write!(f, "resource {indicator}"),
            Self::Organization(source) => write!(f, "organization from {source}"),
            Self::ResourceInOrganization(None, source) => write!(f, "resource in organization from {source}"),
            Self::ResourceInOrganization(Some(indicator), source) => {
                write!(f, "resource {indicator} in organization from {source}")
            }
        }
    }
}

impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any issuer"),
            Self::Named(name) => write!(f, "issued by {name}"),
        }
    }
}

impl fmt::Display for ScopeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.scopes().iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
        match self {
            Self::All(scopes) | Self::Any(scopes) if scopes.len() == 1 => write!(f, "scope {words}"),
            Self::All(_) => write!(f, "all of [{words}]"),
            Self::Any(_) => write!(f, "any of [{words}]"),
        }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map(|kind| if kind == SubjectKind::Machine { "machine" } else { "user" });
        let words = (self.model.iter().map(ToString::to_string))
            .chain(self.issuer.iter().map(ToString::to_string))
            .chain(kind.map(str::to_owned))
            .chain(self.claims.iter().map(|(name, value)| format!("claim {name} = {value}")))
            .chain(self.scopes.iter().map(ToString::to_string))
            .chain(self.checks.iter().map(|check| format!("check {:?}", check.name)));
        let words = words.chain(Some(self.live.to_string()).filter(|live| !live.is_empty()));
        let words = words
            .chain(self.questions.iter().map(ToString::to_string))
            .chain(self.remember.map(|times| format!("decisions kept: {times}")));
        f.write_str(&words.collect::<Vec<_>>().join(" and "))
    }
}

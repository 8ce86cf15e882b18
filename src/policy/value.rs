//! The policy as a value.

use std::fmt;

use super::alternative::{Alternative, Model, ScopeRule};
use super::check::{CheckResult, Facts};
use super::claim::ClaimValue;
use super::words::{all_of, any_issuer, any_of, check, claim, issued_by, machine, scope, user};
use crate::error::ConfigError;
use crate::organization::RequestSource;
use crate::scope::Scope;

/// More branches than a person would read; `and` of two `or`s multiplies them.
const MAX_ALTERNATIVES: usize = 64;

/// What one route requires.
///
/// It is kept as a list of branches, and the leftmost branch that passes decides (and fixes the
/// [`Organization`](crate::Organization)). `Display` prints exactly what is judged: it is what logs, the route table and
/// tests show.
#[derive(Clone, Debug)]
#[must_use = "a policy protects nothing until a route or a layer requires it"]
pub struct Policy {
    pub(super) alternatives: Vec<Alternative>,
    pub(super) optional: bool,
    pub(super) hide_organization: bool,
    pub(super) fault: Option<ConfigError>,
}

impl Policy {
    pub(super) fn condition(alternative: Alternative) -> Self {
        Self { alternatives: vec![alternative], optional: false, hide_organization: false, fault: None }
    }

    pub(super) fn model(model: Model) -> Self {
        Self::condition(Alternative { model: Some(model), ..Alternative::default() })
    }

    pub(super) fn scopes<S: AsRef<str>>(
        word: &str,
        scopes: impl IntoIterator<Item = S>,
        rule: impl FnOnce(Vec<Scope>) -> ScopeRule,
    ) -> Self {
        let scopes: Result<Vec<Scope>, ConfigError> =
            scopes.into_iter().map(|scope| Scope::new(scope.as_ref())).collect();
        match scopes {
            Ok(scopes) if scopes.is_empty() => {
                Self::faulty(ConfigError::new(format_args!("{word}([]): an empty list of scopes")))
            }
            Ok(scopes) => Self::condition(Alternative { scopes: vec![rule(scopes)], ..Alternative::default() }),
            Err(fault) => Self::faulty(fault),
        }
    }

    pub(super) fn faulty(fault: ConfigError) -> Self {
        Self { fault: Some(fault), ..Self::condition(Alternative::default()) }
    }

    fn fail(mut self, fault: ConfigError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }

    /// Both must hold. Conditions of the other policy apply to every branch of this one, and the reverse. Two models in
    /// one branch, or a contradiction, are a [`ConfigError`].
    ///
    /// Whether the result is optional is said by the side that has the model.
    pub fn and(self, other: Self) -> Self {
        let both = Self {
            alternatives: Vec::new(),
            optional: match (self.has_model(), other.has_model()) {
                (true, false) => self.optional,
                (false, true) => other.optional,
                _ => self.optional && other.optional,
            },
            hide_organization: self.hide_organization || other.hide_organization,
            fault: self.fault.or(other.fault),
        };
        let pairs =
            self.alternatives.iter().flat_map(|one| other.alternatives.iter().map(|two| one.clone().and(two.clone())));
        match pairs.take(MAX_ALTERNATIVES + 1).collect::<Result<Vec<_>, _>>() {
            Ok(alternatives) => Self { alternatives, ..both }.limited(),
            Err(fault) => Self { alternatives: self.alternatives, ..both }.fail(fault),
        }
    }

    /// One of the two must hold; the leftmost branch that passes fixes the organization.
    ///
    /// The result is optional if one of them is.
    pub fn or(mut self, other: Self) -> Self {
        self.alternatives.extend(other.alternatives.into_iter().take(MAX_ALTERNATIVES));
        self.optional |= other.optional;
        self.hide_organization |= other.hide_organization;
        self.fault = self.fault.or(other.fault);
        self.limited()
    }

    fn has_model(&self) -> bool {
        self.alternatives.iter().any(|alternative| alternative.model.is_some())
    }

    fn limited(mut self) -> Self {
        if self.alternatives.len() <= MAX_ALTERNATIVES {
            return self;
        }
        self.alternatives.truncate(MAX_ALTERNATIVES);
        self.fail(ConfigError::new(format_args!("a policy of more than {MAX_ALTERNATIVES} branches")))
    }

    /// The API *within* the organization of the request: `organization_id` is present and the request's.
    #[allow(clippy::needless_pass_by_value, reason = "as organization(source) takes it")]
    pub fn in_organization(mut self, source: RequestSource) -> Self {
        if let Some(fault) = source.fault() {
            return self.fail(fault.clone());
        }
        for alternative in &mut self.alternatives {
            alternative.model = match alternative.model.take() {
                Some(Model::Resource(indicator)) => Some(Model::ResourceInOrganization(indicator, source.clone())),
                other => {
                    let found = other.as_ref().map_or_else(|| "no model".to_owned(), ToString::to_string);
                    alternative.model = other;
                    return self
                        .fail(ConfigError::new(format_args!("in_organization belongs to resource(), not to {found}")));
                }
            };
        }
        self
    }

    /// Also this scope.
    pub fn scope(self, name: &str) -> Self {
        self.and(scope(name))
    }

    /// Also all of these scopes.
    pub fn all_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(all_of(scopes))
    }

    /// Also one of these scopes.
    pub fn any_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(any_of(scopes))
    }

    /// Users only.
    pub fn user(self) -> Self {
        self.and(user())
    }

    /// Machines only.
    pub fn machine(self) -> Self {
        self.and(machine())
    }

    /// Also this claim.
    pub fn claim(self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.and(claim(name, value))
    }

    /// Also this condition of the application's own.
    pub fn check<R: CheckResult>(self, name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Self {
        self.and(check(name, run))
    }

    /// Only tokens of the issuer entry with this name: whichever entry has it when a request comes.
    pub fn issued_by(self, name: &str) -> Self {
        self.and(issued_by(name))
    }

    /// Tokens of every issuer entry. Organizations and subjects of two entries are never the same, even with one id.
    pub fn any_issuer(self) -> Self {
        self.and(any_issuer())
    }

    /// Every denial that depends on the organization becomes one and the same 404: whether an organization exists cannot
    /// be told from the answers of this layer.
    ///
    /// A member whose token lacks a scope is still told so, with 403: its token is for this organization already.
    pub fn hide_organization(self) -> Self {
        Self { hide_organization: true, ..self }
    }

    /// Whether a request without a token passes.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.optional {
            f.write_str("optional: ")?;
        }
        match &*self.alternatives {
            [only] => write!(f, "{only}")?,
            several => {
                for (index, alternative) in several.iter().enumerate() {
                    write!(f, "{}({alternative})", if index == 0 { "" } else { " or " })?;
                }
            }
        }
        if self.hide_organization {
            f.write_str(", organization hidden")?;
        }
        if self.fault.is_some() { f.write_str(" [faulty]") } else { Ok(()) }
    }
}

//! The policy as a value.

use std::fmt;

use super::clause::Clause;
use super::condition::Condition;
use super::model::Model;
use super::shadow::{self, Shadow};
use super::tree::{Node, Word};
use crate::error::ConfigError;
use crate::name::Quoted;
use crate::organization::RequestSource;

/// The requirement of one route.
///
/// A policy is kept as it was written, and judged in its multiplied form: a list of clauses, of which the leftmost one that
/// passes decides (and fixes the [`Organization`](crate::Organization)). `Display` prints what was written, in a form that
/// [`FromStr`](std::str::FromStr) and [`Parser`](super::Parser) read; [`describe`](Self::describe) returns both forms as data.
///
/// ```
/// use orgate::policy::{path, resource};
///
/// let policy = resource().in_organization(path("org")).scope("read:orders").user();
/// assert_eq!(policy.to_string(), "resource in organization from path {org} and scope read:orders and user");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy protects nothing until a route or a layer requires it"]
pub struct Policy {
    pub(super) tree: Node,
    pub(super) optional: bool,
    pub(super) hidden: bool,
    pub(super) shadow: Option<Shadow>,
    pub(super) fault: Option<ConfigError>,
}

impl Policy {
    pub(super) fn of(word: Word) -> Self {
        Self { tree: Node::Word(word), optional: false, hidden: false, shadow: None, fault: None }
    }

    /// A word that could not be made, as it was written.
    pub(super) fn faulty(written: impl AsRef<str>, fault: ConfigError) -> Self {
        Self { fault: Some(fault), ..Self::of(Word::Faulty(written.as_ref().into())) }
    }

    /// A condition, or what is wrong with it beside how it was written.
    pub(super) fn conditional(condition: Result<Condition, (String, ConfigError)>) -> Self {
        match condition {
            Ok(condition) => Self::of(Word::Condition(condition)),
            Err((written, fault)) => Self::faulty(written, fault),
        }
    }

    /// A word that stands, with the fault of its source, if that has one.
    pub(super) fn with_source(model: Model, source_fault: Option<ConfigError>) -> Self {
        Self { fault: source_fault, ..Self::of(Word::Model(model)) }
    }

    /// Requires both policies. The conditions of each apply to every clause of the other. Two models in one clause, or
    /// a contradiction, are a [`ConfigError`].
    ///
    /// Whether the result is optional is said by the side that has the model.
    pub fn and(mut self, mut other: Self) -> Self {
        let shadow = shadow::joined(&mut self, &mut other, true, Self::and);
        let optional = match (self.has_model(), other.has_model()) {
            (true, false) => self.optional,
            (false, true) => other.optional,
            _ => self.optional && other.optional,
        };
        self.joined(other, Node::and, optional).shadowed_by(shadow)
    }

    /// Requires one of the two policies; the leftmost clause that passes determines the organization.
    ///
    /// The result is optional if one of them is.
    pub fn or(mut self, mut other: Self) -> Self {
        let shadow = shadow::joined(&mut self, &mut other, false, Self::or);
        let optional = self.optional || other.optional;
        self.joined(other, Node::or, optional).shadowed_by(shadow)
    }

    fn joined(self, other: Self, join: fn(Node, Node) -> Node, optional: bool) -> Self {
        // The first fault is what is reported: nothing that comes later is looked at.
        if self.fault.is_some() {
            return self;
        }
        let hidden = self.hidden || other.hidden;
        let joined = Self { tree: join(self.tree, other.tree), optional, hidden, shadow: None, fault: other.fault };
        match joined.tree.check_depth() {
            Ok(()) => joined.checked(),
            // What is too deep is not kept: it would grow without end.
            Err(fault) => Self { tree: Node::Word(Word::Faulty("...".into())), ..joined }.fail(fault),
        }
    }

    /// Finds out whether the words contradict each other.
    pub(super) fn checked(mut self) -> Self {
        if self.fault.is_none() {
            self.fault = self.find_fault().err();
        }
        self
    }

    fn find_fault(&self) -> Result<(), ConfigError> {
        self.tree.check_depth()?;
        self.tree.clauses()?;
        if let Some(other) = self.beside() {
            other
                .find_fault()
                .and_then(|()| other.fault.clone().map_or(Ok(()), Err))
                .map_err(|fault| fault.at("shadow"))?;
        }
        self.check_names()
    }

    /// One name stands for one piece of code: the printed form would be ambiguous otherwise.
    fn check_names(&self) -> Result<(), ConfigError> {
        let (mut checks, mut details, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        self.all_words(&mut |word| match word {
            Word::Model(model) => sources.extend(model.any_source()),
            Word::Condition(Condition::Checks(more)) => checks.extend(&more.0),
            Word::Condition(Condition::Details(more)) => details.extend(&more.0),
            Word::Condition(Condition::Decisions(decisions)) => sources.extend(decisions.sources()),
            _ => {}
        });
        for (index, check) in checks.iter().enumerate() {
            let same_name = checks.iter().take(index).find(|other| other.name() == check.name());
            if same_name.is_some_and(|other| !other.is_same(check)) {
                let name = Quoted(check.name());
                return Err(ConfigError::new(format_args!("check {name}: two different checks have this name")));
            }
        }
        for (index, detail) in details.iter().enumerate() {
            let mut before = details.iter().take(index);
            let same_name = before.find(|other| other.is_called(&detail.kind, detail.check.name()));
            if same_name.is_some_and(|other| !other.check.is_same(&detail.check)) {
                return Err(ConfigError::new(format_args!("{detail}: two different checks have this type and name")));
            }
        }
        for (index, source) in sources.iter().enumerate() {
            if let Some(label) = sources.iter().take(index).find_map(|other| other.confused_with(source)) {
                let label = Quoted(label);
                return Err(ConfigError::new(format_args!("custom {label}: two different closures have this label")));
            }
        }
        Ok(())
    }

    pub(super) fn fail(mut self, fault: ConfigError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }

    pub(super) fn has_model(&self) -> bool {
        let mut has_model = false;
        self.tree.words(&mut |word| has_model |= matches!(word, Word::Model(_)));
        has_model
    }

    /// Requires a token for the API *within* the organization of the request: `organization_id` is present and names
    /// that organization.
    #[allow(clippy::needless_pass_by_value, reason = "as organization(source) takes it")]
    pub fn in_organization(self, source: RequestSource) -> Self {
        self.change_resource("in_organization", &source, |indicator| {
            Model::ResourceInOrganization(indicator, source.clone())
        })
    }

    /// States that the request is about this organization although the token does not name it. A request that passes
    /// gets it as [`Organization`](crate::Organization), for which this *policy* vouches and no issuer
    /// ([`provenance`](crate::Organization::provenance)).
    ///
    /// It belongs to `resource()`, whose tokens are for no organization, and to a condition that only staff meets:
    ///
    /// ```
    /// use orgate::policy::{organization, path, resource};
    ///
    /// let customers = organization(path("org")).scope("read:orders");
    /// let support = resource().scope("support").about(path("org"));
    /// assert_eq!(
    ///     customers.or(support).to_string(),
    ///     "(organization from path {org} and scope read:orders) or (resource about path {org} and scope support)"
    /// );
    /// ```
    ///
    /// A request that names no organization is rejected.
    #[allow(clippy::needless_pass_by_value, reason = "as organization(source) takes it")]
    pub fn about(self, source: RequestSource) -> Self {
        if source.is_any() {
            let fault = ConfigError::new("about(any_organization()): the token of resource() is for no organization");
            return self.fail(fault);
        }
        self.change_resource("about", &source, |indicator| Model::Resource { indicator, about: Some(source.clone()) })
    }

    /// Requires that the subject is a *member now* of the request's organization, according to the issuer entry's
    /// permission source. For clients that cannot request a token for an organization: MCP clients, third-party
    /// applications.
    ///
    /// The token is for this API, and for no organization or for the request's. Its scopes count only as far as the subject
    /// holds them in that organization through its client: what a token *for that organization* would hold. So it needs
    /// [`live`](super::live) or [`fresh_within`](super::fresh_within), and an entry with a
    /// [permission source](crate::Issuer::permissions).
    ///
    /// ```
    /// use std::time::Duration;
    /// use orgate::policy::{path, resource};
    ///
    /// let policy = resource().for_member_of(path("org")).scope("read:orders").fresh_within(Duration::from_secs(30));
    /// assert_eq!(
    ///     policy.to_string(),
    ///     "resource for member of organization from path {org} and scope read:orders and fresh within 30s"
    /// );
    /// ```
    ///
    /// A token that an actor uses (`act`) is rejected unless the policy says [`acting_allowed`](Self::acting_allowed).
    #[allow(clippy::needless_pass_by_value, reason = "as organization(source) takes it")]
    pub fn for_member_of(self, source: RequestSource) -> Self {
        if source.is_any() {
            let fault = ConfigError::new(
                "for_member_of(any_organization()): the request must name the organization, the token need not",
            );
            return self.fail(fault);
        }
        self.change_resource("for_member_of", &source, |indicator| Model::Member {
            indicator,
            source: source.clone(),
            acting_allowed: false,
        })
    }

    /// Accepts tokens that an actor uses for their subject (RFC 8693 section 4.1), which
    /// [`for_member_of`](Self::for_member_of) would otherwise reject. A check can inspect the actor.
    pub fn acting_allowed(mut self) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let mut has_member = false;
        self.tree.words_mut(&mut |word| {
            if let Word::Model(Model::Member { acting_allowed, .. }) = word {
                (*acting_allowed, has_member) = (true, true);
            }
        });
        if has_member { self } else { self.fail(ConfigError::new("acting_allowed() belongs to for_member_of(..)")) }
    }

    /// Changes `resource()` in every clause.
    fn change_resource(
        mut self,
        word: &str,
        source: &RequestSource,
        change: impl Fn(Option<std::sync::Arc<str>>) -> Model,
    ) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let plain = |clause: &Clause| match &clause.model {
            Some(Model::Resource { about: None, .. }) => None,
            Some(model) => Some(model.to_string()),
            None => Some("no model".to_owned()),
        };
        let found = self.tree.clauses().ok().and_then(|clauses| clauses.iter().find_map(plain));
        if let Some(found) = found {
            return self
                .fail(ConfigError::new(format_args!("{word}({source}) belongs to resource(), not to ({found})")));
        }
        self.tree.words_mut(&mut |word| {
            if let Word::Model(model) = word {
                *model = change(model.indicator().cloned());
            }
        });
        self.fault = source.fault().cloned();
        self.checked()
    }

    /// Turns every rejection that depends on the organization into the same 404, so that responses of this layer do not
    /// reveal whether an organization exists.
    ///
    /// A member whose token lacks a scope still gets 403: its token is for this organization already.
    pub fn hide_organization(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// Returns whether a request without a token passes.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional
    }
}

/// A faulty policy is marked, and no parser reads it.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_shadow_only() { "SHADOW ONLY " } else { "" })?;
        f.write_str(if self.optional { "optional " } else { "" })?;
        f.write_str(if self.hidden { "hidden " } else { "" })?;
        self.tree.fmt(f)?;
        self.beside().map_or(Ok(()), |other| write!(f, " shadow ({other})"))?;
        f.write_str(if self.fault.is_some() { " [faulty]" } else { "" })
    }
}

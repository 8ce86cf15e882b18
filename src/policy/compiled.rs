//! A policy without faults, as it is judged beside the issuers of a server.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::clause::Clause;
use super::code::Check;
use super::condition::Condition;
use super::describe::Description;
use super::described::describe;
use super::fit::{self, fits};
use super::model::{IssuerRule, Model};
use super::parse::MAX_TEXT;
use super::scopes::ScopeRule;
use super::step_up::step_up;
use super::value::Policy;
use crate::error::ConfigError;
use crate::issuer::IssuerRules;
use crate::organization::RequestSource;
use crate::rejection::StepUp;
use crate::scope::Scope;

/// The limit of questions to a decision point for one request.
const MAX_DECISIONS: usize = 8;
/// The most checks and closures of sources that are run for one request.
const MAX_USER_CODE: usize = 64;

/// A policy without faults: its multiplied form. It can only be made by [`CompiledPolicy::compile`].
#[derive(Debug)]
pub(crate) struct CompiledPolicy {
    pub(super) clauses: Box<[CompiledClause]>,
    policy: Policy,
    text: String,
    asks_decisions: bool,
    is_live: bool,
    shadow: Option<Box<Self>>,
}

/// What a policy and its shadow have in common: code of the application that both name runs once for a request.
#[derive(Default)]
struct Numbers {
    checks: Vec<Check>,
    labels: BTreeSet<String>,
    models: Vec<String>,
}

/// One clause, as it is judged.
#[derive(Debug)]
pub(super) struct CompiledClause {
    pub(super) clause: Clause,
    /// As it is printed.
    pub(super) text: Arc<str>,
    /// How many of its conditions come before the scopes.
    pub(super) early: usize,
    /// Which of the policy's models it has.
    pub(super) model: u8,
    /// How its user must have signed in.
    pub(super) step_up: Option<StepUp>,
}

impl CompiledPolicy {
    /// # Errors
    ///
    /// Returns a fault of the policy itself, or one that depends on this server's issuers.
    pub(crate) fn compile(policy: Policy, entries: &[&IssuerRules]) -> Result<Self, ConfigError> {
        Self::numbered(policy, entries, &mut Numbers::default())
    }

    fn numbered(mut policy: Policy, entries: &[&IssuerRules], numbers: &mut Numbers) -> Result<Self, ConfigError> {
        if let Some(fault) = policy.fault.take() {
            return Err(fault.at(format_args!("policy ({policy})")));
        }
        let text = policy.to_string();
        let clauses = compile(&policy, &text, entries, numbers).map_err(|fault| {
            let shown: String = text.chars().take(MAX_TEXT).collect();
            fault.at(format_args!("policy ({shown})"))
        })?;
        let shadow = policy.beside().cloned().map(|other| Self::numbered(other, entries, numbers));
        let shadow = shadow.transpose().map_err(|fault| fault.at("shadow"))?.map(Box::new);
        let mut conditions = clauses.iter().flat_map(|compiled| &compiled.clause.conditions);
        let asks_decisions = conditions.any(|condition| matches!(condition, Condition::Decisions(_)));
        let is_live = clauses.iter().any(|compiled| compiled.clause.freshness.is_asked());
        Ok(Self { clauses, policy, text, asks_decisions, is_live, shadow })
    }

    /// The policy that is judged beside this one.
    pub(crate) fn shadow(&self) -> Option<&Self> {
        self.shadow.as_deref()
    }

    /// Whether nothing is enforced.
    pub(crate) fn is_shadow_only(&self) -> bool {
        self.policy.is_shadow_only()
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.policy.optional
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.policy.hidden
    }

    /// The policy as it is printed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A clause as it is printed.
    pub(crate) fn clause_text(&self, index: usize) -> Option<&Arc<str>> {
        self.clauses.get(index).map(|clause| &clause.text)
    }

    /// The policy as data, with the clauses as they are judged beside this server's issuers.
    pub(crate) fn describe(&self) -> Description {
        let mut description = describe(&self.policy, self.clauses.iter().map(|compiled| &compiled.clause));
        description.shadow = self.shadow().map(|shadow| Box::new(shadow.describe()));
        description
    }

    /// The path parameters that every route with this policy must have.
    #[cfg(feature = "axum")]
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.sources().filter_map(RequestSource::path_parameter)
    }

    /// Where it reads what the request is about, its shadow too.
    fn sources(&self) -> impl Iterator<Item = &RequestSource> {
        let clauses = self.clauses.iter().chain(self.shadow().into_iter().flat_map(|shadow| &shadow.clauses));
        clauses.flat_map(|compiled| sources(&compiled.clause))
    }

    /// What a token should hold, by the first clause: a client that has none asks for it.
    pub(crate) fn first_scopes(&self) -> Vec<Scope> {
        self.clauses.first().map(|compiled| compiled.clause.required_scopes()).unwrap_or_default()
    }

    /// Every scope that is named, with repetitions.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.clauses.iter().flat_map(|compiled| &compiled.clause.scopes).flat_map(ScopeRule::scopes)
    }

    /// The resources that a token may be for, in the order of the clauses: none for a clause whose tokens are for something
    /// else.
    pub(crate) fn indicators(&self, entries: &[&IssuerRules]) -> Vec<Arc<str>> {
        let mut indicators: Vec<Arc<str>> = Vec::new();
        for CompiledClause { clause, .. } in &self.clauses {
            let of_clause: Vec<&Arc<str>> = match &clause.model {
                None | Some(Model::Authenticated | Model::Organization(_)) => Vec::new(),
                Some(model) => match model.indicator() {
                    Some(indicator) => vec![indicator],
                    None => fit::eligible(clause, entries).filter_map(|rules| rules.resources.first()).collect(),
                },
            };
            for indicator in of_clause {
                if !indicators.contains(indicator) {
                    indicators.push(indicator.clone());
                }
            }
        }
        indicators
    }

    /// Whether a clause is about the resource of whatever issuer entry the token is from, also of one that comes later.
    pub(crate) fn takes_any_issuer(&self) -> bool {
        self.clauses.iter().any(|CompiledClause { clause, .. }| {
            let is_any = matches!(clause.issuer, Some(IssuerRule::Any));
            let own = |model: &Model| !matches!(model, Model::Authenticated | Model::Organization(_));
            is_any && clause.model.as_ref().is_some_and(|model| own(model) && model.indicator().is_none())
        })
    }

    /// The arguments of a tool that it reads.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sources().filter_map(RequestSource::argument)
    }

    /// Whether a decision point is asked.
    pub(crate) fn asks_decisions(&self) -> bool {
        self.asks_decisions
    }

    /// Whether permissions must be fresh.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }
}

fn compile(
    policy: &Policy,
    text: &str,
    entries: &[&IssuerRules],
    numbers: &mut Numbers,
) -> Result<Box<[CompiledClause]>, ConfigError> {
    if text.len() > MAX_TEXT {
        return Err(ConfigError::new(format_args!("a policy of more than {MAX_TEXT} bytes")));
    }
    let mut clauses = policy.tree.clauses()?;
    for clause in &mut clauses {
        fits(clause, entries)?;
        // A clause that says nothing means the one entry that there is now, whatever comes to stand beside it.
        if let (None, [only]) = (&clause.issuer, entries) {
            clause.issuer = Some(IssuerRule::Only(only.name.clone(), only.entry.issuer));
        }
    }
    fit::check_decisions(&clauses, MAX_DECISIONS)?;
    numbers.number_checks(&mut clauses)?;
    if policy.hidden && clauses.iter().all(|clause| clause.model.as_ref().and_then(Model::source).is_none()) {
        return Err(ConfigError::new("hide_organization, but no clause has an organization"));
    }
    let compiled = clauses.iter().map(|clause| CompiledClause {
        text: clause.to_string().into(),
        early: clause.conditions.iter().filter(|condition| condition.is_before_scopes()).count(),
        model: numbers.number_model(clause),
        step_up: step_up(&clause.conditions),
        clause: clause.clone(),
    });
    Ok(compiled.collect())
}

fn printed_model(clause: &Clause) -> String {
    clause.model.as_ref().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn sources(clause: &Clause) -> impl Iterator<Item = &RequestSource> {
    let of_model = clause.model.as_ref().and_then(Model::any_source);
    let of_decisions = clause.conditions.iter().filter_map(|condition| match condition {
        Condition::Decisions(decisions) => Some(decisions.sources()),
        _ => None,
    });
    of_model.into_iter().chain(of_decisions.flatten())
}

impl Numbers {
    fn number_model(&mut self, clause: &Clause) -> u8 {
        let model = printed_model(clause);
        let index = self.models.iter().position(|known| *known == model).unwrap_or_else(|| {
            self.models.push(model);
            self.models.len() - 1
        });
        // At most as many as there are clauses.
        u8::try_from(index).unwrap_or(u8::MAX)
    }

    /// Gives each written check a number of its own, and counts the closures of sources too.
    fn number_checks(&mut self, clauses: &mut [Clause]) -> Result<(), ConfigError> {
        let custom = clauses.iter().flat_map(sources).filter(|source| source.is_custom());
        self.labels.extend(custom.map(ToString::to_string));
        for condition in clauses.iter_mut().flat_map(|clause| &mut clause.conditions) {
            let checks: Vec<&mut Check> = match condition {
                Condition::Checks(checks) => checks.0.iter_mut().collect(),
                Condition::Details(details) => details.0.iter_mut().map(|detail| &mut detail.check).collect(),
                _ => continue,
            };
            for check in checks {
                let index = self.checks.iter().position(|other| other.is_same(check)).unwrap_or_else(|| {
                    self.checks.push(check.clone());
                    self.checks.len() - 1
                });
                check.index = u8::try_from(index).unwrap_or(u8::MAX);
            }
        }
        if self.checks.len() + self.labels.len() > MAX_USER_CODE {
            return Err(ConfigError::new(format_args!("more than {MAX_USER_CODE} checks and closures of sources")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        all_of, any_of, any_organization, authenticated, claim, custom, header, machine, optional, organization, path,
        resource, resource_at, scope, user,
    };
    use super::*;
    use crate::issuer::IssuerRules;

    fn compiled(policy: Policy, entries: &[&str]) -> Result<CompiledPolicy, String> {
        let entries: Vec<_> = entries.iter().map(|name| IssuerRules::for_tests(name)).collect();
        CompiledPolicy::compile(policy, &entries.iter().collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn faults_surface_with_the_policy_and_the_value() {
        let none: [&str; 0] = [];
        for (policy, expected) in [
            (resource().all_of(none), "empty list"),
            (resource().any_of(none), "empty list"),
            (resource().scope("a b"), "\"a b\""),
            (scope("a"), "does not say what the token is for"),
            (resource().or(any_of(["a", "b"])), "does not say what the token is for"),
            (authenticated().scope("a"), "`authenticated`"),
            (resource().and(organization(path("org"))), "a token is for one of them"),
            (resource().scope("a").and(resource()), "the model is stated twice"),
            (organization(path("a")).and(organization(header("b"))), "a token is for one of them"),
            (resource().user().machine(), "contradict"),
            (resource().and(user()).and(machine()), "contradict"),
            (resource().claim("a", "x").claim("a", "y"), "\"a\""),
            (resource().claim("a", 1).claim("a", true), "\"a\""),
            (resource().issued_by("a").issued_by("b"), "contradict"),
            (resource().issued_by("nobody"), "names no issuer entry"),
            (resource_at("https://other.example"), "https://other.example"),
            (organization(path("org")).in_organization(path("org")), "in_organization"),
            (scope("a").in_organization(path("org")), "in_organization"),
            (organization(path("")), "path(\"\")"),
            (resource().in_organization(header("a b")), "a b"),
            (resource().hide_organization(), "hide_organization"),
            (resource().claim("", "x"), "claim(\"\")"),
            (resource().check("", |_| true), "check(\"\")"),
            (organization(custom("", |_| None)), "custom(\"\")"),
            (resource().or(resource().scope("")), "\"\""),
        ] {
            let error = compiled(policy, &["main"]).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn several_issuers_must_be_named() {
        assert!(compiled(resource(), &["a", "b"]).unwrap_err().contains("issued by NAME"));
        assert!(
            compiled(resource().issued_by("a").or(resource()), &["a", "b"]).unwrap_err().contains("issued by NAME")
        );
        assert!(compiled(resource().issued_by("b"), &["a", "b"]).is_ok());
        assert!(compiled(resource().any_issuer(), &["a", "b"]).is_ok());
        assert!(compiled(resource(), &["a"]).is_ok());
    }

    #[test]
    fn clauses_do_not_explode() {
        let wide = |names: &[&str]| names.iter().map(|name| scope(name)).reduce(Policy::or).unwrap();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert!(compiled(resource().and(wide(&names)).and(wide(&names)), &["main"]).unwrap_err().contains("clauses"));
        assert_eq!(
            compiled(resource().and(wide(&names[..8])).and(wide(&names[..8])), &["main"]).unwrap().clauses.len(),
            64
        );
    }

    #[test]
    fn printed_as_written() {
        for (policy, expected) in [
            (resource().scope("a"), "resource and scope a"),
            (
                optional(resource_at("https://api.example.com").user()),
                "optional resource https://api.example.com and user",
            ),
            (optional(resource()).scope("a"), "optional resource and scope a"),
            (user().and(optional(resource())), "optional user and resource"),
            (optional(user()).and(resource()), "user and resource"),
            (
                organization(any_organization()).all_of(["a", "b"]).hide_organization(),
                "hidden any organization and all of [a b]",
            ),
            (resource().and(scope("a").or(claim("plan", "pro"))), "resource and (scope a or claim plan = \"pro\")"),
            (
                resource().any_issuer().and(all_of(["x"])).and(machine()),
                "resource and any issuer and scope x and machine",
            ),
        ] {
            assert_eq!(policy.to_string(), expected);
        }
    }
}

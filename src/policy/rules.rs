//! A policy, checked against the server that it is for, and ready to decide.

use super::alternative::{Alternative, IssuerRule, Model};
use super::value::Policy;
use crate::error::ConfigError;
use crate::issuer::IssuerRules;
use std::sync::Arc;

/// Each may be a wait of its own.
const MOST_QUESTIONS: usize = 8;

/// A policy without faults. It can only be made by [`Rules::compile`].
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) branches: Vec<Branch>,
    pub(super) hide_organization: bool,
    optional: bool,
    text: String,
}

/// One branch, as it is judged.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) alternative: Alternative,
    /// As it is printed.
    pub(super) text: Arc<str>,
}

impl Rules {
    /// # Errors
    ///
    /// The policy's own fault, or one that shows only beside this server's issuers.
    pub(crate) fn compile(mut policy: Policy, entries: &[&IssuerRules]) -> Result<Self, ConfigError> {
        if let Some(fault) = policy.fault.take() {
            return Err(fault.at(format_args!("policy ({policy})")));
        }
        let text = policy.to_string();
        for alternative in &mut policy.alternatives {
            check(alternative, entries).map_err(|fault| fault.at(format_args!("policy ({text})")))?;
            // A branch that says nothing means the one entry that there is now, whatever comes to stand beside it.
            if let (None, [only]) = (&alternative.issuer, entries) {
                alternative.issuer = Some(IssuerRule::Named(only.name.clone()));
            }
        }
        let questions: usize = policy.alternatives.iter().map(|alternative| alternative.questions.len()).sum();
        if questions > MOST_QUESTIONS {
            return Err(ConfigError::new(format_args!("policy ({text}): more than {MOST_QUESTIONS} decisions")));
        }
        let has_source = policy.alternatives.iter().any(|alternative| source(alternative).is_some());
        if policy.hide_organization && !has_source {
            return Err(ConfigError::new(format_args!(
                "policy ({text}): hide_organization, but no branch has an organization"
            )));
        }
        Ok(Self {
            branches: policy.alternatives.into_iter().map(Branch::new).collect(),
            hide_organization: policy.hide_organization,
            optional: policy.optional,
            text,
        })
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }

    /// The policy as it is printed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The path parameters that every route with this policy must have.
    #[cfg(feature = "axum")]
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &str> {
        let sources = self.branches.iter().flat_map(|branch| {
            let questions = branch.alternative.questions.iter().map(|question| &question.id);
            source(&branch.alternative).into_iter().chain(questions)
        });
        sources.filter_map(|source| source.path_parameter())
    }

    /// Whether a decision point is asked.
    pub(crate) fn asks_decisions(&self) -> bool {
        self.branches.iter().any(|branch| !branch.alternative.questions.is_empty())
    }

    /// Whether permissions must be fresh.
    pub(crate) fn is_live(&self) -> bool {
        self.branches.iter().any(|branch| branch.alternative.live.is_asked())
    }
}

impl Branch {
    fn new(alternative: Alternative) -> Self {
        Self { text: alternative.to_string().into(), alternative }
    }
}

fn source(alternative: &Alternative) -> Option<&crate::organization::RequestSource> {
    alternative.model.as_ref().and_then(Model::source)
}

fn check(alternative: &Alternative, entries: &[&IssuerRules]) -> Result<(), ConfigError> {
    let Some(model) = &alternative.model else {
        return Err(ConfigError::new(format_args!(
            "a branch ({alternative}) does not say what the token is for: begin with resource(), organization(..) or authenticated()"
        )));
    };
    if matches!(model, Model::Authenticated) && !alternative.scopes.is_empty() {
        return Err(ConfigError::new(
            "authenticated() takes tokens for anything here, so its scopes could be for anything: use resource() or organization(..)",
        ));
    }
    let eligible = |rules: &&&IssuerRules| match &alternative.issuer {
        Some(IssuerRule::Named(name)) => rules.name == *name,
        Some(IssuerRule::Any) | None => true,
    };
    if entries.iter().find(eligible).is_none() {
        let known: Vec<&str> = entries.iter().map(|rules| &*rules.name).collect();
        return Err(ConfigError::new(format_args!(
            "a branch ({alternative}) names no issuer entry of this server, which are {known:?}"
        )));
    }
    if alternative.issuer.is_none() && entries.len() > 1 {
        return Err(ConfigError::new(format_args!(
            "this server has {} issuer entries, and the same id means another organization or subject in each: say issued_by(name) or any_issuer()",
            entries.len()
        )));
    }
    if alternative.questions.is_empty() && alternative.remember.is_some() {
        return Err(ConfigError::new(format_args!("a branch ({alternative}) says how to decide, and asks nothing")));
    }
    check_live(alternative, model, entries.iter().filter(eligible))?;
    if let Some(indicator) = model.indicator() {
        let known = entries.iter().filter(eligible).any(|rules| rules.has_resource(indicator));
        if !known {
            return Err(ConfigError::new(format_args!("{indicator:?} is not a resource indicator of this server")));
        }
    }
    Ok(())
}

fn check_live<'a>(
    alternative: &Alternative,
    model: &Model,
    mut entries: impl Iterator<Item = &'a &'a IssuerRules>,
) -> Result<(), ConfigError> {
    alternative.live.check()?;
    if !alternative.live.is_asked() {
        return Ok(());
    }
    if matches!(model, Model::Authenticated) {
        return Err(ConfigError::new(
            "authenticated() takes tokens for anything here, so there is no telling which permissions should be fresh",
        ));
    }
    match entries.find(|rules| !rules.has_permissions) {
        None => Ok(()),
        Some(rules) => Err(ConfigError::new(format_args!(
            "a branch ({alternative}) asks for fresh permissions, and issuer {:?} has no source of them: see Issuer::permissions",
            rules.name
        ))),
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

    fn compiled(policy: Policy, entries: &[&str]) -> Result<Rules, String> {
        let entries: Vec<_> = entries.iter().map(|name| IssuerRules::for_tests(name)).collect();
        Rules::compile(policy, &entries.iter().collect::<Vec<_>>()).map_err(|error| error.to_string())
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
            (authenticated().scope("a"), "authenticated()"),
            (resource().and(organization(path("org"))), "a token is for one of them"),
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
        assert!(compiled(resource(), &["a", "b"]).unwrap_err().contains("issued_by"));
        assert!(compiled(resource().issued_by("a").or(resource()), &["a", "b"]).unwrap_err().contains("issued_by"));
        assert!(compiled(resource().issued_by("b"), &["a", "b"]).is_ok());
        assert!(compiled(resource().any_issuer(), &["a", "b"]).is_ok());
        assert!(compiled(resource(), &["a"]).is_ok());
    }

    #[test]
    fn branches_do_not_explode() {
        let wide = |names: &[&str]| names.iter().map(|name| scope(name)).reduce(Policy::or).unwrap();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert!(compiled(resource().and(wide(&names)).and(wide(&names)), &["main"]).unwrap_err().contains("branches"));
        assert_eq!(
            compiled(resource().and(wide(&names[..8])).and(wide(&names[..8])), &["main"]).unwrap().branches.len(),
            64
        );
    }

    #[test]
    fn printed_as_judged() {
        for (policy, expected) in [
            (resource().scope("a"), "resource and scope a"),
            (
                optional(resource_at("https://api.example.com").user()),
                "optional: resource https://api.example.com and user",
            ),
            (optional(resource()).scope("a"), "optional: resource and scope a"),
            (user().and(optional(resource())), "optional: resource and user"),
            (optional(user()).and(resource()), "resource and user"),
            (
                organization(any_organization()).all_of(["a", "b"]).hide_organization(),
                "organization from token and all of [a b], organization hidden",
            ),
            (
                resource().and(scope("a").or(claim("plan", "pro"))),
                "(resource and scope a) or (resource and claim plan = \"pro\")",
            ),
            (
                resource().any_issuer().and(all_of(["x"])).and(machine()),
                "resource and any issuer and machine and scope x",
            ),
        ] {
            assert_eq!(policy.to_string(), expected);
        }
    }
}

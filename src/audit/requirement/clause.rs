//! One clause of a policy, beside one tenant.

use super::route::Api;
use super::words::{Condition, SENDER_CONSTRAINED, condition};
use crate::audit::catalog::{Catalog, Domain};
use crate::audit::error::AuditError;
use crate::audit::tenant::SubjectType;
use crate::name::Name;
use crate::policy::{ClauseDescription, IssuerDescription, ModelDescription, ScopesDescription};

/// Which token a clause takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Reach {
    /// Any that the server serves; whether a subject without an organization can have one.
    Any { without_organization: bool },
    /// Of this API resource, for no organization.
    Resource(usize),
    /// An organization token.
    Organization,
    /// Of this API resource, within an organization.
    InOrganization(usize),
    /// Of this API resource, by what the permission source says of the organization.
    Member(usize),
    /// None that the tenant issues, and why.
    Nothing(String),
}

/// At least one of these scopes, each with its number if the tenant defines it.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Rule(pub(in crate::audit) Vec<(String, Option<usize>)>);

#[derive(Clone, Debug)]
pub(in crate::audit) struct Clause {
    /// As it is printed.
    pub(in crate::audit) text: String,
    pub(in crate::audit) reach: Reach,
    /// The subjects that it takes; none: all.
    pub(in crate::audit) subjects: Option<SubjectType>,
    pub(in crate::audit) clients: Option<Vec<String>>,
    pub(in crate::audit) rules: Vec<Rule>,
    /// What no role decides, in words.
    pub(in crate::audit) conditions: Vec<String>,
    /// An indicator that the policy names and the tenant does not register.
    pub(in crate::audit) unregistered: Option<String>,
}

impl Reach {
    /// Whose permissions the scopes are.
    pub(in crate::audit) const fn domain(&self) -> Option<Domain> {
        match self {
            Self::Resource(resource) | Self::InOrganization(resource) | Self::Member(resource) => {
                Some(Domain::Resource(*resource))
            }
            Self::Organization => Some(Domain::Organization),
            Self::Any { .. } | Self::Nothing(_) => None,
        }
    }

    /// Whether only members of the request's organization pass.
    pub(in crate::audit) const fn needs_membership(&self) -> bool {
        match self {
            Self::Organization | Self::InOrganization(_) | Self::Member(_) => true,
            Self::Any { without_organization } => !*without_organization,
            Self::Resource(_) | Self::Nothing(_) => false,
        }
    }
}

impl Rule {
    /// As it is written in a cell: a scope, or a choice of scopes.
    pub(in crate::audit) fn words(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|(name, _)| Name(name).to_string()).collect();
        match &*names {
            [only] => only.clone(),
            several => format!("one of [{}]", several.join(" ")),
        }
    }
}

impl Clause {
    pub(super) fn of(description: &ClauseDescription, api: &Api, catalog: &Catalog) -> Result<Self, AuditError> {
        let (reach, unregistered) = reach(description, api, catalog)?;
        let rules = rules(&description.scopes, reach.domain(), catalog);
        let mut clause = Self {
            text: description.text.clone(),
            reach,
            subjects: None,
            clients: None,
            rules,
            conditions: Vec::new(),
            unregistered,
        };
        if api.sender_constrained {
            clause.conditions.push(SENDER_CONSTRAINED.to_owned());
        }
        for description in &description.conditions {
            match condition(description) {
                Condition::Kind(subjects) => clause.subjects = Some(subjects),
                Condition::Clients(ids) => clause.clients = Some(ids),
                Condition::Else(words) if clause.conditions.contains(&words) => {}
                Condition::Else(words) => clause.conditions.push(words),
            }
        }
        Ok(clause)
    }
}

/// All of several scopes are as many rules.
fn rules(scopes: &[ScopesDescription], domain: Option<Domain>, catalog: &Catalog) -> Vec<Rule> {
    let number = |name: &String| (name.clone(), domain.and_then(|domain| catalog.permission(domain, name)));
    let mut rules: Vec<Rule> = Vec::new();
    for description in scopes {
        match description {
            ScopesDescription::All(names) => rules.extend(names.iter().map(|name| Rule(vec![number(name)]))),
            ScopesDescription::Any(names) => rules.push(Rule(names.iter().map(number).collect())),
        }
    }
    rules
}

fn reach(clause: &ClauseDescription, api: &Api, catalog: &Catalog) -> Result<(Reach, Option<String>), AuditError> {
    let Some(model) = &clause.model else {
        return Err(AuditError::new(format_args!("clause ({}): it does not say what the token is for", clause.text)));
    };
    if !api.is_trusted {
        let why = format!("the server of the route takes no tokens of issuer {}", Name(&api.issuer));
        return Ok((Reach::Nothing(why), None));
    }
    match &clause.issuer {
        Some(IssuerDescription::Named(name)) if *name != api.issuer => {
            return Ok((Reach::Nothing(format!("the route takes tokens of issuer {}", Name(name))), None));
        }
        None if api.issuers > 1 => {
            return Err(AuditError::new(format_args!(
                "clause ({}): this server has {} issuers: add `issued by NAME` or `any issuer`",
                clause.text, api.issuers
            )));
        }
        Some(IssuerDescription::Any | IssuerDescription::Named(_)) | None => {}
    }
    let resource = |indicator: &Option<String>, reach: fn(usize) -> Reach| {
        let indicator = indicator.as_ref().or_else(|| api.resources.first());
        let Some(indicator) = indicator.filter(|indicator| api.resources.contains(indicator)) else {
            return (Reach::Nothing("the issuer does not speak for the resource of the route".to_owned()), None);
        };
        match catalog.resource(indicator) {
            Some(number) => (reach(number), None),
            None => (
                Reach::Nothing(format!("resource {} is not registered in the tenant", Name(indicator))),
                Some(indicator.clone()),
            ),
        }
    };
    Ok(match model {
        ModelDescription::Resource { indicator, .. } => resource(indicator, Reach::Resource),
        ModelDescription::ResourceInOrganization { indicator, .. } => resource(indicator, Reach::InOrganization),
        ModelDescription::Member { indicator, .. } => resource(indicator, Reach::Member),
        ModelDescription::Organization { .. } if api.organization_tokens => (Reach::Organization, None),
        ModelDescription::Organization { .. } => {
            (Reach::Nothing("the issuer entry accepts no organization tokens".to_owned()), None)
        }
        ModelDescription::Authenticated if !clause.scopes.is_empty() => {
            return Err(AuditError::new(format_args!("clause ({}): its scopes could be for anything", clause.text)));
        }
        ModelDescription::Authenticated => {
            let registered = api.resources.iter().any(|indicator| catalog.resource(indicator).is_some());
            if registered || api.organization_tokens {
                (Reach::Any { without_organization: registered }, None)
            } else {
                (Reach::Nothing("no resource of the server is registered in the tenant".to_owned()), None)
            }
        }
    })
}

//! One route, beside one tenant.

use super::clause::Clause;
use crate::audit::catalog::Catalog;
use crate::audit::error::AuditError;
use crate::audit::report::RouteAccess;
use crate::name::Visible;
use crate::policy::{Description, ScopesDescription};
use crate::route::{Access, RouteDescription};
use crate::scope::ScopeTexts;

/// What one server says of the issuer whose tenant is audited.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Api {
    /// The name of the entry.
    pub(in crate::audit) issuer: String,
    /// Whether the server has such an entry.
    pub(in crate::audit) is_trusted: bool,
    /// How many entries the server has.
    pub(in crate::audit) issuers: usize,
    /// The resource indicators that its tokens may name; the first one is "this API".
    pub(in crate::audit) resources: Vec<String>,
    /// Whether its tokens may be for an organization.
    pub(in crate::audit) organization_tokens: bool,
    /// Whether every route takes bound tokens only.
    pub(in crate::audit) sender_constrained: bool,
    /// What scopes permit, in words.
    pub(in crate::audit) scopes: ScopeTexts,
}

#[derive(Clone, Debug)]
pub(in crate::audit) struct Route {
    pub(in crate::audit) methods: Vec<String>,
    pub(in crate::audit) path: Option<String>,
    /// What is called there, where one path has several policies.
    pub(in crate::audit) operation: Option<String>,
    pub(in crate::audit) access: RouteAccess,
    /// As it is printed.
    pub(in crate::audit) policy: String,
    /// The scopes that the policy names, each once.
    pub(in crate::audit) scopes: Vec<String>,
    /// Another policy that is judged and not enforced, as it is printed.
    pub(in crate::audit) beside: Option<String>,
    pub(in crate::audit) clauses: Vec<Clause>,
}

impl Route {
    pub(in crate::audit) fn of(
        description: &RouteDescription,
        api: &Api,
        catalog: &Catalog,
    ) -> Result<Self, AuditError> {
        let (mut beside, mut scopes) = (None, Vec::new());
        let (access, clauses) = match &description.access {
            Access::Public => (RouteAccess::Public, Vec::new()),
            Access::PublicRouter => (RouteAccess::PublicRouter, Vec::new()),
            Access::Policy(policy) => {
                if let Some(fault) = &policy.fault {
                    return Err(AuditError::new(format_args!("policy ({}): {fault}", policy.text)));
                }
                let clauses = policy.clauses.iter().map(|clause| Clause::of(clause, api, catalog));
                let access = match (policy.shadow_only, policy.optional) {
                    (true, _) => RouteAccess::ShadowOnly,
                    (false, true) => RouteAccess::Optional,
                    (false, false) => RouteAccess::Policy,
                };
                beside = policy.shadow.as_ref().map(|other| other.text.clone());
                scopes = named_scopes(policy);
                (access, clauses.collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Self {
            methods: description.methods.clone(),
            path: description.path.clone(),
            operation: description.operation.clone(),
            access,
            policy: description.access.to_string(),
            scopes,
            beside,
            clauses,
        })
    }

    /// Methods, path and operation, as a rule and a message name the route.
    pub(in crate::audit) fn label(&self) -> String {
        label(&self.methods, self.path.as_deref(), self.operation.as_deref(), self.access)
    }
}

pub(in crate::audit) fn label(
    methods: &[String],
    path: Option<&str>,
    operation: Option<&str>,
    access: RouteAccess,
) -> String {
    let methods = if methods.is_empty() { "*".to_owned() } else { methods.join(",") };
    let below = if access == RouteAccess::PublicRouter { "/**" } else { "" };
    let operation = operation.map(|operation| format!(" {}", Visible(operation))).unwrap_or_default();
    format!("{methods} {}{below}{operation}", Visible(path.unwrap_or("(fallback)")))
}

fn named_scopes(policy: &Description) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for description in policy.clauses.iter().flat_map(|clause| &clause.scopes) {
        let (ScopesDescription::All(scopes) | ScopesDescription::Any(scopes)) = description;
        for scope in scopes {
            if !named.contains(scope) {
                named.push(scope.clone());
            }
        }
    }
    named
}

//! The result of an audit, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::AuditError;
use super::findings::Finding;
use super::requirement::label;
use super::tenant::{RoleLevel, SubjectType};
use super::verdict::Verdict;
use crate::name::Visible;

/// The version of the serialized form.
pub(super) const VERSION: u32 = 1;

/// The matrix of an audit and its findings. Names of fields and variants are stable in the serialized form; new ones may come.
///
/// ```no_run
/// use orgate::audit::Report;
/// use orgate::Guard;
///
/// # async fn example(guard: Guard, tenant: orgate::audit::Tenant) -> Result<(), Box<dyn std::error::Error>> {
/// let audit = guard.audit(&tenant).await?;
/// let reviewed = Report::from_json(&std::fs::read_to_string("audit.json")?)?;
/// for change in reviewed.diff(audit.report()).gained() {
///     println!("{change:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The name of the issuer entry whose tenant it is.
    pub issuer: String,
    /// The columns: global roles, then organization roles, in the tenant's order.
    pub roles: Vec<RoleSummary>,
    /// The rows, in the order of the routes.
    pub routes: Vec<RouteSummary>,
    /// What each scope of the routes permits, from [`Builder::scopes`](crate::server::Builder::scopes). Empty without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, String>,
    /// What does not fit, the worst first.
    pub findings: Vec<Finding>,
}

/// A role: a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleSummary {
    /// Its name.
    pub name: String,
    /// Where it is held.
    pub level: RoleLevel,
    /// Whom it is for.
    #[serde(rename = "type")]
    pub subjects: SubjectType,
}

/// How a route can be called, apart from roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouteAccess {
    /// Those who meet the policy.
    Policy,
    /// Those who meet the policy, and those without a token.
    Optional,
    /// Everybody: the policy is judged and not enforced.
    ShadowOnly,
    /// Everybody.
    Public,
    /// Everybody, and everything below the path.
    PublicRouter,
}

/// A route: a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteSummary {
    /// The methods; none stands for every method that has no route of its own on the path.
    pub methods: Vec<String>,
    /// The path; none for the fallback.
    pub path: Option<String>,
    /// What is called there, where one path has several policies: `tools/call delete_all` of an MCP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Who may ask, as far as no role decides it.
    pub access: RouteAccess,
    /// The policy as it is printed.
    pub policy: String,
    /// The scopes that the policy names, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The different verdicts of the row.
    pub verdicts: Vec<Verdict>,
    /// For each role the number of its verdict.
    pub cells: Vec<usize>,
    /// The number of the verdict of a user without a role.
    pub user: usize,
    /// The number of the verdict of a machine without a role.
    pub machine: usize,
    /// The smallest sets of two and three roles that suffice together where none of them does alone, or only under more
    /// conditions.
    pub combinations: Vec<Combination>,
    /// Whether there are more such sets than are listed.
    pub more_combinations: bool,
}

/// Roles that suffice together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Combination {
    /// The numbers of the roles.
    pub roles: Vec<usize>,
    /// What they open together.
    pub verdict: Verdict,
}

impl Report {
    /// Reads a report that [`to_json`](Self::to_json) wrote, to compare another one with it.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is no such report.
    pub fn from_json(text: &str) -> Result<Self, AuditError> {
        let report: Self =
            serde_json::from_str(text).map_err(|error| AuditError::new(format_args!("report: {error}")))?;
        if report.version != VERSION {
            return Err(AuditError::new(format_args!("report of version {}, not {VERSION}", report.version)));
        }
        let is_whole = |route: &RouteSummary| {
            let mut numbers = route.cells.iter().chain([&route.user, &route.machine]);
            let mut roles = route.combinations.iter().flat_map(|combination| &combination.roles);
            route.cells.len() == report.roles.len()
                && numbers.all(|number| *number < route.verdicts.len())
                && roles.all(|role| *role < report.roles.len())
        };
        match report.routes.iter().find(|route| !is_whole(route)) {
            None => Ok(report),
            Some(route) => Err(AuditError::new(format_args!("report: the row of {} is not whole", route.label()))),
        }
    }

    /// Returns the report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Returns the verdict of a role about a route, by their numbers.
    #[must_use]
    pub fn verdict(&self, route: usize, role: usize) -> Option<&Verdict> {
        let route = self.routes.get(route)?;
        route.verdicts.get(*route.cells.get(role)?)
    }

    /// Returns the number of the route that answers this method at this path, both as they are in the table:
    /// `route("GET", "/orgs/{org}/orders")`, and with what is called there `route("POST", "/mcp tools/call delete_all")`.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<usize> {
        let position = |has_method: &dyn Fn(&RouteSummary) -> bool| {
            self.routes.iter().position(|route| route.is_at(path) && has_method(route))
        };
        let answers = |method: &str| position(&|route| route.methods.iter().any(|known| known == method));
        // `GET` answers `HEAD` too, and a route without methods those that are left.
        let head = || answers("GET").filter(|_| method == "HEAD");
        let rest = || position(&|route| route.methods.is_empty());
        answers(method).or_else(head).or_else(rest)
    }

    /// Returns the number of a role.
    #[must_use]
    pub fn role(&self, level: RoleLevel, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.level == level && role.name == name)
    }
}

impl RouteAccess {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Optional => "optional",
            Self::ShadowOnly => "shadow_only",
            Self::Public => "public",
            Self::PublicRouter => "public_router",
        }
    }
}

impl RoleSummary {
    /// Returns the name as a heading: with `org` in front for a role of organizations, `(machine)` behind for one of machines.
    #[must_use]
    pub fn label(&self) -> String {
        let name = Visible(&self.name);
        let level = if self.level == RoleLevel::Organization { "org " } else { "" };
        let subjects = if self.subjects == SubjectType::Machine { " (machine)" } else { "" };
        format!("{level}{name}{subjects}")
    }
}

impl RouteSummary {
    /// Returns methods and path in one string, and what is called there: `GET /orders`, `POST /mcp tools/call delete_all`.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.methods, self.path.as_deref(), self.operation.as_deref(), self.access)
    }

    /// Whether it is at this path, which may name what is called there too.
    fn is_at(&self, path: &str) -> bool {
        let own = self.path.as_deref();
        match &self.operation {
            None => own == Some(path),
            Some(operation) => {
                let rest = own.and_then(|own| path.strip_prefix(own));
                rest.and_then(|rest| rest.strip_prefix(' ')) == Some(operation)
            }
        }
    }

    /// Returns the verdict of a user without a role.
    #[must_use]
    pub fn any_user(&self) -> Option<&Verdict> {
        self.verdicts.get(self.user)
    }

    /// Returns the verdict of a machine without a role.
    #[must_use]
    pub fn any_machine(&self) -> Option<&Verdict> {
        self.verdicts.get(self.machine)
    }
}

//! An audit: the report, and what is needed to ask more of it.

use std::collections::HashMap;
use std::fmt;

use super::catalog::{Bits, Catalog};
use super::error::AuditError;
use super::findings::{Scene, find};
use super::holder::Holder;
use super::report::{Combination, Report, RoleSummary, RouteSummary, VERSION};
use super::requirement::{Api, Route};
use super::tenant::{RoleLevel, SubjectType, Tenant};
use super::verdict::Verdict;
use crate::route::RouteDescription;

/// The routes of an API compared with the roles of a tenant. Made by [`Guard::audit`](crate::Guard::audit) or
/// [`ResourceServer::audit`](crate::ResourceServer::audit).
///
/// [`report`](Self::report) is the matrix with its findings. [`check`](Self::check) fails on those that a rule denies. If the
/// members were read, [`who`](Self::who), [`subject`](Self::subject) and [`holders`](Self::holders) name people.
pub struct Audit {
    pub(super) report: Report,
    pub(super) tenant: Tenant,
    pub(super) catalog: Catalog,
    pub(super) routes: Vec<Route>,
}

impl Audit {
    /// `apis`: the servers, of which the first one names the issuer. Each route has the number of its server.
    pub(super) fn of(apis: &[Api], routes: &[(&RouteDescription, usize)], tenant: Tenant) -> Result<Self, AuditError> {
        tenant.check()?;
        let catalog = Catalog::of(&tenant);
        let routes = routes.iter().filter_map(|(route, api)| Some((route, apis.get(*api)?))).map(|(route, api)| {
            let compiled = Route::of(route, api, &catalog);
            compiled.map_err(|error| {
                AuditError::new(format_args!("{}: {error}", route.path.as_deref().unwrap_or("fallback")))
            })
        });
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        let roles: Vec<RoleSummary> = catalog.roles.iter().map(RoleSummary::from).collect();
        let rows: Vec<RouteSummary> = routes.iter().map(|route| row(route, &catalog)).collect();
        let scene = Scene { apis, tenant: &tenant, catalog: &catalog, routes: &routes, rows: &rows, roles: &roles };
        let findings = find(&scene);
        let named = |(scope, _): &(&str, &str)| rows.iter().any(|row| row.scopes.iter().any(|name| name == scope));
        // What the first server says of a scope counts.
        let texts = apis.iter().rev().flat_map(|api| api.scopes.iter()).filter(named);
        let scopes = texts.map(|(scope, text)| (scope.to_owned(), text.to_owned())).collect();
        let issuer = apis.first().map(|api| api.issuer.clone()).unwrap_or_default();
        let report = Report { version: VERSION, issuer, roles, routes: rows, scopes, findings };
        Ok(Self { report, tenant, catalog, routes })
    }

    /// Returns the matrix and its findings, to print, to store as JSON, or to compare with another report.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the tenant as it was read.
    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }
}

/// The verdicts of a row, each once.
#[derive(Default)]
struct Verdicts {
    all: Vec<Verdict>,
    numbers: HashMap<Verdict, usize>,
    /// By what a verdict depends on: kind, membership or level, and the rules that are met.
    known: HashMap<(SubjectType, Option<RoleLevel>, Bits), usize>,
}

impl Verdicts {
    fn number(&mut self, route: &Route, holder: Holder<'_>, level: Option<RoleLevel>, catalog: &Catalog) -> usize {
        let key = (holder.subjects, level, route.met(holder, catalog));
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let verdict = route.judge(holder, catalog);
        let all = &mut self.all;
        let number = *self.numbers.entry(verdict).or_insert_with_key(|verdict| {
            all.push(verdict.clone());
            all.len() - 1
        });
        self.known.insert(key, number);
        number
    }
}

fn row(route: &Route, catalog: &Catalog) -> RouteSummary {
    let mut verdicts = Verdicts::default();
    let user = verdicts.number(route, Holder::without_role(SubjectType::User, false), None, catalog);
    let machine = verdicts.number(route, Holder::without_role(SubjectType::Machine, false), None, catalog);
    let cells = catalog.roles.iter().enumerate().map(|(number, role)| {
        let roles = [number];
        let holder = Holder::of_roles(role.subjects, &roles, catalog);
        verdicts.number(route, holder, Some(role.level), catalog)
    });
    let cells = cells.collect();
    let (mut combinations, mut more_combinations) = (Vec::new(), false);
    for subjects in [SubjectType::User, SubjectType::Machine] {
        let found = route.combinations(subjects, catalog);
        more_combinations |= found.more;
        combinations.extend(found.sets.into_iter().map(|roles| {
            let verdict = route.judge(Holder::of_roles(subjects, &roles, catalog), catalog);
            Combination { roles, verdict }
        }));
    }
    combinations.sort_by_key(|combination| combination.roles.len());
    RouteSummary {
        methods: route.methods.clone(),
        path: route.path.clone(),
        operation: route.operation.clone(),
        access: route.access,
        policy: route.policy.clone(),
        scopes: route.scopes.clone(),
        verdicts: verdicts.all,
        cells,
        user,
        machine,
        combinations,
        more_combinations,
    }
}

impl From<&super::catalog::CatalogRole> for RoleSummary {
    fn from(role: &super::catalog::CatalogRole) -> Self {
        Self { name: role.name.clone(), level: role.level, subjects: role.subjects }
    }
}

impl fmt::Display for Audit {
    /// The report as text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("issuer", &self.report.issuer).finish_non_exhaustive()
    }
}

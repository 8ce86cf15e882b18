//! What findings are looked for in.

use crate::audit::catalog::{Catalog, CatalogRole};
use crate::audit::holder::Holder;
use crate::audit::report::{RoleSummary, RouteAccess, RouteSummary};
use crate::audit::requirement::{Api, Route};
use crate::audit::tenant::{RoleLevel, Tenant};
use crate::audit::verdict::Verdict;

pub(in crate::audit) struct Scene<'a> {
    pub(in crate::audit) apis: &'a [Api],
    pub(in crate::audit) tenant: &'a Tenant,
    pub(in crate::audit) catalog: &'a Catalog,
    pub(in crate::audit) routes: &'a [Route],
    /// The rows, as the routes are numbered.
    pub(in crate::audit) rows: &'a [RouteSummary],
    /// The columns, as the catalog numbers roles.
    pub(in crate::audit) roles: &'a [RoleSummary],
}

impl<'a> Scene<'a> {
    /// The routes whose policy is enforced, with their rows.
    pub(super) fn guarded(&self) -> impl Iterator<Item = (&'a Route, &'a RouteSummary)> + use<'a> {
        let routes = self.routes.iter().zip(self.rows);
        routes.filter(|(route, _)| matches!(route.access, RouteAccess::Policy | RouteAccess::Optional))
    }

    pub(super) fn catalog_roles(&self) -> impl Iterator<Item = (usize, &'a CatalogRole)> + use<'a> {
        self.catalog.roles.iter().enumerate()
    }

    /// The labels of the routes that a role opens, and somebody without it does not.
    pub(super) fn opened_by(&self, number: usize, role: &CatalogRole) -> Vec<String> {
        let without = Holder::without_role(role.subjects, role.level == RoleLevel::Organization);
        let opened = self.guarded().filter(|(route, row)| {
            let verdict = verdict(row, number);
            verdict.is_some_and(Verdict::reaches) && verdict != Some(&route.judge(without, self.catalog))
        });
        opened.map(|(route, _)| route.label()).collect()
    }
}

pub(super) fn verdict(row: &RouteSummary, role: usize) -> Option<&Verdict> {
    row.verdicts.get(*row.cells.get(role)?)
}

/// Several names in a sentence: not more than a few.
pub(super) fn some_of(names: &[String]) -> String {
    const MOST: usize = 5;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    match names.len().checked_sub(MOST) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

//! Routes that no role reaches, or every role.

use super::finding::Finding;
use super::kind::FindingKind;
use super::scene::{Scene, some_of};
use crate::audit::catalog::{Catalog, CatalogRole};
use crate::audit::holder::Holder;
use crate::audit::report::{RouteAccess, RouteSummary};
use crate::audit::requirement::{Clause, Reach, Route};
use crate::audit::tenant::{RoleLevel, SubjectType};
use crate::audit::verdict::Verdict;
use crate::name::Name;

pub(super) fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (route, row) in scene.routes.iter().zip(scene.rows) {
        findings.extend(open(route));
        findings.extend(beside(route));
        if matches!(route.access, RouteAccess::Policy | RouteAccess::Optional) {
            findings.extend(closed(scene, route, row));
        }
    }
    findings.extend(global(scene));
    findings
}

fn open(route: &Route) -> Option<Finding> {
    let label = route.label();
    let (kind, why) = match route.access {
        RouteAccess::Policy => return None,
        RouteAccess::Optional => (FindingKind::OptionalRoute, "answers requests without a token too"),
        RouteAccess::ShadowOnly => (FindingKind::ShadowedRoute, "judges its policy and lets every request pass"),
        RouteAccess::Public => (FindingKind::PublicRoute, "is public"),
        RouteAccess::PublicRouter => (FindingKind::PublicRoute, "is public, with everything below it"),
    };
    Some(Finding::new(kind, format_args!("{label} {why}")).code([format!("{label}: {}", route.policy)]))
}

fn beside(route: &Route) -> Option<Finding> {
    let (label, other) = (route.label(), route.beside.as_ref()?);
    let message = format_args!("{label} judges a second policy and does not enforce it: {other}");
    Some(Finding::new(FindingKind::ShadowedRoute, message).code([format!("{label}: {}", route.policy)]))
}

fn closed(scene: &Scene<'_>, route: &Route, row: &RouteSummary) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (label, place) = (route.label(), format!("{}: {}", route.label(), route.policy));
    let opens = |number: usize| row.verdicts.get(number).is_some_and(Verdict::reaches);
    let machine_roles = scene.roles.iter().zip(&row.cells).filter(|(role, _)| role.subjects == SubjectType::Machine);
    let machines_reach = opens(row.machine) || machine_roles.into_iter().any(|(_, cell)| opens(*cell));
    let machines_only =
        !route.clauses.is_empty() && route.clauses.iter().all(|clause| clause.subjects == Some(SubjectType::Machine));
    if machines_only && !machines_reach {
        let message = format_args!("{label} takes machines only, and no role of machines opens it");
        findings.push(Finding::new(FindingKind::MachineRouteWithoutMachineRole, message).code([place.clone()]));
    }
    if opens(row.user) || opens(row.machine) || row.cells.iter().any(|cell| opens(*cell)) {
        return findings;
    }
    let Some(first) = row.combinations.first() else {
        // Where not every set was looked at, one of the others may open it.
        if row.more_combinations {
            return findings;
        }
        let message = format_args!("no role opens {label}, and no three roles do");
        findings.push(Finding::new(FindingKind::UnreachableRoute, message).code([place]));
        return findings;
    };
    let labels = first.roles.iter().filter_map(|role| scene.catalog.roles.get(*role)).map(CatalogRole::label);
    let labels: Vec<String> = labels.collect();
    let message = format_args!("no role opens {label} alone; together {} do", labels.join(" and "));
    findings.push(Finding::new(FindingKind::CombinationNeeded, message).code([place]).tenant(labels));
    findings
}

/// Organization roles on routes that are for no organization: by Logto's rules they count there.
fn global(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, role) in scene.catalog_roles().filter(|(_, role)| role.level == RoleLevel::Organization) {
        let opened = scene.guarded().filter(|(route, _)| route.is_opened_without_organization(number, scene.catalog));
        let opened: Vec<&Route> = opened.map(|(route, _)| route).collect();
        if opened.is_empty() {
            continue;
        }
        let labels: Vec<String> = opened.iter().map(|route| route.label()).collect();
        let message = format_args!(
            "organization role {} opens {}, which {} for no organization: who holds it in any organization may call",
            Name(&role.name),
            some_of(&labels),
            if labels.len() == 1 { "is" } else { "are" },
        );
        let finding = Finding::new(FindingKind::OrganizationRoleOnGlobalRoute, message);
        let places = opened.iter().map(|route| format!("{}: {}", route.label(), route.policy));
        findings.push(finding.code(places).tenant([role.label()]));
    }
    findings
}

impl Route {
    /// Whether a clause whose tokens are for no organization asks for scopes, and this role has them.
    fn is_opened_without_organization(&self, role: usize, catalog: &Catalog) -> bool {
        let Some(subjects) = catalog.roles.get(role).map(|role| role.subjects) else { return false };
        let global = |clause: &&Clause| matches!(clause.reach, Reach::Resource(_)) && !clause.rules.is_empty();
        let roles = [role];
        let holder = Holder::of_roles(subjects, &roles, catalog);
        self.clauses.iter().filter(global).any(|clause| clause.judge(holder, catalog).reaches())
    }
}

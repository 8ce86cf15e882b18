//! Roles that open nothing, everything, or more than a newcomer should have.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::kind::FindingKind;
use super::scene::{Scene, some_of, verdict};
use crate::audit::catalog::{CatalogRole, Domain};
use crate::audit::tenant::RoleLevel;
use crate::audit::verdict::Verdict;
use crate::name::Name;

pub(super) fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, role) in scene.catalog_roles() {
        let (label, opened) = (role.label(), scene.opened_by(number, role));
        let administers = administers(scene, role);
        if administers {
            let message = format_args!("{label} holds the Management API: who has it administers the tenant");
            findings.push(Finding::new(FindingKind::ManagementApiRole, message).tenant([label.clone()]));
        }
        let guarded = scene.guarded().count();
        let reached = scene.guarded().filter(|(_, row)| verdict(row, number).is_some_and(Verdict::reaches)).count();
        if guarded > 1 && reached == guarded && !opened.is_empty() {
            let message = format_args!("{label} opens each of the {guarded} routes that have a policy");
            let finding = Finding::new(FindingKind::RoleReachesEverything, message);
            findings.push(finding.code(opened.clone()).tenant([label.clone()]));
        }
        if opened.is_empty() && !administers {
            let message = format_args!("{label} opens no route that is closed without it");
            findings.push(Finding::new(FindingKind::RoleReachesNothing, message).tenant([label.clone()]));
        }
        if role.is_default {
            let message = format!("every new user receives {label}{}", what_it_opens(&opened));
            let finding = Finding::new(FindingKind::DefaultRole, message);
            findings.push(finding.code(opened).tenant([label]));
        }
    }
    findings.extend(just_in_time(scene));
    findings
}

fn administers(scene: &Scene<'_>, role: &CatalogRole) -> bool {
    let management = scene.catalog.permissions.iter().enumerate().filter(|(_, permission)| match permission.domain {
        Domain::Resource(number) => scene.catalog.resources.get(number).is_some_and(|(_, management)| *management),
        Domain::Organization => false,
    });
    management.into_iter().any(|(number, _)| role.grants(number))
}

fn just_in_time(scene: &Scene<'_>) -> Vec<Finding> {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for organization in &scene.tenant.organizations {
        for role in &organization.just_in_time_roles {
            given.entry(role.clone()).or_default().push(format!("organization {}", Name(&organization.id)));
        }
    }
    let finding = |(name, organizations): (String, Vec<String>)| {
        let number = scene.catalog.role(RoleLevel::Organization, &name)?;
        let role = scene.catalog.roles.get(number)?;
        let opened = scene.opened_by(number, role);
        let message = format!(
            "users who join {} just in time receive {}{}",
            some_of(&organizations),
            role.label(),
            what_it_opens(&opened)
        );
        let finding = Finding::new(FindingKind::DefaultRole, message).code(opened);
        Some(finding.tenant([role.label()]).tenant(organizations))
    };
    given.into_iter().filter_map(finding).collect()
}

fn what_it_opens(opened: &[String]) -> String {
    if opened.is_empty() { String::new() } else { format!(", which opens {}", some_of(opened)) }
}

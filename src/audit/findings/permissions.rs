//! Permissions and resources that only one side knows.

use std::collections::{BTreeMap, HashMap};

use super::finding::Finding;
use super::kind::FindingKind;
use super::nearest::nearest;
use super::scene::{Scene, some_of};
use crate::audit::catalog::{CatalogRole, Domain};
use crate::audit::requirement::Rule;
use crate::name::Name;

pub(super) fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = unregistered(scene);
    findings.extend(undefined(scene));
    findings.extend(defined(scene));
    findings
}

fn unregistered(scene: &Scene<'_>) -> Vec<Finding> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for route in scene.routes {
        for clause in &route.clauses {
            if let Some(indicator) = &clause.unregistered {
                places.entry(indicator.clone()).or_default().push(format!("{}: {}", route.label(), clause.text));
            }
        }
    }
    let finding = |(indicator, places): (String, Vec<String>)| {
        let known = scene.catalog.resources.iter().map(|(indicator, _)| &**indicator);
        let near = nearest(&indicator, known);
        let message = format!(
            "resource {} is not registered in the tenant, so no token is issued for it{}",
            Name(&indicator),
            meant(near)
        );
        let near = near.map(|near| format!("resource {}", Name(near)));
        Finding::new(FindingKind::UnregisteredResource, message).code(places).tenant(near)
    };
    places.into_iter().map(finding).collect()
}

#[derive(Default)]
struct Undefined {
    places: Vec<String>,
    /// Whether a clause asks for it and accepts nothing else instead.
    blocks: bool,
}

fn undefined(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found: BTreeMap<(String, &str), (Domain, Undefined)> = BTreeMap::new();
    for route in scene.routes {
        for clause in &route.clauses {
            let Some(domain) = clause.reach.domain() else { continue };
            for rule in &clause.rules {
                for (name, _) in rule.0.iter().filter(|(_, number)| number.is_none()) {
                    let key = (scene.catalog.domain_label(domain), &**name);
                    let (_, known) = found.entry(key).or_insert_with(|| (domain, Undefined::default()));
                    let place = format!("{}: {}", route.label(), clause.text);
                    if !known.places.contains(&place) {
                        known.places.push(place);
                    }
                    known.blocks |= is_unmeetable(rule);
                }
            }
        }
    }
    let finding = |((of, name), (domain, Undefined { places, blocks })): ((String, &str), (Domain, Undefined))| {
        let elsewhere: Vec<String> = scene
            .catalog
            .permissions
            .iter()
            .filter(|permission| permission.name == name)
            .map(|permission| scene.catalog.domain_label(permission.domain))
            .collect();
        let near = nearest(name, scene.catalog.names_in(domain));
        let hint = if elsewhere.is_empty() {
            meant(near)
        } else {
            format!("; {} {} it", elsewhere.join(" and "), if elsewhere.len() == 1 { "has" } else { "have" })
        };
        let effect = if blocks { ", so no request passes" } else { "" };
        let message = format!("scope {} is not a permission of {of}{effect}{hint}", Name(name));
        let near = near.map(|near| format!("permission {} of {of}", Name(near)));
        let tenant = if elsewhere.is_empty() { near.into_iter().collect() } else { elsewhere };
        Finding::new(FindingKind::UndefinedScope, message).code(places).tenant(tenant)
    };
    found.into_iter().map(finding).collect()
}

fn is_unmeetable(rule: &Rule) -> bool {
    rule.0.iter().all(|(_, number)| number.is_none())
}

fn meant(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!("; did you mean {}?", Name(near)))
}

/// What the tenant defines for this API and no route requires, or one route requires and several roles grant.
fn defined(scene: &Scene<'_>) -> Vec<Finding> {
    let mut required: HashMap<usize, Vec<String>> = HashMap::new();
    for route in scene.routes {
        let rules = route.clauses.iter().flat_map(|clause| &clause.rules);
        for number in rules.flat_map(|rule| rule.0.iter().filter_map(|(_, number)| *number)) {
            let routes = required.entry(number).or_default();
            let label = route.label();
            if !routes.contains(&label) {
                routes.push(label);
            }
        }
    }
    let is_ours = |domain: Domain| match domain {
        Domain::Organization => scene.apis.iter().any(|api| api.organization_tokens),
        Domain::Resource(number) => {
            let indicator = scene.catalog.resources.get(number).map(|(indicator, _)| indicator);
            indicator.is_some_and(|indicator| scene.apis.iter().any(|api| api.resources.contains(indicator)))
        }
    };
    let mut findings = Vec::new();
    for (number, permission) in scene.catalog.permissions.iter().enumerate() {
        let granting = || {
            let granting = scene.catalog.roles.iter().filter(|role| role.grants(number));
            granting.map(CatalogRole::label).collect::<Vec<_>>()
        };
        let label = scene.catalog.label(permission);
        match required.get(&number).map(Vec::as_slice) {
            None if is_ours(permission.domain) => {
                let roles = granting();
                let of = match &*roles {
                    [] => String::new(),
                    roles => format!("; {} {} it", some_of(roles), if roles.len() == 1 { "grants" } else { "grant" }),
                };
                let finding = Finding::new(FindingKind::UnusedPermission, format!("no route requires {label}{of}"));
                findings.push(finding.tenant([label]).tenant(roles));
            }
            Some([route]) => {
                let roles = granting();
                if roles.len() > 1 {
                    let message = format!("{} roles grant {label}, which only {route} requires", roles.len());
                    let finding = Finding::new(FindingKind::PermissionOfSeveralRoles, message);
                    findings.push(finding.code([route.clone()]).tenant([label]).tenant(roles));
                }
            }
            _ => {}
        }
    }
    findings
}

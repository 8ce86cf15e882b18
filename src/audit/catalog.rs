//! A tenant with numbers instead of names, so that a cell is judged in a few steps.

use std::collections::HashMap;

use super::tenant::{Grants, RoleLevel, SubjectType, Tenant};
use crate::name::Name;

/// Whose permission it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Domain {
    /// The API resource with this number.
    Resource(usize),
    /// The organization template.
    Organization,
}

/// A permission that the tenant defines.
#[derive(Clone, Debug)]
pub(super) struct Permission {
    pub(super) domain: Domain,
    pub(super) name: String,
}

/// A role, global ones first.
#[derive(Clone, Debug)]
pub(super) struct CatalogRole {
    pub(super) name: String,
    pub(super) level: RoleLevel,
    pub(super) subjects: SubjectType,
    /// Whether every new user receives it.
    pub(super) is_default: bool,
    granted: Bits,
}

#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) resources: Vec<(String, bool)>,
    pub(super) permissions: Vec<Permission>,
    pub(super) roles: Vec<CatalogRole>,
    by_name: HashMap<Domain, HashMap<String, usize>>,
    by_role: HashMap<(RoleLevel, String), usize>,
}

impl Catalog {
    /// Of a tenant that was checked.
    pub(super) fn of(tenant: &Tenant) -> Self {
        let mut catalog = Self {
            resources: Vec::new(),
            permissions: Vec::new(),
            roles: Vec::new(),
            by_name: HashMap::new(),
            by_role: HashMap::new(),
        };
        for (number, resource) in tenant.resources.iter().enumerate() {
            catalog.resources.push((resource.indicator.clone(), resource.management_api));
            catalog.define(Domain::Resource(number), &resource.scopes);
        }
        catalog.define(Domain::Organization, &tenant.organization_permissions);
        for role in &tenant.roles {
            let granted = catalog.bits(&role.permissions, &[]);
            catalog.add(&role.name, RoleLevel::Global, role.subjects, role.default, granted);
        }
        for role in &tenant.organization_roles {
            let granted = catalog.bits(&role.permissions, &role.organization_permissions);
            catalog.add(&role.name, RoleLevel::Organization, role.subjects, false, granted);
        }
        catalog
    }

    fn define(&mut self, domain: Domain, names: &[String]) {
        let known = self.by_name.entry(domain).or_default();
        for name in names {
            known.insert(name.clone(), self.permissions.len());
            self.permissions.push(Permission { domain, name: name.clone() });
        }
    }

    fn bits(&self, grants: &[Grants], organization: &[String]) -> Bits {
        let mut bits = Bits::default();
        for Grants { resource, scopes } in grants {
            let domain = self.resource(resource).map(Domain::Resource);
            let numbers = scopes.iter().filter_map(|scope| self.permission(domain?, scope));
            numbers.for_each(|number| bits.insert(number));
        }
        let numbers = organization.iter().filter_map(|scope| self.permission(Domain::Organization, scope));
        numbers.for_each(|number| bits.insert(number));
        bits
    }

    fn add(&mut self, name: &str, level: RoleLevel, subjects: SubjectType, is_default: bool, granted: Bits) {
        self.by_role.insert((level, name.to_owned()), self.roles.len());
        self.roles.push(CatalogRole { name: name.to_owned(), level, subjects, is_default, granted });
    }

    pub(super) fn resource(&self, indicator: &str) -> Option<usize> {
        self.resources.iter().position(|(known, _)| known == indicator)
    }

    pub(super) fn permission(&self, domain: Domain, name: &str) -> Option<usize> {
        self.by_name.get(&domain)?.get(name).copied()
    }

    pub(super) fn role(&self, level: RoleLevel, name: &str) -> Option<usize> {
        self.by_role.get(&(level, name.to_owned())).copied()
    }

    /// The numbers of roles by their names.
    pub(super) fn numbers(&self, level: RoleLevel, names: &[String]) -> Vec<usize> {
        names.iter().filter_map(|name| self.role(level, name)).collect()
    }

    pub(super) fn names_in(&self, domain: Domain) -> impl Iterator<Item = &str> {
        self.permissions
            .iter()
            .filter(move |permission| permission.domain == domain)
            .map(|permission| &*permission.name)
    }

    /// How a permission is called in a message.
    pub(super) fn label(&self, permission: &Permission) -> String {
        format!("permission {} of {}", Name(&permission.name), self.domain_label(permission.domain))
    }

    pub(super) fn domain_label(&self, domain: Domain) -> String {
        match domain {
            Domain::Organization => "the organization template".to_owned(),
            Domain::Resource(number) => {
                let indicator = self.resources.get(number).map_or("", |(indicator, _)| indicator);
                format!("resource {}", Name(indicator))
            }
        }
    }
}

impl CatalogRole {
    pub(super) fn grants(&self, permission: usize) -> bool {
        self.granted.holds(permission)
    }

    /// How a role is called in a message.
    pub(super) fn label(&self) -> String {
        match self.level {
            RoleLevel::Global => format!("role {}", Name(&self.name)),
            RoleLevel::Organization => format!("organization role {}", Name(&self.name)),
        }
    }
}

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn insert(&mut self, number: usize) {
        let word = number / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (number % 64);
        }
    }

    pub(super) fn holds(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    /// Both together.
    pub(super) fn with(&self, other: &Self) -> Self {
        let (longer, shorter) = if self.0.len() < other.0.len() { (other, self) } else { (self, other) };
        let mut both = longer.clone();
        both.0.iter_mut().zip(&shorter.0).for_each(|(bits, more)| *bits |= more);
        both
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }
}

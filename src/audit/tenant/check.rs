//! Whether a tenant is consistent: a name twice, or one that nothing defines, is an error.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::model::{Grants, SubjectType, Tenant, TenantMember};
use crate::audit::error::DirectoryError;
use crate::name::Name;

type Roles<'a> = HashMap<&'a str, SubjectType>;

impl Tenant {
    /// Checks that every name is there once and every reference leads somewhere.
    ///
    /// # Errors
    ///
    /// Returns the first name that is empty, twice, or refers to nothing.
    pub(crate) fn check(&self) -> Result<(), DirectoryError> {
        let mut scopes: HashMap<&str, HashSet<&str>> = HashMap::new();
        for resource in &self.resources {
            let place = format!("resource {}", Name(&resource.indicator));
            let own = unique(&place, "permission", resource.scopes.iter().map(String::as_str))?;
            if scopes.insert(&resource.indicator, own).is_some() {
                return Err(twice("the tenant", &place));
            }
        }
        unique("the tenant", "resource", scopes.keys().copied())?;
        let own = self.organization_permissions.iter().map(String::as_str);
        let own = unique("the organization template", "permission", own)?;

        unique("the tenant", "role", self.roles.iter().map(|role| &*role.name))?;
        unique("the tenant", "organization role", self.organization_roles.iter().map(|role| &*role.name))?;
        for role in &self.roles {
            check_grants(&format!("role {}", Name(&role.name)), &role.permissions, &scopes)?;
        }
        for role in &self.organization_roles {
            let place = format!("organization role {}", Name(&role.name));
            check_grants(&place, &role.permissions, &scopes)?;
            for scope in &role.organization_permissions {
                known(&place, "organization permission", scope, own.contains(&**scope))?;
            }
        }
        let roles: Roles<'_> = self.roles.iter().map(|role| (&*role.name, role.subjects)).collect();
        let organization_roles: Roles<'_> =
            self.organization_roles.iter().map(|role| (&*role.name, role.subjects)).collect();
        let organizations = self.organizations.iter().map(|organization| &*organization.id);
        let organizations = unique("the tenant", "organization", organizations)?;
        for organization in &self.organizations {
            let place = format!("organization {}", Name(&organization.id));
            for role in &organization.just_in_time_roles {
                check_role(&place, role, SubjectType::User, &organization_roles)?;
            }
        }
        let Some(members) = &self.members else { return Ok(()) };
        let ids = members.users.iter().chain(&members.machines).map(|member| &*member.id);
        unique("the tenant", "user or machine", ids)?;
        for subjects in [SubjectType::User, SubjectType::Machine] {
            for member in members.of(subjects) {
                check_member(member, subjects, &roles, &organization_roles, &organizations)?;
            }
        }
        Ok(())
    }
}

fn check_member(
    member: &TenantMember,
    subjects: SubjectType,
    roles: &Roles<'_>,
    organization_roles: &Roles<'_>,
    organizations: &HashSet<&str>,
) -> Result<(), DirectoryError> {
    let place = format!("{subjects} {}", Name(&member.id));
    for role in &member.roles {
        check_role(&place, role, subjects, roles)?;
    }
    unique(&place, "role", member.roles.iter().map(String::as_str))?;
    unique(&place, "organization", member.organizations.iter().map(|membership| &*membership.id))?;
    for membership in &member.organizations {
        known(&place, "organization", &membership.id, organizations.contains(&*membership.id))?;
        unique(&place, "organization role", membership.roles.iter().map(String::as_str))?;
        for role in &membership.roles {
            check_role(&place, role, subjects, organization_roles)?;
        }
    }
    Ok(())
}

fn check_grants(place: &str, grants: &[Grants], scopes: &HashMap<&str, HashSet<&str>>) -> Result<(), DirectoryError> {
    unique(place, "resource", grants.iter().map(|grants| &*grants.resource))?;
    for Grants { resource, scopes: granted } in grants {
        let defined = scopes.get(&**resource);
        known(place, "resource", resource, defined.is_some())?;
        let what = format!("permission of {}", Name(resource));
        for scope in granted {
            known(place, &what, scope, defined.is_some_and(|defined| defined.contains(&**scope)))?;
        }
    }
    Ok(())
}

fn check_role(place: &str, role: &str, holder: SubjectType, roles: &Roles<'_>) -> Result<(), DirectoryError> {
    known(place, "role", role, roles.contains_key(role))?;
    if roles.get(role).is_some_and(|subjects| *subjects == holder) {
        return Ok(());
    }
    Err(DirectoryError::new(format!("{place}: the role {} is not for a {holder}", Name(role))))
}

/// The names, each of which may be there once.
fn unique<'a>(
    place: &str,
    what: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashSet<&'a str>, DirectoryError> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(DirectoryError::new(format!("{place}: a {what} without a name")));
        }
        if !seen.insert(name) {
            return Err(twice(place, format_args!("{what} {}", Name(name))));
        }
    }
    Ok(seen)
}

fn twice(place: &str, what: impl fmt::Display) -> DirectoryError {
    DirectoryError::new(format!("{place}: {what} occurs twice"))
}

fn known(place: &str, what: &str, name: &str, is_known: bool) -> Result<(), DirectoryError> {
    if is_known {
        return Ok(());
    }
    Err(DirectoryError::new(format!("{place}: no {what} {} is defined", Name(name))))
}

//! The parts of a tenant, for a directory that reads them from elsewhere.

use super::model::{
    Grants, Membership, OrganizationRole, OrganizationSettings, Resource, Role, SubjectType, Tenant, TenantMember,
};

fn owned<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

impl Resource {
    /// Makes an API resource with its permissions.
    pub fn new<S: Into<String>>(indicator: impl Into<String>, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { indicator: indicator.into(), scopes: owned(scopes), management_api: false }
    }
}

impl Grants {
    /// Makes permissions of one API resource.
    pub fn new<S: Into<String>>(resource: impl Into<String>, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { resource: resource.into(), scopes: owned(scopes) }
    }
}

impl Role {
    /// Makes a global role that grants nothing yet.
    pub fn new(name: impl Into<String>, subjects: SubjectType) -> Self {
        Self { name: name.into(), subjects, default: false, permissions: Vec::new() }
    }
}

impl OrganizationRole {
    /// Makes a role of the organization template that grants nothing yet.
    pub fn new(name: impl Into<String>, subjects: SubjectType) -> Self {
        Self { name: name.into(), subjects, organization_permissions: Vec::new(), permissions: Vec::new() }
    }
}

impl OrganizationSettings {
    /// Makes an organization with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl TenantMember {
    /// Makes a user or a machine with this id that holds nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl Membership {
    /// Makes a membership of an organization, with the roles that are held there.
    pub fn new<S: Into<String>>(id: impl Into<String>, roles: impl IntoIterator<Item = S>) -> Self {
        Self { id: id.into(), roles: owned(roles) }
    }
}

impl Tenant {
    /// Sorts everything by name, so that two readings of one tenant are equal.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        let sort_grants = |grants: &mut Vec<Grants>| {
            grants.sort_by(|a, b| a.resource.cmp(&b.resource));
            for grants in grants {
                grants.scopes.sort();
            }
        };
        self.resources.sort_by(|a, b| a.indicator.cmp(&b.indicator));
        self.resources.iter_mut().for_each(|resource| resource.scopes.sort());
        self.organization_permissions.sort();
        self.roles.sort_by(|a, b| a.name.cmp(&b.name));
        self.roles.iter_mut().for_each(|role| sort_grants(&mut role.permissions));
        self.organization_roles.sort_by(|a, b| a.name.cmp(&b.name));
        for role in &mut self.organization_roles {
            sort_grants(&mut role.permissions);
            role.organization_permissions.sort();
        }
        self.organizations.sort_by(|a, b| a.id.cmp(&b.id));
        self.organizations.iter_mut().for_each(|organization| organization.just_in_time_roles.sort());
        for members in self.members.iter_mut().flat_map(|members| [&mut members.users, &mut members.machines]) {
            members.sort_by(|a, b| a.id.cmp(&b.id));
            for member in members {
                member.roles.sort();
                member.organizations.sort_by(|a, b| a.id.cmp(&b.id));
                member.organizations.iter_mut().for_each(|membership| membership.roles.sort());
            }
        }
        self
    }
}

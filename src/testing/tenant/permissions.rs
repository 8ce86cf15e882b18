//! Whose scopes? What a subject holds now, as Logto counts it.

use super::directory::{Directory, OrganizationRole, Scope};

impl Directory {
    /// The organization scopes of a member, in the order of the template; none for everybody else, unknown users included.
    pub(super) fn organization_scopes_of(&self, organization: &str, member: &str) -> Vec<&Scope> {
        let roles = self.roles_in(organization, member).unwrap_or_default();
        let held = |id: &String| roles.iter().any(|role| role.scopes.contains(id));
        self.organization_scopes.iter().filter(|scope| held(&scope.id)).collect()
    }

    /// A user's scopes of a resource. In an organization: by the global roles and that organization's. Without one: by
    /// the global roles and those of *all* the user's organizations.
    pub(super) fn user_scopes(&self, user: &str, resource: &str, organization: Option<&str>) -> Vec<String> {
        let global = self.users.get(user).map(|user| &*user.roles).unwrap_or_default();
        let organizations = match organization {
            Some(organization) => self.roles_in(organization, user).unwrap_or_default(),
            None => self.organizations.keys().filter_map(|id| self.roles_in(id, user)).flatten().collect(),
        };
        self.scopes_by(resource, global, &organizations)
    }

    /// A machine's scopes of a resource. In an organization: by its roles there alone. Without one: by its global roles.
    pub(super) fn machine_scopes(&self, machine: &str, resource: &str, organization: Option<&str>) -> Vec<String> {
        let global = self.applications.get(machine).map(|machine| &*machine.roles).unwrap_or_default();
        match organization {
            Some(organization) => {
                self.scopes_by(resource, &[], &self.roles_in(organization, machine).unwrap_or_default())
            }
            None => self.scopes_by(resource, global, &[]),
        }
    }

    fn scopes_by(&self, resource: &str, global: &[String], organization: &[&OrganizationRole]) -> Vec<String> {
        let held = |id: &String| {
            let mut roles = global.iter().filter_map(|id| self.role_by_id(id));
            roles.any(|role| role.scopes.contains(id)) || organization.iter().any(|r| r.resource_scopes.contains(id))
        };
        let scopes = self.resource(resource).into_iter().flat_map(|resource| &resource.scopes);
        scopes.filter(|scope| held(&scope.id)).map(|scope| scope.name.clone()).collect()
    }
}

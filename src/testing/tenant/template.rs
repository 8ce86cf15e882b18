//! Changes of the organization template, and of the roles that members hold by it.

use super::TestTenant;
use super::directory::{OrganizationRole, RoleType, Scope, random_id};
use super::webhook::Change;
use crate::time::milliseconds;

/// The organization template, and who holds its roles where.
impl TestTenant {
    /// Adds an organization scope: a permission that is not an API's.
    ///
    /// # Panics
    ///
    /// Panics if the name is taken.
    pub fn add_organization_scope(&self, name: &str) {
        let (mut store, now) = self.change();
        let scopes = &mut store.directory.organization_scopes;
        assert!(scopes.iter().all(|scope| scope.name != name), "there is an organization scope {name:?}");
        let scope = Scope::new(name, milliseconds(now));
        let record = scope.record();
        scopes.push(scope);
        let change = Change { method: "POST", status: 201, route: "/organization-scopes", params: &[] };
        store.outbox.tell(now, "OrganizationScope.Created", &change, &[("data", record)]);
    }

    /// Deletes an organization scope, and takes it out of every role.
    ///
    /// # Panics
    ///
    /// Panics if there is no such scope.
    pub fn remove_organization_scope(&self, name: &str) {
        let (mut store, now) = self.change();
        let id = store.directory.organization_scope(name).id;
        store.directory.organization_scopes.retain(|scope| scope.id != id);
        for role in &mut store.directory.organization_roles {
            role.scopes.retain(|scope| *scope != id);
        }
        let change =
            Change { method: "DELETE", status: 204, route: "/organization-scopes/:id", params: &[("id", &id)] };
        store.outbox.tell(now, "OrganizationScope.Deleted", &change, &[]);
    }

    /// Adds a role of the template, with organization scopes. Missing scopes are added first.
    ///
    /// # Panics
    ///
    /// Panics if the name is taken.
    pub fn add_organization_role(&self, name: &str, role_type: RoleType, scopes: &[&str]) {
        for &scope in scopes {
            let known = self.tenant.store().directory.organization_scopes.iter().any(|known| known.name == scope);
            if !known {
                self.add_organization_scope(scope);
            }
        }
        let (mut store, now) = self.change();
        let directory = &mut store.directory;
        assert!(directory.organization_roles.iter().all(|role| role.name != name), "there is a role {name:?}");
        let held = scopes.iter().map(|scope| directory.organization_scope(scope).id).collect();
        let role = OrganizationRole {
            id: random_id(),
            name: name.to_owned(),
            kind: role_type,
            scopes: held,
            resource_scopes: Vec::new(),
        };
        let (id, record) = (role.id.clone(), role.record());
        directory.organization_roles.push(role);
        let change = Change { method: "POST", status: 201, route: "/organization-roles", params: &[] };
        if !scopes.is_empty() {
            let told = [("organizationRoleId", id.into())];
            store.outbox.tell(now, "OrganizationRole.Scopes.Updated", &change, &told);
        }
        store.outbox.tell(now, "OrganizationRole.Created", &change, &[("data", record)]);
    }

    /// Deletes a role of the template, and takes it from every member.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role.
    pub fn remove_organization_role(&self, name: &str) {
        let (mut store, now) = self.change();
        let id = store.directory.organization_role(name).id.clone();
        store.directory.organization_roles.retain(|role| role.id != id);
        for organization in store.directory.organizations.values_mut() {
            organization.members.values_mut().for_each(|roles| roles.retain(|role| *role != id));
        }
        let change = Change { method: "DELETE", status: 204, route: "/organization-roles/:id", params: &[("id", &id)] };
        store.outbox.tell(now, "OrganizationRole.Deleted", &change, &[]);
    }

    /// Adds an organization scope to a role of the template.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role or scope.
    pub fn add_scope_to_organization_role(&self, role: &str, scope: &str) {
        let (mut store, now) = self.change();
        let scope = store.directory.organization_scope(scope).id;
        let role = store.directory.organization_role(role);
        role.scopes.retain(|held| *held != scope);
        role.scopes.push(scope);
        let id = role.id.clone();
        let change =
            Change { method: "POST", status: 201, route: "/organization-roles/:id/scopes", params: &[("id", &id)] };
        store.outbox.tell(now, "OrganizationRole.Scopes.Updated", &change, &[]);
    }

    /// Takes an organization scope out of a role of the template.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role or scope.
    pub fn remove_scope_from_organization_role(&self, role: &str, scope: &str) {
        let (mut store, now) = self.change();
        let scope = store.directory.organization_scope(scope).id;
        let role = store.directory.organization_role(role);
        role.scopes.retain(|held| *held != scope);
        let id = role.id.clone();
        let route = "/organization-roles/:id/scopes/:organizationScopeId";
        let params = &[("id", &*id), ("organizationScopeId", &*scope)];
        let change = Change { method: "DELETE", status: 204, route, params };
        store.outbox.tell(now, "OrganizationRole.Scopes.Updated", &change, &[]);
    }

    /// Adds an API scope to a role of the template. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role, resource or scope.
    pub fn add_resource_scope_to_organization_role(&self, role: &str, resource: &str, scope: &str) {
        let (mut store, _) = self.change();
        let scope = store.directory.resource_scope(resource, scope).id;
        let held = &mut store.directory.organization_role(role).resource_scopes;
        held.retain(|held| *held != scope);
        held.push(scope);
    }

    /// Removes an API scope from a role of the template. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role, resource or scope.
    pub fn remove_resource_scope_from_organization_role(&self, role: &str, resource: &str, scope: &str) {
        let (mut store, _) = self.change();
        let scope = store.directory.resource_scope(resource, scope).id;
        store.directory.organization_role(role).resource_scopes.retain(|held| *held != scope);
    }

    /// Gives a member a role of the template. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if it is not a member, if there is no such role, or if the role is for the other kind of member.
    pub fn give_organization_role(&self, organization: &str, member: &str, role: &str) {
        let (mut store, _) = self.change();
        let role = store.directory.organization_role(role);
        let (id, kind) = (role.id.clone(), role.kind);
        store.directory.check_holder(kind, member);
        let held = store.directory.member(organization, member);
        held.retain(|held| *held != id);
        held.push(id);
    }

    /// Gives a role of the template to every user who joins an organization [just in time](Self::join_just_in_time).
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization or role, or if the role is for machines.
    pub fn add_just_in_time_role(&self, organization: &str, role: &str) {
        let (mut store, _) = self.change();
        let role = store.directory.organization_role(role);
        assert!(role.kind == RoleType::User, "the role {:?} is for machines", role.name);
        let id = role.id.clone();
        let given = &mut store.directory.organization(organization).just_in_time;
        given.retain(|given| *given != id);
        given.push(id);
    }

    /// Makes a user a member with the roles that are given just in time.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization or user.
    pub fn join_just_in_time(&self, organization: &str, user: &str) {
        self.add_member(organization, user);
        let (mut store, _) = self.change();
        let given = store.directory.organization(organization).just_in_time.clone();
        let held = store.directory.member(organization, user);
        held.extend(given.into_iter().filter(|role| !held.contains(role)).collect::<Vec<_>>());
    }

    /// Takes a role of the template from a member. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if it is not a member, or if there is no such role.
    pub fn take_organization_role(&self, organization: &str, member: &str, role: &str) {
        let (mut store, _) = self.change();
        let id = store.directory.organization_role(role).id.clone();
        store.directory.member(organization, member).retain(|held| *held != id);
    }
}

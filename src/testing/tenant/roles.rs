//! Changes of API resources and of global roles.

use std::time::Duration;

use serde_json::Value;

use super::TestTenant;
use super::directory::{Directory, Resource, Role, RoleType, Scope, random_id};
use super::webhook::Change;
use crate::time::milliseconds;

/// API resources and global roles.
impl TestTenant {
    /// Adds an API resource with its scopes. Its tokens live one hour.
    ///
    /// # Panics
    ///
    /// Panics if the indicator is taken.
    pub fn add_resource(&self, indicator: &str, scopes: &[&str]) {
        {
            let (mut store, _) = self.change();
            assert!(store.directory.resource(indicator).is_none(), "there is a resource {indicator:?}");
            store.directory.resources.push(Resource::new(indicator));
        }
        for scope in scopes {
            self.add_resource_scope(indicator, scope);
        }
    }

    /// Sets the lifetime of a resource's tokens from now on, in whole seconds.
    ///
    /// # Panics
    ///
    /// Panics if there is no such resource.
    pub fn set_token_lifetime(&self, resource: &str, lifetime: Duration) {
        self.change().0.directory.resource_mut(resource).lifetime = lifetime.as_secs();
    }

    /// Adds a scope of an API resource.
    ///
    /// # Panics
    ///
    /// Panics if there is no such resource, or if it has a scope of this name.
    pub fn add_resource_scope(&self, resource: &str, name: &str) {
        let (mut store, now) = self.change();
        let found = store.directory.resource_mut(resource);
        assert!(found.scopes.iter().all(|scope| scope.name != name), "there is a scope {name:?} of {resource:?}");
        let scope = Scope::new(name, milliseconds(now));
        let (id, record) = (found.id.clone(), found.scope_record(&scope));
        found.scopes.push(scope);
        let route = "/resources/:resourceId/scopes";
        let change = Change { method: "POST", status: 201, route, params: &[("resourceId", &id)] };
        store.outbox.tell(now, "Scope.Created", &change, &[("data", record)]);
    }

    /// Deletes a scope of an API resource, and takes it out of every role.
    ///
    /// # Panics
    ///
    /// Panics if there is no such resource or scope.
    pub fn remove_resource_scope(&self, resource: &str, name: &str) {
        let (mut store, now) = self.change();
        let scope = store.directory.resource_scope(resource, name).id;
        let found = store.directory.resource_mut(resource);
        found.scopes.retain(|held| held.id != scope);
        let id = found.id.clone();
        for role in &mut store.directory.roles {
            role.scopes.retain(|held| *held != scope);
        }
        for role in &mut store.directory.organization_roles {
            role.resource_scopes.retain(|held| *held != scope);
        }
        let params = &[("resourceId", &*id), ("scopeId", &*scope)];
        let route = "/resources/:resourceId/scopes/:scopeId";
        let change = Change { method: "DELETE", status: 204, route, params };
        store.outbox.tell(now, "Scope.Deleted", &change, &[]);
    }

    /// Adds a global role, with scopes of one API resource.
    ///
    /// # Panics
    ///
    /// Panics if the name is taken, or if there is no such resource or scope.
    pub fn add_role(&self, name: &str, role_type: RoleType, resource: &str, scopes: &[&str]) {
        let (mut store, now) = self.change();
        let directory = &mut store.directory;
        assert!(directory.roles.iter().all(|role| role.name != name), "there is a role {name:?}");
        let held = scopes.iter().map(|scope| directory.resource_scope(resource, scope).id).collect();
        let role = Role { id: random_id(), name: name.to_owned(), kind: role_type, is_default: false, scopes: held };
        let (id, record, scopes) = (role.id.clone(), role.record(), directory.scopes_of(&role));
        let has_scopes = !role.scopes.is_empty();
        directory.roles.push(role);
        let change = Change { method: "POST", status: 200, route: "/roles", params: &[] };
        store.outbox.tell(now, "Role.Created", &change, &[("data", record)]);
        if has_scopes {
            store.outbox.tell(now, "Role.Scopes.Updated", &change, &[("roleId", id.into()), ("data", scopes)]);
        }
    }

    /// Deletes a global role, and takes it from every holder.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role.
    pub fn remove_role(&self, name: &str) {
        let (mut store, now) = self.change();
        let directory = &mut store.directory;
        let id = directory.role(name).id.clone();
        directory.roles.retain(|role| role.id != id);
        let users = directory.users.values_mut().map(|user| &mut user.roles);
        for held in users.chain(directory.applications.values_mut().map(|application| &mut application.roles)) {
            held.retain(|held| *held != id);
        }
        let change = Change { method: "DELETE", status: 204, route: "/roles/:id", params: &[("id", &id)] };
        store.outbox.tell(now, "Role.Deleted", &change, &[]);
    }

    /// Makes a global role one that every user who is added from now on receives, or not.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role, or if it is for machines.
    pub fn set_default_role(&self, name: &str, is_default: bool) {
        let (mut store, _) = self.change();
        let role = store.directory.role(name);
        assert!(role.kind == RoleType::User, "the role {name:?} is for machines");
        role.is_default = is_default;
    }

    /// Adds an API scope to a global role.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role, resource or scope.
    pub fn add_scope_to_role(&self, role: &str, resource: &str, scope: &str) {
        let (mut store, now) = self.change();
        let scope = store.directory.resource_scope(resource, scope).id;
        let found = store.directory.role(role);
        found.scopes.retain(|held| *held != scope);
        found.scopes.push(scope);
        let id = found.id.clone();
        let scopes = store.directory.role_by_id(&id).map(|role| store.directory.scopes_of(role));
        let change = Change { method: "POST", status: 201, route: "/roles/:id/scopes", params: &[("id", &id)] };
        store.outbox.tell(now, "Role.Scopes.Updated", &change, &[("data", scopes.unwrap_or_default())]);
    }

    /// Takes an API scope out of a global role.
    ///
    /// # Panics
    ///
    /// Panics if there is no such role, resource or scope.
    pub fn remove_scope_from_role(&self, role: &str, resource: &str, scope: &str) {
        let (mut store, now) = self.change();
        let scope = store.directory.resource_scope(resource, scope).id;
        let found = store.directory.role(role);
        found.scopes.retain(|held| *held != scope);
        let id = found.id.clone();
        let params = &[("id", &*id), ("scopeId", &*scope)];
        let change = Change { method: "DELETE", status: 204, route: "/roles/:id/scopes/:scopeId", params };
        store.outbox.tell(now, "Role.Scopes.Updated", &change, &[]);
    }

    /// Gives a user or a machine a global role. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user, application or role, or if the role is for the other kind.
    pub fn give_role(&self, holder: &str, role: &str) {
        let (mut store, _) = self.change();
        let role = store.directory.role(role);
        let (id, kind) = (role.id.clone(), role.kind);
        store.directory.check_holder(kind, holder);
        let held = store.directory.global_roles_of(holder);
        held.retain(|held| *held != id);
        held.push(id);
    }

    /// Takes a global role from a user or a machine. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user, application or role.
    pub fn take_role(&self, holder: &str, role: &str) {
        let (mut store, _) = self.change();
        let id = store.directory.role(role).id.clone();
        store.directory.global_roles_of(holder).retain(|held| *held != id);
    }
}

impl Resource {
    pub(super) fn new(indicator: &str) -> Self {
        Self { id: random_id(), indicator: indicator.to_owned(), lifetime: 3600, scopes: Vec::new() }
    }
}

impl Directory {
    /// As a webhook lists them.
    fn scopes_of(&self, role: &Role) -> Value {
        let scopes = role.scopes.iter().filter_map(|id| self.api_scope(id));
        scopes.map(|(resource, scope)| resource.scope_record(scope)).collect()
    }

    fn global_roles_of(&mut self, holder: &str) -> &mut Vec<String> {
        if self.is_application(holder) { &mut self.application(holder).roles } else { &mut self.user(holder).roles }
    }
}

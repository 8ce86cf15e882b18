//! What is known, as the Management API and the webhooks write it.

use serde_json::{Value, json};

use super::directory::{Application, Directory, Organization, OrganizationRole, Resource, Role, Scope, User};

const TENANT: &str = "default";

impl User {
    pub(super) fn record(&self, id: &str) -> Value {
        json!({
            "id": id, "username": id, "primaryEmail": format!("{id}@example.com"), "primaryPhone": null, "name": id, "avatar": null,
            "customData": {}, "identities": {}, "lastSignInAt": self.signed_in_at, "createdAt": self.created_at,
            "updatedAt": self.updated_at, "profile": {}, "applicationId": self.application,
            "isSuspended": self.suspended,
        })
    }

    /// As an administrator sees it.
    pub(super) fn full_record(&self, id: &str) -> Value {
        with(self.record(id), "hasPassword", true.into())
    }
}

impl Organization {
    pub(super) fn record(&self, id: &str) -> Value {
        json!({
            "tenantId": TENANT, "id": id, "name": id, "description": null, "customData": {}, "isMfaRequired": self.mfa_required,
            "color": {}, "branding": {}, "customCss": null, "createdAt": self.created_at,
        })
    }
}

impl Application {
    pub(super) fn record(&self, id: &str) -> Value {
        let kind = if self.machine { "MachineToMachine" } else { "Traditional" };
        let record = json!({
            "tenantId": TENANT, "id": id, "name": id, "secret": self.secret, "description": null, "type": kind,
            "oidcClientMetadata": { "redirectUris": [], "postLogoutRedirectUris": [] }, "customClientMetadata": {},
            "protectedAppMetadata": null, "customData": {}, "isThirdParty": self.third_party, "createdAt": 0,
        });
        match &self.document {
            Some(document) => with(record, "cimdClientId", document.as_str().into()),
            None => record,
        }
    }
}

impl OrganizationRole {
    pub(super) fn record(&self) -> Value {
        json!({
            "tenantId": TENANT, "id": self.id, "name": self.name, "description": null, "type": self.kind.as_str(),
        })
    }
}

impl Role {
    pub(super) fn record(&self) -> Value {
        json!({
            "tenantId": TENANT, "id": self.id, "name": self.name, "description": self.name,
            "type": self.kind.as_str(), "isDefault": self.is_default,
        })
    }
}

impl Resource {
    /// Not the indicator: only the list of resources leads from one to the other.
    fn name(&self) -> String {
        format!("API {}", self.id)
    }

    pub(super) fn record(&self) -> Value {
        json!({
            "tenantId": TENANT, "id": self.id, "name": self.name(), "indicator": self.indicator,
            "isDefault": false, "accessTokenTtl": self.lifetime,
        })
    }

    pub(super) fn scope_record(&self, scope: &Scope) -> Value {
        json!({
            "tenantId": TENANT, "id": scope.id, "resourceId": self.id, "name": scope.name, "description": scope.name,
            "createdAt": scope.created_at,
        })
    }

    pub(super) fn record_with_scopes(&self) -> Value {
        let scopes: Vec<Value> = self.scopes.iter().map(|scope| self.scope_record(scope)).collect();
        with(self.record(), "scopes", scopes.into())
    }
}

impl Scope {
    /// An organization scope.
    pub(super) fn record(&self) -> Value {
        json!({ "tenantId": TENANT, "id": self.id, "name": self.name, "description": self.name })
    }
}

impl Directory {
    /// A role of the template, with what it permits.
    pub(super) fn template_record(&self, role: &OrganizationRole) -> Value {
        let scopes = self.organization_scopes.iter().filter(|scope| role.scopes.contains(&scope.id));
        let scopes: Vec<Value> = scopes.map(|scope| json!({ "id": scope.id, "name": scope.name })).collect();
        let resource_scopes = role.resource_scopes.iter().filter_map(|id| self.api_scope(id));
        let resource_scopes = resource_scopes.map(|(resource, scope)| {
            let resource = json!({ "id": resource.id, "name": resource.name() });
            json!({ "id": scope.id, "name": scope.name, "resource": resource })
        });
        let resource_scopes: Vec<Value> = resource_scopes.collect();
        with(with(role.record(), "scopes", scopes.into()), "resourceScopes", resource_scopes.into())
    }

    /// The scopes of a global role, each with its resource.
    pub(super) fn role_scope_records(&self, role: &Role) -> Vec<Value> {
        let scopes = role.scopes.iter().filter_map(|id| self.api_scope(id));
        scopes.map(|(resource, scope)| with(resource.scope_record(scope), "resource", resource.record())).collect()
    }

    /// An organization of a user, with the user's roles in it.
    pub(super) fn membership_record(&self, id: &str, user: &str) -> Option<Value> {
        let organization = self.organizations.get(id)?;
        let roles = self.roles_in(id, user)?.into_iter().map(|role| json!({ "id": role.id, "name": role.name }));
        Some(with(organization.record(id), "organizationRoles", roles.collect()))
    }
}

/// Members of roles and organizations, as the Management API lists them.
impl Directory {
    /// The users or the applications that hold a global role.
    pub(super) fn holder_records(&self, role: &str, machines: bool) -> Vec<Value> {
        if machines {
            let holders =
                self.applications.iter().filter(|(_, application)| application.roles.iter().any(|id| id == role));
            return holders.map(|(id, application)| application.record(id)).collect();
        }
        let holders = self.users.iter().filter(|(_, user)| user.roles.iter().any(|id| id == role));
        holders.map(|(id, user)| user.record(id)).collect()
    }

    /// The users or the applications in an organization, each with its roles there.
    pub(super) fn member_records(&self, organization: &str, machines: bool) -> Option<Vec<Value>> {
        let members = self.organizations.get(organization)?.members.keys();
        let record = |id: &String| {
            if machines { Some(self.applications.get(id)?.record(id)) } else { Some(self.users.get(id)?.record(id)) }
        };
        let with_roles = |id: &String| {
            let roles = self.roles_in(organization, id)?.into_iter();
            let roles = roles.map(|role| json!({ "id": role.id, "name": role.name })).collect();
            Some(with(record(id)?, "organizationRoles", roles))
        };
        Some(members.filter_map(with_roles).collect())
    }

    pub(super) fn just_in_time_records(&self, organization: &str) -> Option<Vec<Value>> {
        let given = &self.organizations.get(organization)?.just_in_time;
        let roles = self.organization_roles.iter().filter(|role| given.contains(&role.id));
        Some(roles.map(OrganizationRole::record).collect())
    }
}

/// A JSON object with one more member.
pub(super) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    object
}

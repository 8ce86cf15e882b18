//! A tenant as the directory of an audit.

use super::TestTenant;
use super::directory::{Directory, RoleType};
use crate::audit::{
    DirectoryError, Grants, Members, Membership, OrganizationRole, OrganizationSettings, Resource, Role, SubjectType,
    Tenant, TenantMember, Wanted,
};
use crate::future::BoxFuture;

/// What [`LogtoManagement`](crate::logto::LogtoManagement) reads of this tenant, without a call.
impl crate::audit::Directory for TestTenant {
    fn read(&self, wanted: Wanted) -> BoxFuture<'_, Result<Tenant, DirectoryError>> {
        Box::pin(async move { Ok(self.tenant.store().directory.as_tenant(&self.tenant.management_resource, wanted)) })
    }
}

/// For a prober.
impl TestTenant {
    /// Adds the organization and the application that are not there yet.
    pub(in crate::testing) fn ensure(&self, organization: &str, application: &str) {
        let (has_organization, has_application) = {
            let (store, _) = self.change();
            let directory = &store.directory;
            (directory.organizations.contains_key(organization), directory.applications.contains_key(application))
        };
        if !has_organization {
            self.add_organization(organization);
        }
        if !has_application {
            self.add_application(application);
        }
    }
}

impl Directory {
    fn as_tenant(&self, management: &str, wanted: Wanted) -> Tenant {
        let resources = self.resources.iter().map(|resource| {
            let scopes = resource.scopes.iter().map(|scope| &scope.name);
            Resource { management_api: resource.indicator == management, ..Resource::new(&resource.indicator, scopes) }
        });
        let roles = self.roles.iter().map(|role| Role {
            default: role.is_default,
            permissions: self.grants(&role.scopes),
            ..Role::new(&role.name, role.kind.into())
        });
        let organization_roles = self.organization_roles.iter().map(|role| {
            let own = self.organization_scopes.iter().filter(|scope| role.scopes.contains(&scope.id));
            OrganizationRole {
                organization_permissions: own.map(|scope| scope.name.clone()).collect(),
                permissions: self.grants(&role.resource_scopes),
                ..OrganizationRole::new(&role.name, role.kind.into())
            }
        });
        let organizations = self.organizations.iter().filter(|_| wanted.organizations || wanted.members);
        let organizations = organizations.map(|(id, organization)| OrganizationSettings {
            just_in_time_roles: self.template_names(&organization.just_in_time),
            mfa_required: organization.mfa_required,
            ..OrganizationSettings::new(id)
        });
        let tenant = Tenant {
            resources: resources.collect(),
            organization_permissions: self.organization_scopes.iter().map(|scope| scope.name.clone()).collect(),
            roles: roles.collect(),
            organization_roles: organization_roles.collect(),
            organizations: organizations.collect(),
            members: wanted.members.then(|| self.members()),
        };
        tenant.sorted()
    }

    fn members(&self) -> Members {
        let holds = |member: &TenantMember| !member.roles.is_empty() || !member.organizations.is_empty();
        let users = self.users.iter().map(|(id, user)| self.as_member(id, user.suspended, &user.roles));
        let machines = self.applications.iter().map(|(id, machine)| self.as_member(id, false, &machine.roles));
        Members { users: users.filter(holds).collect(), machines: machines.filter(holds).collect() }
    }

    fn grants(&self, scopes: &[String]) -> Vec<Grants> {
        let held = |resource: &super::directory::Resource| {
            let held = resource.scopes.iter().filter(|scope| scopes.contains(&scope.id));
            Grants::new(&resource.indicator, held.map(|scope| &scope.name))
        };
        self.resources.iter().map(held).filter(|grants| !grants.scopes.is_empty()).collect()
    }

    fn template_names(&self, ids: &[String]) -> Vec<String> {
        let roles = self.organization_roles.iter().filter(|role| ids.contains(&role.id));
        roles.map(|role| role.name.clone()).collect()
    }

    fn as_member(&self, id: &str, suspended: bool, roles: &[String]) -> TenantMember {
        let organizations = self.organizations.iter().filter_map(|(organization, settings)| {
            let roles = settings.members.get(id)?;
            Some(Membership::new(organization, self.template_names(roles)))
        });
        TenantMember {
            suspended,
            roles: roles.iter().filter_map(|role| Some(self.role_by_id(role)?.name.clone())).collect(),
            organizations: organizations.collect(),
            ..TenantMember::new(id)
        }
    }
}

impl From<RoleType> for SubjectType {
    fn from(kind: RoleType) -> Self {
        match kind {
            RoleType::User => Self::User,
            RoleType::MachineToMachine => Self::Machine,
        }
    }
}

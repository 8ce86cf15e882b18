//! What a tenant defines and who holds it, for an audit.

use std::collections::{BTreeMap, HashMap};

use super::management::LogtoManagement;
use super::question::Question;
use super::reading::Reading;
use super::records::{self, Malformed, RoleRecord, TemplateRole};
use crate::audit::{
    Directory, DirectoryError, Grants, Membership, OrganizationRole, OrganizationSettings, Resource, Role, SubjectType,
    Tenant, TenantMember, Wanted,
};
use crate::future::BoxFuture;
use crate::json::Object;
use crate::permissions::SourceError;

/// Reads the tenant page by page, within the limits of calls, of which it leaves a quarter to live permissions. A list that
/// changes while it is read, and a role or an organization that is gone, are errors.
impl Directory for LogtoManagement {
    fn read(&self, wanted: Wanted) -> BoxFuture<'_, Result<Tenant, DirectoryError>> {
        Box::pin(async move {
            let tenant = Reading(&self.api).tenant(wanted).await.map_err(DirectoryError::new)?;
            Ok(tenant.sorted())
        })
    }
}

/// Names by id.
type Names = HashMap<String, String>;

impl Reading<'_> {
    async fn tenant(&self, wanted: Wanted) -> Result<Tenant, SourceError> {
        let mut tenant = Tenant::default();
        let mut indicators = Names::new();
        for (id, indicator, scopes) in self.list(Question::ResourcesWithScopes, records::resource_with_scopes).await? {
            indicators.insert(id, indicator.clone());
            let management_api = indicator == self.0.resource || is_management(&indicator);
            tenant.resources.push(Resource { management_api, ..Resource::new(indicator, scopes) });
        }
        tenant.organization_permissions = self.list(Question::OrganizationScopes, records::name).await?;

        let global = self.list(Question::Roles, records::global_role).await?;
        let names: Names = global.iter().map(|role| (role.id.clone(), role.name.clone())).collect();
        let ids: Vec<String> = global.iter().map(|role| role.id.clone()).collect();
        let granted = self.each(&ids, Question::RoleScopes, records::role_scope).await?;
        let mut granted: HashMap<&str, Vec<(String, String)>> = granted.into_iter().collect();
        for role in &global {
            let permissions = grants(granted.remove(&*role.id).unwrap_or_default());
            tenant.roles.push(Role { default: role.is_default, permissions, ..Role::new(&role.name, subjects(role)) });
        }

        let template = self.list(Question::OrganizationRoles, template_role).await?;
        let mut template_names = Names::new();
        for (role, id, held) in template {
            template_names.insert(id, role.name.clone());
            tenant.organization_roles.push(template_of(&role, held, &indicators)?);
        }
        if wanted.organizations || wanted.members {
            tenant.organizations = self.organizations(&template_names).await?;
        }
        if wanted.members {
            let mut people = People { global: &names, template: &template_names, by_id: BTreeMap::new() };
            self.members(&global, &tenant.organizations, &mut people).await?;
            let members = tenant.members.get_or_insert_default();
            for ((subjects, _), member) in people.by_id {
                match subjects {
                    SubjectType::User => members.users.push(member),
                    SubjectType::Machine => members.machines.push(member),
                }
            }
        }
        Ok(tenant)
    }

    async fn organizations(&self, template: &Names) -> Result<Vec<OrganizationSettings>, SourceError> {
        let organizations = self.list(Question::Organizations, records::organization).await?;
        let ids: Vec<String> = organizations.iter().map(|(id, _)| id.clone()).collect();
        let given = self.each(&ids, Question::OrganizationJustInTimeRoles, records::id).await?;
        let mut given: HashMap<&str, Vec<String>> = given.into_iter().collect();
        let settings = organizations.iter().map(|(id, mfa_required)| {
            let roles = given.remove(&**id).unwrap_or_default();
            let just_in_time_roles = roles.iter().map(|role| named(template, role)).collect::<Result<_, _>>()?;
            Ok(OrganizationSettings {
                just_in_time_roles,
                mfa_required: *mfa_required,
                ..OrganizationSettings::new(id)
            })
        });
        settings.collect()
    }

    async fn members(
        &self,
        roles: &[RoleRecord],
        organizations: &[OrganizationSettings],
        people: &mut People<'_>,
    ) -> Result<(), SourceError> {
        let ids = |wanted: SubjectType| {
            let roles = roles.iter().filter(move |role| subjects(role) == wanted);
            roles.map(|role| role.id.clone()).collect::<Vec<_>>()
        };
        let (of_users, of_machines) = (ids(SubjectType::User), ids(SubjectType::Machine));
        for (role, users) in self.each(&of_users, Question::RoleUsers, records::user).await? {
            for (user, suspended) in users {
                people.hold(SubjectType::User, user, suspended, role)?;
            }
        }
        for (role, machines) in self.each(&of_machines, Question::RoleApplications, records::id).await? {
            for machine in machines {
                people.hold(SubjectType::Machine, machine, false, role)?;
            }
        }
        let ids: Vec<String> = organizations.iter().map(|organization| organization.id.clone()).collect();
        for (organization, users) in self.each(&ids, Question::OrganizationUsers, member_user).await? {
            for (user, suspended, roles) in users {
                people.join(SubjectType::User, user, suspended, organization, &roles)?;
            }
        }
        for (organization, machines) in self.each(&ids, Question::OrganizationApplications, member_machine).await? {
            for (machine, roles) in machines {
                people.join(SubjectType::Machine, machine, false, organization, &roles)?;
            }
        }
        Ok(())
    }
}

/// Who holds a role or is a member.
struct People<'a> {
    global: &'a Names,
    template: &'a Names,
    by_id: BTreeMap<(SubjectType, String), TenantMember>,
}

impl People<'_> {
    fn member(&mut self, subjects: SubjectType, id: String, suspended: bool) -> Result<&mut TenantMember, SourceError> {
        let member = self.by_id.entry((subjects, id.clone()));
        let member = member.or_insert_with(|| TenantMember { suspended, ..TenantMember::new(id) });
        if member.suspended == suspended { Ok(member) } else { Err(changed()) }
    }

    fn hold(&mut self, subjects: SubjectType, id: String, suspended: bool, role: &str) -> Result<(), SourceError> {
        let name = named(self.global, role)?;
        self.member(subjects, id, suspended)?.roles.push(name);
        Ok(())
    }

    fn join(
        &mut self,
        subjects: SubjectType,
        id: String,
        suspended: bool,
        organization: &str,
        roles: &[String],
    ) -> Result<(), SourceError> {
        let roles: Vec<String> = roles.iter().map(|role| named(self.template, role)).collect::<Result<_, _>>()?;
        self.member(subjects, id, suspended)?.organizations.push(Membership::new(organization, roles));
        Ok(())
    }
}

fn changed() -> SourceError {
    SourceError::new("the tenant changed while it was read")
}

fn named(names: &Names, id: &str) -> Result<String, SourceError> {
    names.get(id).cloned().ok_or_else(changed)
}

const fn subjects(role: &RoleRecord) -> SubjectType {
    if role.is_machines { SubjectType::Machine } else { SubjectType::User }
}

/// By indicator.
fn grants(scopes: Vec<(String, String)>) -> Vec<Grants> {
    let mut by_resource: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (indicator, scope) in scopes {
        by_resource.entry(indicator).or_default().push(scope);
    }
    by_resource.into_iter().map(|(indicator, scopes)| Grants::new(indicator, scopes)).collect()
}

fn template_of(role: &RoleRecord, held: TemplateRole, indicators: &Names) -> Result<OrganizationRole, SourceError> {
    let scopes = held.resource_scopes.into_iter().map(|(resource, scope)| Ok((named(indicators, &resource)?, scope)));
    Ok(OrganizationRole {
        organization_permissions: held.scopes,
        permissions: grants(scopes.collect::<Result<_, SourceError>>()?),
        ..OrganizationRole::new(&role.name, subjects(role))
    })
}

fn template_role(record: &Object<'_>) -> Result<(RoleRecord, String, TemplateRole), Malformed> {
    let (id, held) = records::template_role(record)?;
    Ok((records::role(record)?, id, held))
}

fn member_user(record: &Object<'_>) -> Result<(String, bool, Vec<String>), Malformed> {
    let (id, suspended) = records::user(record)?;
    Ok((id, suspended, records::organization_roles(record)?))
}

fn member_machine(record: &Object<'_>) -> Result<(String, Vec<String>), Malformed> {
    Ok((records::id(record)?, records::organization_roles(record)?))
}

/// Of every tenant of Logto's cloud, and of every server of one's own.
fn is_management(indicator: &str) -> bool {
    let tenant = indicator.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".logto.app/api"));
    tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains(['/', '.']))
}

//! What a subject holds: the joins of Logto's three models.
//!
//! First what is the subject's own is asked for, then what its roles hold: that is shared with other subjects.

use std::collections::HashSet;
use std::sync::Arc;

use super::api::{Api, Asking};
use super::question::Question;
use super::records::{self, Template};
use super::shared::Pairs;
use super::together::{try_all, try_both};
use crate::permissions::source::{PermissionModel, PermissionQuery, Permissions, SourceError};
use crate::token::SubjectKind;

/// What the subject of a query holds now.
pub(super) async fn permissions(api: &Api, query: &PermissionQuery) -> Result<Permissions, SourceError> {
    use PermissionModel::{Organization, Resource, ResourceInOrganization};
    let id = query.subject_id();
    let is_user = match query.subject_kind() {
        SubjectKind::User => true,
        SubjectKind::Machine => false,
        SubjectKind::Unknown => {
            return Err(SourceError::new("neither a user nor a machine, so Logto cannot be asked").not_asked());
        }
    };
    // The numbers are what is needed as a rule. More may be asked for, and what is not needed is given back.
    match (query.model(), is_user) {
        (Organization { organization }, true) => api.begin(2).await?.user_in_organization(id, organization).await,
        (Organization { organization }, false) => api.begin(2).await?.machine_in_organization(id, organization).await,
        (ResourceInOrganization { indicator, organization }, true) => {
            api.begin(6).await?.user_of_resource(id, indicator, Some(organization)).await
        }
        (ResourceInOrganization { indicator, organization }, false) => {
            api.begin(3).await?.machine_of_resource_in(id, indicator, organization).await
        }
        (Resource { indicator }, true) => api.begin(6).await?.user_of_resource(id, indicator, None).await,
        (Resource { indicator }, false) => api.begin(2).await?.machine_of_resource(id, indicator).await,
    }
}

/// The models.
impl Asking<'_> {
    async fn user_in_organization(&self, user: &str, organization: &str) -> Result<Permissions, SourceError> {
        let scopes = self.list(Question::OrganizationUserScopes(organization, user), records::name);
        let (may_act, scopes) = try_both(self.may_act(user), scopes).await?;
        let scopes = scopes.unwrap_or_default();
        if !may_act {
            return Ok(Permissions::none());
        }
        // A stranger's list is empty, and so is that of a member without permissions.
        if scopes.is_empty() && self.roles_of_member(user, organization, true).await?.is_none() {
            return Ok(Permissions::none());
        }
        Ok(Permissions::of(scopes))
    }

    async fn machine_in_organization(&self, machine: &str, organization: &str) -> Result<Permissions, SourceError> {
        let Some(roles) = self.roles_of_member(machine, organization, false).await? else {
            return Ok(Permissions::none());
        };
        if roles.is_empty() {
            return Ok(Permissions::of([""; 0]));
        }
        let template = self.template().await?;
        let held = roles.iter().filter_map(|role| template.get(role)).flat_map(|role| &role.scopes);
        Ok(Permissions::of(held.map(String::as_str)))
    }

    /// By the global roles, and by those in the organization, or in all of the user's organizations.
    async fn user_of_resource(
        &self,
        user: &str,
        indicator: &str,
        organization: Option<&str>,
    ) -> Result<Permissions, SourceError> {
        let own = async {
            match organization {
                Some(organization) => self.roles_of_member(user, organization, true).await,
                None => self.roles_of_user_everywhere(user).await,
            }
        };
        let global = self.list(Question::UserRoles(user), records::id);
        let (may_act, (own, global)) = try_both(self.may_act(user), try_both(own, global)).await?;
        let (true, Some(own), Some(global)) = (may_act, own, global) else { return Ok(Permissions::none()) };
        let by_template = self.resource_scopes(&own, indicator);
        let (mut scopes, by_roles) = try_both(by_template, self.global_scopes(&global, indicator)).await?;
        scopes.extend(by_roles);
        Ok(Permissions::of(scopes))
    }

    async fn machine_of_resource_in(
        &self,
        machine: &str,
        indicator: &str,
        organization: &str,
    ) -> Result<Permissions, SourceError> {
        match self.roles_of_member(machine, organization, false).await? {
            Some(roles) => Ok(Permissions::of(self.resource_scopes(&roles, indicator).await?)),
            None => Ok(Permissions::none()),
        }
    }

    async fn machine_of_resource(&self, machine: &str, indicator: &str) -> Result<Permissions, SourceError> {
        match self.list(Question::ApplicationRoles(machine), records::id).await? {
            Some(roles) => Ok(Permissions::of(self.global_scopes(&roles, indicator).await?)),
            None => Ok(Permissions::none()),
        }
    }
}

/// What is the subject's own.
impl Asking<'_> {
    /// Whether a user exists and is not suspended.
    async fn may_act(&self, user: &str) -> Result<bool, SourceError> {
        let suspended = self.record(Question::User(user), |body| records::is_suspended(body, user)).await?;
        Ok(suspended == Some(false))
    }

    /// The ids of a member's organization roles; `None` for everybody else.
    async fn roles_of_member(
        &self,
        member: &str,
        organization: &str,
        is_user: bool,
    ) -> Result<Option<Vec<String>>, SourceError> {
        let question = if is_user {
            Question::OrganizationUserRoles(organization, member)
        } else {
            Question::OrganizationApplicationRoles(organization, member)
        };
        self.list(question, records::id).await
    }

    /// The ids of a user's organization roles, in whatever organization.
    async fn roles_of_user_everywhere(&self, user: &str) -> Result<Option<Vec<String>>, SourceError> {
        let organizations = self.list(Question::UserOrganizations(user), records::organization_roles).await?;
        Ok(organizations.map(|organizations| organizations.into_iter().flatten().collect()))
    }
}

/// What roles hold.
impl Asking<'_> {
    /// The scopes of one resource that these organization roles hold. The template names resources by id.
    async fn resource_scopes(&self, roles: &[String], indicator: &str) -> Result<Vec<String>, SourceError> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let template = self.template().await?;
        let roles: HashSet<&String> = roles.iter().collect();
        let held = roles.into_iter().filter_map(|role| template.get(role)).flat_map(|role| &role.resource_scopes);
        let held: Vec<&(String, String)> = held.collect();
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let resources = self.resources().await?;
        let is_meant = |id: &str| resources.iter().any(|(known, name)| known == id && name == indicator);
        Ok(held.into_iter().filter(|(id, _)| is_meant(id)).map(|(_, scope)| scope.clone()).collect())
    }

    /// The scopes of one resource that these global roles hold.
    async fn global_scopes(&self, roles: &[String], indicator: &str) -> Result<Vec<String>, SourceError> {
        let held = try_all(roles.iter().map(|role| self.role(role))).await?;
        let of_resource = held.iter().flat_map(|held| held.iter()).filter(|(resource, _)| resource == indicator);
        Ok(of_resource.map(|(_, scope)| scope.clone()).collect())
    }

    async fn template(&self) -> Result<Arc<Template>, SourceError> {
        let ask = async {
            let roles = self.list(Question::OrganizationRoles, records::template_role).await?;
            Ok(roles.unwrap_or_default().into_iter().collect())
        };
        self.api.shared.template.since(self.began, &self.api.order, ask).await
    }

    async fn resources(&self) -> Result<Arc<Pairs>, SourceError> {
        let ask = async { Ok(self.list(Question::Resources, records::resource).await?.unwrap_or_default()) };
        self.api.shared.resources.since(self.began, &self.api.order, ask).await
    }

    /// A role that is gone meanwhile holds nothing.
    async fn role(&self, id: &str) -> Result<Arc<Pairs>, SourceError> {
        let ask = async { Ok(self.list(Question::RoleScopes(id), records::role_scope).await?.unwrap_or_default()) };
        self.api.shared.role(id).since(self.began, &self.api.order, ask).await
    }
}

//! What a subject holds: the joins of Logto's three models.
//!
//! First what is the subject's own is asked for, each time, then what its roles hold.

use std::sync::Arc;

use futures_util::future::try_join;

use super::api::{Api, Asking};
use super::question::Question;
use super::records;
use crate::permissions::SourceError;
use crate::permissions::source::{PermissionModel, PermissionQuery, Permissions};
use crate::token::SubjectKind;

/// What the subject of a query holds now.
pub(super) async fn permissions(api: &Arc<Api>, query: &PermissionQuery) -> Result<Permissions, SourceError> {
    use PermissionModel::{Memberships, Organization, Resource, ResourceInOrganization};
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
        (Memberships { indicator, client }, true) => {
            api.begin(8).await?.memberships_of_user(id, indicator, client.as_deref()).await
        }
        (Memberships { indicator, .. }, false) => api.begin(3).await?.memberships_of_machine(id, indicator).await,
        (Resource { indicator }, false) => api.begin(2).await?.machine_of_resource(id, indicator).await,
    }
}

/// Whether a user is suspended; `None` if there is none of this id.
pub(super) async fn is_suspended(api: &Arc<Api>, user: &str) -> Result<Option<bool>, SourceError> {
    api.begin(1).await?.suspended(user).await
}

/// The models.
impl Asking {
    async fn user_in_organization(&self, user: &str, organization: &str) -> Result<Permissions, SourceError> {
        let scopes = self.list(Question::OrganizationUserScopes(organization, user), records::name);
        let (may_act, scopes) = try_join(self.may_act(user), scopes).await?;
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
        Ok(Permissions::of(self.organization_scopes(&roles).await?))
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
        let (may_act, (own, global)) = try_join(self.may_act(user), try_join(own, global)).await?;
        let (true, Some(own), Some(global)) = (may_act, own, global) else { return Ok(Permissions::none()) };
        let by_template = self.resource_scopes(&own, indicator);
        let (mut scopes, by_roles) = try_join(by_template, self.global_scopes(&global, indicator)).await?;
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
impl Asking {
    /// Whether a user exists and is not suspended.
    pub(super) async fn may_act(&self, user: &str) -> Result<bool, SourceError> {
        Ok(self.suspended(user).await? == Some(false))
    }

    async fn suspended(&self, user: &str) -> Result<Option<bool>, SourceError> {
        self.record(Question::User(user), |body| records::is_suspended(body, user)).await
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

//! What a subject holds in each of its organizations, through one client: what tokens for those organizations would hold.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::try_join;

use super::api::Asking;
use super::question::Question;
use super::records::{self, Membership, Party};
use crate::permissions::SourceError;
use crate::permissions::source::Permissions;

/// In which organizations a client may act for a user.
enum Through {
    /// It is the tenant's own.
    All,
    /// The user consented to these.
    Only(HashSet<String>),
    Nothing,
}

impl Through {
    fn reaches(&self, organization: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(consented) => consented.contains(organization),
            Self::Nothing => false,
        }
    }
}

impl Asking {
    /// Anything but a clear yes is no: a client that cannot be classified reaches no organization, and one that requires
    /// MFA grants nothing to a user without.
    pub(super) async fn memberships_of_user(
        &self,
        user: &str,
        indicator: &str,
        client: Option<&str>,
    ) -> Result<Permissions, SourceError> {
        let own = self.list(Question::UserOrganizations(user), records::membership);
        let global = self.list(Question::UserRoles(user), records::id);
        let asked = try_join(self.may_act(user), try_join(try_join(own, global), self.through(user, client)));
        let (may_act, ((own, global), through)) = asked.await?;
        let (true, Some(mut own), Some(global)) = (may_act, own, global) else { return Ok(Permissions::none()) };
        own.retain(|membership| through.reaches(&membership.organization));
        if own.iter().any(|membership| membership.is_mfa_required) && !self.has_mfa(user).await? {
            own.retain(|membership| !membership.is_mfa_required);
        }
        if own.is_empty() {
            return Ok(Permissions::of_memberships(std::iter::empty::<(&str, _)>()));
        }
        let global = self.global_scopes(&global, indicator).await?;
        self.scopes_of_each(own, &global, indicator).await
    }

    /// A machine holds what its roles in an organization hold, and nothing else there.
    pub(super) async fn memberships_of_machine(
        &self,
        machine: &str,
        indicator: &str,
    ) -> Result<Permissions, SourceError> {
        match self.list(Question::ApplicationOrganizations(machine), records::membership).await? {
            Some(own) => self.scopes_of_each(own, &[], indicator).await,
            None => Ok(Permissions::none()),
        }
    }

    async fn scopes_of_each(
        &self,
        own: Vec<Membership>,
        global: &[String],
        indicator: &str,
    ) -> Result<Permissions, SourceError> {
        // Most memberships have the same few roles.
        let mut by_roles: HashMap<Vec<String>, Arc<BTreeSet<Box<str>>>> = HashMap::new();
        let mut organizations = Vec::with_capacity(own.len());
        for Membership { organization, mut roles, .. } in own {
            roles.sort_unstable();
            let scopes = if let Some(scopes) = by_roles.get(&roles) {
                scopes.clone()
            } else {
                let scopes = self.resource_scopes(&roles, indicator).await?;
                let scopes = scopes.iter().chain(global).map(|scope| scope.as_str().into()).collect();
                by_roles.entry(roles).or_insert(Arc::new(scopes)).clone()
            };
            organizations.push((organization, scopes));
        }
        Ok(Permissions::of_memberships(organizations))
    }

    async fn through(&self, user: &str, client: Option<&str>) -> Result<Through, SourceError> {
        let Some(client) = client else { return Ok(Through::Nothing) };
        let party = self.record(Question::Application(client), |body| Ok(records::party(body, client))).await?;
        Ok(match party {
            Some(Party::First) => Through::All,
            Some(Party::Third) => {
                let consented = self.pages(Question::ConsentOrganizations(client, user), records::consented).await?;
                consented.map_or(Through::Nothing, |consented| Through::Only(consented.into_iter().collect()))
            }
            Some(Party::Unclear) | None => Through::Nothing,
        })
    }

    async fn has_mfa(&self, user: &str) -> Result<bool, SourceError> {
        let factors = self.list(Question::UserMfa(user), records::id).await?;
        Ok(factors.is_some_and(|factors| !factors.is_empty()))
    }
}

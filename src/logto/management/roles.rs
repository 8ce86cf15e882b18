//! What roles hold: shared by all who have the role.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;

use super::api::Asking;
use super::limits::Need;
use super::question::Question;
use super::records::{self, Template};
use super::shared::{Answer, Pairs, Want};
use crate::permissions::SourceError;

/// The calls of a look-up beside those for roles, as a rule.
const OTHER_CALLS: usize = 5;

impl Asking {
    /// The scopes of the organization itself that these of its roles hold.
    pub(super) async fn organization_scopes(&self, roles: &[String]) -> Result<Vec<String>, SourceError> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let template = self.template().await?;
        let held = roles.iter().filter_map(|role| template.get(role)).flat_map(|role| &role.scopes);
        Ok(held.cloned().collect())
    }

    /// The scopes of one resource that these organization roles hold. The template names resources by id.
    pub(super) async fn resource_scopes(&self, roles: &[String], indicator: &str) -> Result<Vec<String>, SourceError> {
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
    ///
    /// There may be more roles than calls in a window. So first what nothing is known of is read, as far as the calls go: what
    /// was read is kept, and who asks again goes on from there. Then what is known is read anew, the oldest first, as far as
    /// the calls go.
    pub(super) async fn global_scopes(&self, roles: &[String], indicator: &str) -> Result<Vec<String>, SourceError> {
        let want = self.want(roles.len());
        let known = Want { is_content: true, ..want };
        let read = self.each_role(roles.iter().collect(), known, Need::Missing).await?;
        let missing = read.iter().filter(|answer| answer.is_none()).count();
        if missing > 0 {
            return Err(self.api.transport.limits.short_of(missing + OTHER_CALLS));
        }
        let mut oldest_first: Vec<(Option<Duration>, &String)> =
            roles.iter().map(|role| (self.api.shared.role(role).asked_at(), role)).collect();
        oldest_first.sort_unstable();
        let oldest_first = oldest_first.into_iter().map(|(_, role)| role).collect();
        let current = self.each_role(oldest_first, want, Need::Refresh).await?;
        if current.iter().any(Option::is_none) {
            return Err(self.api.transport.limits.short_of(OTHER_CALLS));
        }
        let held = current.iter().flatten().flat_map(|held| held.iter());
        Ok(held.filter(|(resource, _)| resource == indicator).map(|(_, scope)| scope.clone()).collect())
    }

    async fn template(&self) -> Result<Arc<Template>, SourceError> {
        let ask = |asking: Self| async move {
            let roles = asking.list(Question::OrganizationRoles, records::template_role).await?;
            Ok(roles.unwrap_or_default().into_iter().collect())
        };
        self.shared(&self.api.shared.template, ask).await
    }

    async fn resources(&self) -> Result<Arc<Pairs>, SourceError> {
        let ask = |asking: Self| async move {
            Ok(asking.list(Question::Resources, records::resource).await?.unwrap_or_default())
        };
        self.shared(&self.api.shared.resources, ask).await
    }

    /// What each of these roles holds, in their order.
    async fn each_role(
        &self,
        ids: Vec<&String>,
        want: Want,
        need: Need,
    ) -> Result<Vec<Option<Arc<Pairs>>>, SourceError> {
        let mut roles: Vec<_> = ids.into_iter().map(|id| (id, None)).collect();
        let each = roles.iter_mut().map(|(id, role)| {
            let asking = async {
                *role = self.role(id, want, need).await?;
                Ok(())
            };
            asking.boxed()
        });
        try_join_all(each.collect::<Vec<_>>()).await?;
        Ok(roles.into_iter().map(|(_, role)| role).collect())
    }

    /// A role that is gone meanwhile holds nothing.
    async fn role(&self, id: &str, want: Want, need: Need) -> Result<Option<Arc<Pairs>>, SourceError> {
        let ask = |allowance| {
            let (asking, id) = (Self { allowance, ..self.clone() }, id.to_owned());
            async move { Ok(asking.list(Question::RoleScopes(&id), records::role_scope).await?.unwrap_or_default()) }
        };
        let answer = self.api.shared.role(id);
        let reserve = self.noting(&answer, || self.allowance.reserve(need));
        answer.get(want, &self.api.order, || self.now(), reserve, ask).await
    }

    async fn shared<T, F>(&self, answer: &Answer<T>, ask: impl Fn(Self) -> F + Sync) -> Result<Arc<T>, SourceError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, SourceError>> + Send + 'static,
    {
        let reserve =
            self.noting(answer, || self.allowance.foreseen().or_else(|| self.allowance.reserve(Need::Missing)));
        let ask = |allowance| ask(Self { allowance, ..self.clone() });
        let found = answer.get(self.want(0), &self.api.order, || self.now(), reserve, ask).await?;
        found.ok_or_else(|| self.api.transport.limits.short_of(OTHER_CALLS))
    }

    /// Reserves a call, and notes if that is for want of an answer that was waited for and came too early to be used.
    fn noting<T, R>(&self, answer: &Answer<T>, reserve: impl Fn() -> R) -> impl Fn() -> R
    where
        T: Send + Sync + 'static,
    {
        let has_waited = answer.is_asked();
        move || {
            if has_waited {
                self.api.transport.limits.waits.note();
            }
            reserve()
        }
    }

    /// What serves a look-up with so many roles.
    fn want(&self, roles: usize) -> Want {
        let age = self.api.transport.limits.patience_for(roles + OTHER_CALLS);
        let oldest = self.now().saturating_sub(age);
        Want { began: self.began, after: self.api.shared.forgotten(), oldest, is_content: false }
    }

    fn now(&self) -> Duration {
        self.api.transport.now().monotonic
    }
}

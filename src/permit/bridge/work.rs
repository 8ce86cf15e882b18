//! Working the queue off.

use std::time::Duration;

use super::PermitBridge;
use super::wishes::{Job, Outcome, Wish};
use crate::permit::{PermitUser, SyncError};

/// How often a worker looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A job that is being done. Dropped before its end, it lets others try again.
struct Working<'a> {
    bridge: &'a PermitBridge,
    job: Job,
    outcomes: Vec<Outcome>,
}

impl PermitBridge {
    /// Tells Permit.io what is in the queue, for ever: for a task of the application's own. Several may work at the same
    /// time; for one user only one does.
    pub async fn work(self) {
        loop {
            self.work_off().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Tells Permit.io what is due now. What goes wrong in passing stays queued, for a pause that grows to a minute. What
    /// Permit.io rejects is dropped and counted, except for a removal that a wrong key, URL or project prevents: it stays
    /// queued as well.
    pub async fn work_off(&self) {
        loop {
            let now = self.0.clock.now().monotonic;
            // A lock that is held while something waits would be held for long.
            let job = self.wishes().take(now);
            let Some(job) = job else { return };
            let mut working = Working { bridge: self, job, outcomes: Vec::new() };
            for at in 0.. {
                let Some((organization, stated)) = working.job.wishes.get(at) else { break };
                let is_current = self.wishes().is_current(&working.job, at);
                let done = if is_current {
                    self.fulfil(&working.job.user, organization.as_deref(), &stated.wish).await
                } else {
                    Ok(())
                };
                let outcome = match done {
                    Ok(()) => Outcome::Done,
                    Err(error) => {
                        let again = error.is_passing() || stated.wish.takes() && error.is_mendable();
                        tracing::warn!(target: "orgate", event = stated.event, %error, again, "not synchronized");
                        if again { Outcome::Later(error.retry_after()) } else { Outcome::Never }
                    }
                };
                working.outcomes.push(outcome);
            }
        }
    }

    async fn fulfil(&self, user: &str, organization: Option<&str>, wish: &Wish) -> Result<(), SyncError> {
        let permit = &self.0.permit;
        match (wish, organization) {
            (Wish::Sync(user), _) => permit.sync_user(user).await,
            (Wish::Delete, _) => permit.delete_user(user).await,
            (Wish::Join, Some(tenant)) => self.join(user, tenant).await,
            (Wish::Leave, Some(tenant)) => self.leave(user, tenant).await,
            (Wish::Join | Wish::Leave, None) => Ok(()),
        }
    }

    async fn join(&self, user: &str, tenant: &str) -> Result<(), SyncError> {
        let permit = &self.0.permit;
        permit.sync_tenant(tenant, "").await?;
        let assigned = permit.assign_role(user, &self.0.member_role, tenant).await;
        // The membership may be told before the user is. One that is known already must not lose its attributes.
        let is_unknown = matches!(&assigned, Err(error) if error.is_not_found());
        if !is_unknown || permit.roles(user).await?.is_some() || self.wishes().is_deleted(user) {
            return assigned;
        }
        permit.sync_user(&PermitUser::new(user)).await?;
        permit.assign_role(user, &self.0.member_role, tenant).await
    }

    /// Whoever is no member has no role there, not even one that was given at Permit.io.
    async fn leave(&self, user: &str, tenant: &str) -> Result<(), SyncError> {
        let permit = &self.0.permit;
        for (role, of) in permit.roles(user).await?.unwrap_or_default() {
            if of == tenant {
                permit.unassign_role(user, &role, tenant).await?;
            }
        }
        Ok(())
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let now = self.bridge.0.clock.now().monotonic;
        let given_up = self.bridge.wishes().land(&self.job, &self.outcomes, now);
        for event in given_up {
            tracing::error!(target: "orgate", event, "an event for Permit.io was dropped: reconcile");
        }
    }
}

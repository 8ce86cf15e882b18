//! Whether changes leave a verified token valid. Called on every request.

use std::sync::Arc;

use super::apply::Changes;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;

impl Changes {
    /// Whether a verified token still counts, as far as changes are known: from this server's log, if there is one, and from
    /// the list of revocations, which answers at once while it is empty.
    pub(crate) fn judge(self: &Arc<Self>, token: &AccessToken, now: Now) -> Result<(), Rejection> {
        if !self.following.is_current(now) {
            self.behind(now)?;
        }
        let about = |revoked| Rejection::from(revoked).about(token.subject().entry().name(), None);
        self.revocations.judge(token, now, self.leeway).map_err(about)
    }

    /// Whether requests are rejected because the log has not been heard of.
    pub(crate) fn is_behind(self: &Arc<Self>, now: Now) -> bool {
        !self.following.is_current(now) && self.behind(now).is_err()
    }

    /// Whether a verified token still counts in an organization that it does not name.
    pub(crate) fn judge_in(&self, token: &AccessToken, organization: &str, now: Now) -> Result<(), Rejection> {
        let about = |revoked| Rejection::from(revoked).about(token.subject().entry().name(), None);
        self.revocations.judge_in(token, organization, now, self.leeway).map_err(about)
    }
}

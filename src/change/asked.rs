//! What others ask.

use std::sync::Arc;
use std::time::SystemTime;

use super::apply::Changes;
use super::journal::Journal;
use super::revocations::RevocationCounts;
use crate::token::IssuerId;

impl Changes {
    pub(crate) fn revocations(&self) -> RevocationCounts {
        self.revocations.counts()
    }

    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    /// The journal of a file beside a log that is shared.
    pub(crate) fn journal_beside(&self) -> Option<&Arc<Journal>> {
        self.beside.as_ref()
    }

    /// The issuers that something may be known of, by what they are called outside this process.
    pub(super) fn issuers(&self) -> Vec<(Arc<str>, IssuerId)> {
        let expected = self.lock();
        let mut issuers: Vec<_> = expected.ids.iter().map(|(iss, id)| (iss.clone(), *id)).collect();
        issuers.extend(self.entries.load().iter().map(|entry| (entry.iss().clone(), entry.id())));
        issuers
    }

    /// Until when a revocation by hand reaches: no token that the issuer has signed by now says to be younger.
    pub(crate) fn hand_reaches(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.clock.now().unix.saturating_add(self.leeway)
    }
}

//! The rows as facts, for a log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::entry::{EntryRows, TOKEN_AHEAD};
use super::row::{Lifetime, Stamp};
use crate::change::{FactKey, Rank};

fn rank(stamp: Stamp) -> Rank {
    Rank::new(SystemTime::UNIX_EPOCH + Duration::from_secs(stamp.min(LATEST)), true)
}

/// The year 9999, which every platform's clock can hold.
const LATEST: Stamp = 253_402_300_799;

impl EntryRows {
    /// Each row that still counts.
    pub(super) fn facts(&self, life: Lifetime) -> Vec<(FactKey, Rank)> {
        let mut facts = Vec::with_capacity(self.weight());
        let mut note = |key: FactKey, stamp: Option<Stamp>| {
            facts.extend(stamp.filter(|stamp| life.is_alive(*stamp)).map(|stamp| (key, rank(stamp))));
        };
        note(FactKey::Everyone, self.everyone());
        self.organizations.each(|organization, row| {
            note(FactKey::organization(organization.clone()), row.not_before());
            for (member, stamp) in &row.members {
                note(FactKey::member(organization.clone(), Arc::<str>::from(&**member)), Some(*stamp));
            }
        });
        self.clients.each(|client, row| note(FactKey::client(client.clone()), *row));
        self.tokens.each(|token, row| {
            let at = row.filter(|stamp| life.is_alive(*stamp)).map(|stamp| rank(stamp.saturating_sub(TOKEN_AHEAD)));
            facts.extend(at.map(|at| (FactKey::token(token.clone()), at)));
        });
        self.subjects.each(|subject, row| {
            let alive = |stamp: Option<Stamp>| stamp.filter(|stamp| life.is_alive(*stamp)).map(rank);
            facts.extend(alive(row.not_before).map(|at| (FactKey::subject(subject.clone()), at)));
            facts.extend(alive(row.deleted).map(|at| (FactKey::deletion(subject.clone()), at)));
            facts.extend(row.suspension.map(|suspension| (FactKey::suspension(subject.clone()), suspension.0)));
        });
        facts
    }
}

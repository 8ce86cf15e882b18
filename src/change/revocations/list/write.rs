//! How a fact is written down, by one writer at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MAX_LEEWAY, RevocationList};
use crate::change::revocations::Revocation;
use crate::change::revocations::entry::{Entries, EntryRows, Of};
use crate::change::revocations::row::{Lifetime, Stamp, Suspension, unix};
use crate::change::revocations::shrink::shrink;

/// What only writers need to know.
#[derive(Default)]
pub(super) struct Book {
    pub(super) rows: usize,
    pub(super) suspensions: usize,
    /// The suspensions that were lifted, the oldest first.
    lifted: BTreeSet<(Duration, Arc<str>, Arc<str>)>,
    pub(super) next_look: Stamp,
}

/// What must be said aloud, once no lock is held.
#[derive(Default)]
pub(super) struct Told {
    pub(super) weakened: usize,
    pub(super) merged: usize,
}

impl RevocationList {
    pub(super) fn write(
        &self,
        book: &mut Book,
        issuer_name: &str,
        revocation: Revocation<'_>,
        life: Lifetime,
        told: &mut Told,
    ) {
        let (of, moment) = match revocation {
            Revocation::Everyone { not_before } => (Of::Everyone, not_before),
            Revocation::Subject { subject, not_before } => (Of::Subject(subject), not_before),
            Revocation::Member { organization, subject, not_before } => (Of::Member(organization, subject), not_before),
            Revocation::Organization { organization, not_before } => (Of::Organization(organization), not_before),
            Revocation::Client { client, not_before } => (Of::Client(client), not_before),
            Revocation::Token { token_id, at } => (Of::Token(token_id), at),
            Revocation::Deletion { subject, at } => (Of::Deleted(subject), at),
            Revocation::Suspension { subject, suspended, at } => {
                let (name, entry) = self.entry(issuer_name);
                return self.suspend(book, &name, &entry, subject, Suspension { at: unix(at), suspended }, told);
            }
        };
        // A token that is known by its `jti` alone may have been issued by a clock ahead of the one that revoked it.
        let ahead = if matches!(of, Of::Token(_)) { MAX_LEEWAY } else { 0 };
        let stamp = unix(moment).as_secs().saturating_add(ahead);
        if !life.is_alive(stamp) {
            return;
        }
        let (_, entry) = self.entry(issuer_name);
        let before = entry.weight();
        entry.raise(of, stamp);
        book.rows = (book.rows + entry.weight()).saturating_sub(before);
    }

    /// The rows of an entry, which are there from now on.
    fn entry(&self, name: &str) -> (Arc<str>, Arc<EntryRows>) {
        let entries = self.entries.load();
        if let Some((name, entry)) = entries.get_key_value(name) {
            return (name.clone(), entry.clone());
        }
        let (name, entry) = (Arc::from(name), Arc::new(EntryRows::new()));
        let mut more = Entries::clone(&entries);
        more.insert(Arc::clone(&name), Arc::clone(&entry));
        self.entries.store(Arc::new(more));
        (name, entry)
    }

    fn suspend(
        &self,
        book: &mut Book,
        name: &Arc<str>,
        entry: &EntryRows,
        subject: &str,
        next: Suspension,
        told: &mut Told,
    ) {
        let Ok(known) = entry.suspend(subject, next) else { return };
        let subject: Arc<str> = subject.into();
        match known {
            Some(known) if !known.suspended => _ = book.lifted.remove(&(known.at, name.clone(), subject.clone())),
            Some(_) => {}
            None => book.suspensions += 1,
        }
        if !next.suspended {
            book.lifted.insert((next.at, name.clone(), subject.clone()));
        }
        if book.suspensions <= self.max_suspensions {
            return;
        }
        book.suspensions -= 1;
        if let Some((_, name, subject)) = book.lifted.pop_first() {
            if let Some(entry) = self.entries.load().get(&name) {
                entry.forget_suspension(&subject);
            }
        } else {
            let before = entry.weight();
            entry.raise(Of::Subject(&subject), next.at.as_secs());
            entry.forget_suspension(&subject);
            book.rows = (book.rows + entry.weight()).saturating_sub(before);
            told.weakened += 1;
        }
    }

    /// Lets go of what has ended, now and then. If there is no room, the entries with most rows get coarser ones.
    pub(super) fn make_room(&self, book: &mut Book, life: Lifetime, told: &mut Told) {
        let mut entries = Entries::clone(&self.entries.load());
        if book.next_look <= life.now {
            book.next_look = life.now.saturating_add(life.lasting / 4);
            for entry in entries.values() {
                entry.let_go(life, false);
            }
            book.rows = entries.values().map(|entry| entry.weight()).sum();
        }
        let is_full = book.rows > self.max_rows;
        // An eighth at once, so that the next writers find room.
        let goal = self.max_rows - self.max_rows / 8;
        let before = book.rows;
        while is_full && book.rows > goal {
            let Some(largest) = entries.values().max_by_key(|entry| entry.weight()) else { break };
            told.weakened += shrink(largest, book.rows - goal, life);
            let left = entries.values().map(|entry| entry.weight()).sum();
            if left >= book.rows {
                break;
            }
            book.rows = left;
        }
        told.merged += before - book.rows;
        entries.retain(|_, entry| !entry.is_idle(life));
        self.is_empty.store(entries.is_empty(), Ordering::Release);
        self.entries.store(Arc::new(entries));
    }
}

//! How a fact is written down, by one writer at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::RevocationList;
use super::suspended::{Suspended, TakenOut};
use crate::change::revocations::entry::{Entries, EntryRows, Of, Rows, TOKEN_AHEAD};
use crate::change::revocations::row::{Lifetime, Stamp, Suspension};
use crate::change::revocations::shrink::shrink;
use crate::change::{FactKey, Rank};
use crate::lock::step;
use crate::token::IssuerId;

/// How many removed entries are remembered, the latest ones: for as long as a request may take.
const MOST_REMOVED: usize = 4096;

/// What only writers need to know.
#[derive(Default)]
pub(super) struct Book {
    pub(super) rows: usize,
    pub(super) suspended: Suspended,
    pub(super) next_look: Stamp,
}

/// What must be said aloud, once no lock is held.
#[derive(Default)]
pub(super) struct Told {
    pub(super) weakened: usize,
    /// In another entry than that of the fact.
    pub(super) weakened_elsewhere: usize,
    pub(super) merged: usize,
}

impl RevocationList {
    /// Whether the fact says more than was known.
    pub(super) fn write(
        &self,
        book: &mut Book,
        issuer: IssuerId,
        key: &FactKey,
        rank: Rank,
        life: Lifetime,
        told: &mut Told,
    ) -> bool {
        let of = match key {
            FactKey::Everyone => Of::Everyone,
            FactKey::Subject { subject } => Of::Subject(subject),
            FactKey::Member { organization, subject } => Of::Member(organization, subject),
            FactKey::Organization { organization } => Of::Organization(organization),
            FactKey::Client { client } => Of::Client(client),
            FactKey::Token { token_id } => Of::Token(token_id),
            FactKey::Deletion { subject } => Of::Deleted(subject),
            FactKey::Suspension { subject } => {
                let Some(entry) = self.rows_of(issuer) else { return false };
                return self.suspend(book, issuer, &entry, subject, Suspension(rank), told);
            }
        };
        let ahead = if matches!(of, Of::Token(_)) { TOKEN_AHEAD } else { 0 };
        let stamp = rank.since_epoch().as_secs().saturating_add(ahead);
        if !life.is_alive(stamp) {
            return false;
        }
        let Some(entry) = self.rows_of(issuer) else { return false };
        let before = entry.weight();
        let is_news = entry.raise(of, stamp);
        book.rows = (book.rows + entry.weight()).saturating_sub(before);
        is_news
    }

    /// The rows of an entry, which are there from now on; `None` if it was removed.
    fn rows_of(&self, issuer: IssuerId) -> Option<Arc<EntryRows>> {
        let entries = self.entries.load();
        if let Some(rows) = entries.get(&issuer) {
            return rows.held().cloned();
        }
        let rows = Arc::new(EntryRows::new());
        let mut more = Entries::clone(&entries);
        more.insert(issuer, Rows::Held(rows.clone()));
        step();
        self.entries.store(Arc::new(more));
        Some(rows)
    }

    fn suspend(
        &self,
        book: &mut Book,
        issuer: IssuerId,
        entry: &EntryRows,
        subject: &str,
        next: Suspension,
        told: &mut Told,
    ) -> bool {
        let Ok(known) = entry.suspend(subject, next) else { return false };
        book.suspended.note(issuer, subject, known.map(|known| known.0), next.0);
        if book.suspended.count() > self.bounds.suspensions
            && let Some(out) = book.suspended.make_room(issuer, subject, next.0)
        {
            self.weaken(book, &out, out.issuer == issuer, told);
        }
        true
    }

    /// A suspension that stands becomes *not before* of its subject.
    fn weaken(&self, book: &mut Book, out: &TakenOut, is_of_fact: bool, told: &mut Told) {
        let entries = self.entries.load();
        let Some(rows) = entries.get(&out.issuer).and_then(Rows::held) else { return };
        if out.rank.is_strict() {
            let before = rows.weight();
            rows.raise(Of::Subject(&out.subject), out.rank.since_epoch().as_secs());
            book.rows = (book.rows + rows.weight()).saturating_sub(before);
            *(if is_of_fact { &mut told.weakened } else { &mut told.weakened_elsewhere }) += 1;
        }
        // Last: whoever judges meanwhile finds one or the other.
        rows.forget_suspension(&out.subject);
    }

    pub(super) fn write_removal(&self, book: &mut Book, issuer: IssuerId, until: Stamp) {
        let mut entries = Entries::clone(&self.entries.load());
        if let Some(Rows::Held(rows)) = entries.insert(issuer, Rows::Removed(until)) {
            book.rows = book.rows.saturating_sub(rows.weight());
            book.suspended.remove(issuer);
        }
        let removed = entries.iter().filter(|(_, rows)| rows.held().is_none()).map(|(id, _)| *id);
        let (count, oldest) = removed.fold((0, None), |(count, oldest), id| (count + 1, oldest.or(Some(id))));
        if let Some(oldest) = oldest.filter(|_| count > MOST_REMOVED) {
            entries.remove(&oldest);
        }
        step();
        self.entries.store(Arc::new(entries));
        self.is_empty.store(false, Ordering::Release);
    }

    /// Lets go of what has ended, now and then. If there is no room, the entries with most rows get coarser ones.
    pub(super) fn make_room(&self, book: &mut Book, life: Lifetime, told: &mut Told) {
        let mut entries = Entries::clone(&self.entries.load());
        let is_time = book.next_look <= life.now;
        let held = |entries: &Entries| entries.values().filter_map(Rows::held).cloned().collect::<Vec<_>>();
        let rows = held(&entries);
        let weight = || rows.iter().map(|entry| entry.weight()).sum();
        if is_time {
            book.next_look = life.now.saturating_add(life.lasting / 4);
            for entry in &rows {
                entry.let_go(life, false);
            }
            book.rows = weight();
        }
        let is_full = book.rows > self.bounds.rows;
        // An eighth at once, so that the next writers find room.
        let goal = self.bounds.rows - self.bounds.rows / 8;
        let before = book.rows;
        while is_full && book.rows > goal {
            let Some(largest) = rows.iter().max_by_key(|entry| entry.weight()) else { break };
            told.weakened += shrink(largest, book.rows - goal, life);
            let left = weight();
            if left >= book.rows {
                break;
            }
            book.rows = left;
        }
        told.merged += before - book.rows;
        entries.retain(|_, rows| match rows {
            Rows::Held(rows) => !rows.is_idle(life),
            Rows::Removed(until) => life.now < *until,
        });
        self.is_empty.store(entries.is_empty(), Ordering::Release);
        step();
        self.entries.store(Arc::new(entries));
    }
}

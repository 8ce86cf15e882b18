//! Reading the feed: entry by entry, each of which must follow the one before.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::cause::{Cause, End};
use super::codec::Unbelieved;
use super::feed::Entry;
use super::link::Link;
use super::session::Session;
use super::standing::Position;
use super::status::count;
use crate::change::Update;
use crate::lock::lock;

/// How often it is said that something is not believed: there may be a million of them.
const SAID_EVERY: Duration = Duration::from_secs(1);
const MOST_SHOWN: usize = 200;
/// How often whatever is remembered is dropped for entries that are not believed. The source of live permissions may be asked
/// for all of it again.
const MISSED_EVERY: Duration = Duration::from_secs(1);

impl Link {
    /// Reads until something is odd.
    pub(super) async fn tail(&self, session: &Session, updates: &Sender<Update>) -> End {
        let mut told: Option<Instant> = None;
        loop {
            let is_due = told.is_none_or(|told| told.elapsed() >= MISSED_EVERY);
            if is_due && lock(&self.standing).has_missed {
                if updates.send(Update::Gap).await.is_err() {
                    return End::Gone;
                }
                told = Some(Instant::now());
                lock(&self.standing).has_missed = false;
            }
            let Some(position) = lock(&self.standing).position.clone() else { return End::Odd(Cause::Start) };
            let entries = match session.read(&position).await {
                Ok(entries) => entries,
                Err(fault) => return fault.into(),
            };
            for entry in entries {
                if let Err(end) = self.take(entry, updates).await {
                    return end;
                }
            }
            self.confirm();
            if self.settle(updates).await.is_err() {
                return End::Gone;
            }
        }
    }

    async fn take(&self, entry: super::session::RawEntry, updates: &Sender<Update>) -> Result<(), End> {
        let Some(position) = lock(&self.standing).position.clone() else { return Err(End::Odd(Cause::Start)) };
        let entry = Entry::of(entry).ok_or(End::Odd(Cause::Fork))?;
        follows(&position, &entry).map_err(End::Odd)?;
        match entry.update(&self.codec) {
            Ok(update) => {
                self.see(entry.field());
                updates.send(update).await.map_err(|_| End::Gone)?;
                count(&self.counters.applied, 1);
            }
            Err(unbelieved) => {
                self.refuse(unbelieved, entry.field());
                if unbelieved == Unbelieved::Mac {
                    // It may be true.
                    if !lock(&self.standing).is_in_doubt {
                        return Err(End::Odd(Cause::Unbelieved));
                    }
                    self.doubt(entry.field(), entry.value());
                    lock(&self.standing).has_missed = true;
                }
            }
        }
        lock(&self.standing).advance(entry.number, entry.nonce);
        Ok(())
    }

    /// A row or an entry that is not believed is left out, counted, and reported once a second.
    pub(super) fn refuse(&self, unbelieved: Unbelieved, field: &str) {
        let counter = match unbelieved {
            Unbelieved::Mac => &self.counters.refused_mac,
            Unbelieved::Broken => &self.counters.refused_unknown,
        };
        count(counter, 1);
        let now = Instant::now();
        let is_due = {
            let mut both = lock(&self.refused_said);
            let said = match unbelieved {
                Unbelieved::Mac => &mut both.0,
                Unbelieved::Broken => &mut both.1,
            };
            let is_due = said.is_none_or(|said| now.saturating_duration_since(said) >= SAID_EVERY);
            if is_due {
                *said = Some(now);
            }
            is_due
        };
        if is_due {
            let total = counter.load(Ordering::Relaxed);
            // Whoever can write to Redis chooses it, and how long it is.
            let field: String = field.chars().take(MOST_SHOWN).collect();
            match unbelieved {
                Unbelieved::Mac => {
                    tracing::error!(target: "orgate", field, total, "a fact in Redis is not signed by this fleet");
                }
                Unbelieved::Broken => {
                    tracing::warn!(target: "orgate", field, total, "a fact in Redis is of an unknown kind, or cannot be read");
                }
            }
        }
    }

    /// Sends `Current` if this replica has become current. An error if the receiver is gone.
    pub(super) async fn settle(&self, updates: &Sender<Update>) -> Result<(), ()> {
        let settled = lock(&self.standing).settle();
        if let Some(as_of) = settled {
            updates.send(Update::current(as_of)).await.map_err(drop)?;
            *lock(&self.error) = None;
            self.look();
        }
        Ok(())
    }
}

fn follows(position: &Position, entry: &Entry) -> Result<(), Cause> {
    if entry.generation != position.generation {
        Err(Cause::Lost)
    } else if Some(entry.number) != position.number.checked_add(1) {
        Err(Cause::Gap)
    } else if entry.before != position.tip {
        Err(Cause::Fork)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::RawEntry;
    use super::*;

    fn entry(number: u64, before: &str) -> Entry {
        let words = ["f", "", "v", "", "x", "n", "p", before].map(|word| word.as_bytes().to_vec());
        let raw: RawEntry = (format!("7-{number}"), words.to_vec());
        Entry::of(raw).unwrap()
    }

    #[test]
    fn entry_that_does_not_follow_is_told_by_what_is_odd() {
        let at = |number| Position { generation: "7".to_owned(), number, tip: "t".to_owned() };
        assert_eq!(follows(&at(3), &entry(4, "t")), Ok(()));
        assert_eq!(follows(&at(3), &entry(5, "t")), Err(Cause::Gap));
        assert_eq!(follows(&at(3), &entry(4, "u")), Err(Cause::Fork));
        assert_eq!(follows(&Position { generation: "8".to_owned(), ..at(3) }, &entry(4, "t")), Err(Cause::Lost));
        // Who can write to Redis chooses the numbers.
        assert_eq!(follows(&at(u64::MAX), &entry(0, "t")), Err(Cause::Gap));
        assert_eq!(follows(&at(u64::MAX), &entry(u64::MAX, "t")), Err(Cause::Gap));
    }
}

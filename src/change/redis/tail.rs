//! Reading the feed: entry by entry, each of which must follow the one before.

use tokio::sync::mpsc::Sender;

use super::cause::{Cause, End};
use super::codec::Unbelieved;
use super::feed::Entry;
use super::link::Link;
use super::session::Session;
use super::standing::Position;
use super::status::count;
use crate::change::Update;
use crate::lock::lock;

impl Link {
    /// Reads until something is odd.
    pub(super) async fn tail(&self, session: &Session, updates: &Sender<Update>) -> End {
        loop {
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
            Err(unbelieved) => self.refuse(unbelieved, entry.field()),
        }
        lock(&self.standing).advance(entry.number, entry.nonce);
        Ok(())
    }

    /// A row or an entry that is not believed is left out, counted and reported.
    pub(super) fn refuse(&self, unbelieved: Unbelieved, field: &str) {
        match unbelieved {
            Unbelieved::Mac => {
                count(&self.counters.refused_mac, 1);
                tracing::error!(target: "orgate", field, "a fact in Redis is not signed by this fleet");
            }
            Unbelieved::Broken => {
                count(&self.counters.refused_unknown, 1);
                tracing::warn!(target: "orgate", field, "a fact in Redis is of an unknown kind, or cannot be read");
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

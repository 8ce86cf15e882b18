//! Publishing: what was applied here becomes known to all.

use std::time::Duration;

use tokio::time::timeout;

use super::cause::{Fault, FaultKind};
use super::feed::Row;
use super::link::{Link, Open};
use super::session::Outcome;
use super::status::count;
use crate::change::{Change, Fact, FactKey, LogError};
use crate::lock::lock;
use crate::signature::random;

/// Rows of one call.
pub(super) const BATCH: usize = 500;
/// How long a server is waited for. The journal ends an attempt after ten seconds and begins another one.
const WAIT: Duration = Duration::from_secs(8);

impl Link {
    /// Publishes changes, and waits until Redis has them.
    pub(super) async fn publish(&self, changes: &[Change]) -> Result<(), LogError> {
        let rows: Vec<Row> = changes.iter().map(|change| self.row(change)).collect();
        for row in &rows {
            self.see(&row.field);
        }
        let mut open = self.open.subscribe();
        let found = timeout(WAIT, open.wait_for(Option::is_some)).await;
        let open = found.ok().and_then(Result::ok).and_then(|open| open.clone());
        let Some(mut open) = open else {
            let why = lock(&self.error).as_ref().map_or_else(|| "not connected".to_owned(), ToString::to_string);
            return Err(LogError::new(format!("Redis cannot be used: {why}")));
        };
        self.put(&mut open, &rows).await.map_err(|fault| {
            let error = LogError::new(format!("Redis: {fault}"));
            let is_usable = fault.leaves_connection();
            self.failed(fault);
            if !is_usable {
                self.broken.notify_one();
            }
            error
        })
    }

    /// Writes rows, and waits until enough of Redis's own replicas have them.
    pub(super) async fn put(&self, open: &mut Open, rows: &[Row]) -> Result<(), Fault> {
        self.write(open, rows).await?;
        if rows.is_empty() { Ok(()) } else { open.commands.confirmed().await }
    }

    /// Writes rows, and remembers them until they were read back.
    pub(super) async fn write(&self, open: &mut Open, rows: &[Row]) -> Result<(), Fault> {
        for rows in rows.chunks(BATCH) {
            let mut words = Vec::with_capacity(rows.len() * 3);
            for Row { field, value } in rows {
                words.extend([field.clone(), value.clone(), nonce()?]);
            }
            match open.commands.put(&open.generation, &words).await? {
                Outcome::Done((number, refused)) => {
                    if refused > 0 {
                        count(&self.counters.refused_future, refused);
                        tracing::error!(target: "orgate", refused, "facts more than a day ahead of Redis's clock are not published");
                    }
                    count(&self.counters.published, rows.len() as u64 - refused.min(rows.len() as u64));
                    lock(&self.unconfirmed).add(&open.generation, number, rows.to_vec());
                    self.confirm();
                }
                Outcome::Other | Outcome::Lost => {
                    return Err(Fault::new(FaultKind::Other, "the table was lost in the meantime"));
                }
            }
        }
        Ok(())
    }

    /// Lets go of what the tail has read already.
    pub(super) fn confirm(&self) {
        let position = lock(&self.standing).position.clone();
        if let Some(position) = position {
            lock(&self.unconfirmed).confirm(&position.generation, position.number);
        }
    }

    fn row(&self, change: &Change) -> Row {
        match change.fact() {
            Some(fact) => self.row_of(&fact),
            None => Row::of_change(&self.codec, change),
        }
    }

    /// A fact for which the table has no room becomes a coarser one, which rejects more.
    pub(super) fn row_of(&self, fact: &Fact) -> Row {
        let is_full = self.rows.load(std::sync::atomic::Ordering::Relaxed) >= self.settings.max_rows;
        let stays = matches!(fact.key(), FactKey::Suspension { .. } | FactKey::Deletion { .. } | FactKey::Everyone);
        if is_full && !stays && !self.has_seen(&Row::of_fact(&self.codec, fact).field) {
            return Row::of_fact(&self.codec, &Fact::new(fact.issuer(), FactKey::Everyone, fact.rank()));
        }
        Row::of_fact(&self.codec, fact)
    }
}

/// By which an entry is told from every other one.
fn nonce() -> Result<String, Fault> {
    let octets = random::<8>().ok_or_else(|| Fault::new(FaultKind::Other, "the system has no random octets"))?;
    Ok(format!("{:016x}", u64::from_be_bytes(octets)))
}

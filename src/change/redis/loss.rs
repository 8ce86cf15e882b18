//! A table that was lost, and no replica that knew it.

use std::time::SystemTime;

use tokio::sync::mpsc::Sender;

use super::cause::End;
use super::feed::Row;
use super::link::{Link, Open};
use super::session::{Beat, Session};
use super::settings::AfterLoss;
use crate::change::{About, Change, Facts, Rank, Update};
use crate::lock::lock;

impl Link {
    /// Ends the time in which others may still push what they know. If none of them knew what was true before, it was lost.
    pub(super) async fn release(
        &self,
        beat: &Beat,
        session: &Session,
        held: &dyn Facts,
        updates: &Sender<Update>,
    ) -> Result<(), End> {
        let lost_doubted = {
            let standing = lock(&self.standing);
            // What was put back may be in what was not read yet.
            let may_be_put_back = standing.lost_doubted && !standing.has_read(beat.number);
            if standing.hold.is_none_or(|until| beat.now <= until) || may_be_put_back {
                return Ok(());
            }
            standing.lost_doubted
        };
        if !beat.is_whole || lost_doubted {
            self.conclude_loss(session, held, updates).await?;
        }
        // Last: until then nothing makes this replica current.
        let mut standing = lock(&self.standing);
        (standing.hold, standing.lost_at, standing.lost_doubted) = (None, None, false);
        Ok(())
    }

    /// Does what the operator wants done, and marks the generation, so that it is done once.
    async fn conclude_loss(&self, session: &Session, held: &dyn Facts, updates: &Sender<Update>) -> Result<(), End> {
        let Some(generation) = lock(&self.standing).position.as_ref().map(|position| position.generation.clone())
        else {
            return Ok(());
        };
        let policy = self.settings.after_loss;
        tracing::error!(target: "orgate", policy = policy.as_str(), "Redis lost its data and no replica has a copy: earlier revocations are unknown");
        let mut commands = session.commands.clone();
        if policy == AfterLoss::RefuseOlder {
            let at = *lock(&self.standing).lost_at.get_or_insert(held.now().unix);
            let at = SystemTime::UNIX_EPOCH + at;
            let mut rows = vec![Row::of_loss(&self.codec, Rank::new(at, true))];
            updates.send(Update::lost(at)).await.map_err(|_| End::Gone)?;
            for issuer in held.issuers() {
                let change = Change::not_before(issuer, About::Everyone, at);
                rows.push(Row::of_change(&self.codec, &change));
                updates.send(Update::Change(change)).await.map_err(|_| End::Gone)?;
            }
            for row in &rows {
                self.see(&row.field);
            }
            let mut open = Open { commands: commands.clone(), generation: generation.clone() };
            self.put(&mut open, &rows).await?;
        }
        commands.open(Some(&generation), held.token_life(), true).await?;
        Ok(())
    }

    /// Whether this replica knows what was true before a generation that it joins: it was current once, or a file kept it, and
    /// there was nothing that it did not believe.
    pub(super) fn knows(&self, held: &dyn Facts) -> bool {
        let has_kept = held.has_kept();
        let standing = lock(&self.standing);
        !standing.is_in_doubt && (has_kept || standing.as_of.is_some())
    }
}

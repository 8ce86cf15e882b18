//! A table that was lost, and no replica that knew it.

use std::time::SystemTime;

use tokio::sync::mpsc::Sender;

use super::cause::End;
use super::feed::Row;
use super::link::{Link, Open};
use super::session::{Beat, Session};
use super::settings::AfterLoss;
use crate::change::{About, Change, Facts, Update};
use crate::lock::lock;

impl Link {
    /// Ends the time in which others may still push what they know. If there are no others, it was lost.
    pub(super) async fn release(
        &self,
        beat: &Beat,
        session: &Session,
        held: &dyn Facts,
        updates: &Sender<Update>,
    ) -> Result<(), End> {
        let found_nothing = {
            let mut standing = lock(&self.standing);
            if standing.hold.is_none_or(|until| beat.now <= until) {
                return Ok(());
            }
            standing.hold = None;
            std::mem::take(&mut standing.found_nothing)
        };
        // Others that knew something would have published it by now.
        if !found_nothing || beat.replicas > 1 && beat.number > 0 {
            return Ok(());
        }
        let policy = self.settings.after_loss;
        tracing::error!(target: "orgate", policy = policy.as_str(), "the table in Redis was empty, and no other replica knows anything: what was revoked before is not known");
        if policy == AfterLoss::GoOn {
            return Ok(());
        }
        let at = SystemTime::UNIX_EPOCH + held.now().unix;
        let mut rows = Vec::new();
        for issuer in held.issuers() {
            let change = Change::not_before(issuer, About::Everyone, at);
            rows.push(Row::of_change(&self.codec, &change));
            updates.send(Update::Change(change)).await.map_err(|_| End::Gone)?;
        }
        for row in &rows {
            self.see(&row.field);
        }
        let generation = lock(&self.standing).position.as_ref().map(|position| position.generation.clone());
        if let Some(generation) = generation {
            self.put(&mut Open { commands: session.commands.clone(), generation }, &rows).await?;
        }
        Ok(())
    }
}

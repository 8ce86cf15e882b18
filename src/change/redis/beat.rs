//! Asking whether this replica is current.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::cause::{Cause, End, Fault, FaultKind};
use super::link::Link;
use super::session::{Outcome, Session};
use crate::change::{Facts, Update};
use crate::lock::lock;

/// A tail that does not move for so long, while the feed goes on, is opened anew.
const STALLED: Duration = Duration::from_secs(2);

impl Link {
    /// Beats until something is odd.
    pub(super) async fn beats(&self, session: &Session, held: &dyn Facts, updates: &Sender<Update>) -> End {
        let mut ticks = tokio::time::interval(self.settings.beat);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut commands = session.commands.clone();
        let (mut stood_at, mut stood_for) = (0, Duration::ZERO);
        loop {
            ticks.tick().await;
            self.look();
            let Some(position) = lock(&self.standing).position.clone() else { return End::Odd(Cause::Start) };
            // What is acknowledged before the beat is sent is there when it is answered.
            let acknowledged = lock(&self.unconfirmed).reaches(&position.generation);
            let sent = held.now().monotonic;
            let beat = match commands.beat(&self.replica, &position).await {
                Ok(Outcome::Done(beat)) => beat,
                Ok(Outcome::Other) => return End::Odd(Cause::Fork),
                Ok(Outcome::Lost) => return End::Odd(Cause::Lost),
                // The server answers: whether it has room or copies again is seen at the next beat.
                Err(fault) if fault.leaves_connection() => {
                    self.failed(fault);
                    continue;
                }
                Err(fault) => return fault.into(),
            };
            self.replicas.store(beat.replicas.max(1), Ordering::Relaxed);
            self.rows.store(beat.rows, Ordering::Relaxed);
            if let Err(end) = self.release(&beat, session, held, updates).await {
                return end;
            }
            let number = beat.number;
            if acknowledged > number {
                // What was acknowledged is not there: it is published again.
                return End::Odd(Cause::Fork);
            }
            lock(&self.standing).expect(sent, number);
            if self.settle(updates).await.is_err() {
                return End::Gone;
            }
            let standing_at = lock(&self.standing).position.as_ref().map_or(0, |position| position.number);
            let is_stalled = lock(&self.standing).is_behind() && standing_at == stood_at;
            stood_for = if is_stalled { stood_for + self.settings.beat } else { Duration::ZERO };
            stood_at = standing_at;
            if stood_for >= STALLED {
                return Fault::new(FaultKind::TimedOut, "the feed goes on and nothing of it arrives").into();
            }
        }
    }
}

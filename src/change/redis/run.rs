//! The task that talks to Redis, for as long as the server lives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, sleep_until};

use super::cause::{Cause, End, Fault, FaultKind};
use super::link::{Link, Open};
use super::session::{Outcome, Session};
use super::status::count;
use crate::change::{Facts, Update};
use crate::issuer::keys::jitter;
use crate::lock::lock;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two comparisons.
const APART: Duration = Duration::from_secs(1);

/// Connects, compares, follows; and again, whatever ended it.
pub(super) async fn run(link: Arc<Link>, held: Arc<dyn Facts>, updates: Sender<Update>) {
    let was_followed = link.was_followed.swap(true, Ordering::AcqRel);
    let mut cause = Some(if was_followed { Cause::Gap } else { Cause::Start });
    let mut pause = FIRST_PAUSE;
    let mut compared: Option<Instant> = None;
    loop {
        if cause.is_some()
            && let Some(compared) = compared
        {
            sleep_until(compared + APART).await;
        }
        let before = lock(&link.standing).as_of;
        let end = link.session(&mut cause, &mut compared, &*held, &updates).await;
        link.open.send_replace(None);
        link.look();
        if lock(&link.standing).as_of > before {
            pause = FIRST_PAUSE;
        }
        match end {
            End::Gone => return,
            End::Odd(odd) => cause = Some(odd),
            End::Failed(fault) => {
                tracing::warn!(target: "orgate", error = %fault, "Redis cannot be used");
                link.failed(fault);
                sleep(pause.mul_f64(0.5 + jitter() / 2.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if updates.is_closed() {
            return;
        }
    }
}

impl Link {
    /// One pair of connections, until something is odd.
    async fn session(
        &self,
        cause: &mut Option<Cause>,
        compared: &mut Option<Instant>,
        held: &dyn Facts,
        updates: &Sender<Update>,
    ) -> End {
        let session = match Session::open(&self.settings, &self.keys, self.tls.as_ref()).await {
            Ok(session) => session,
            Err(fault) => return fault.into(),
        };
        count(&self.counters.connects, 1);
        lock(&self.standing).forget_beats();
        if matches!(cause, None | Some(Cause::Regular)) {
            match self.resume(&session).await {
                Ok(None) => {}
                Ok(odd) => *cause = odd,
                Err(fault) => return fault.into(),
            }
        }
        if let Some(odd) = *cause {
            *compared = Some(Instant::now());
            match self.reconcile(&session, odd, held, updates).await {
                Ok(()) => {}
                // The server answers: it is compared again the next time.
                Err(End::Failed(fault)) if odd == Cause::Regular && fault.leaves_connection() => self.failed(fault),
                Err(end) => return end,
            }
            *cause = None;
        }
        let Some(generation) = lock(&self.standing).position.as_ref().map(|position| position.generation.clone())
        else {
            return End::Odd(Cause::Start);
        };
        let mut open = Open { commands: session.commands.clone(), generation };
        let again = lock(&self.unconfirmed).take();
        if let Err(fault) = self.write(&mut open, &again).await {
            lock(&self.unconfirmed).add("", u64::MAX, again);
            return fault.into();
        }
        self.open.send_replace(Some(open));
        let regular = self.compares_every().mul_f64(0.8 + 0.4 * jitter());
        tokio::select! {
            end = self.tail(&session, updates) => end,
            end = self.beats(&session, held, updates) => end,
            () = self.broken.notified() => Fault::new(FaultKind::Other, "a publication failed").into(),
            () = sleep(regular) => End::Odd(Cause::Regular),
            () = updates.closed() => End::Gone,
        }
    }

    /// Whether the feed is the one that this replica has read, and reaches back to where it stood.
    async fn resume(&self, session: &Session) -> Result<Option<Cause>, Fault> {
        let Some(position) = lock(&self.standing).position.clone() else { return Ok(Some(Cause::Start)) };
        if lock(&self.unconfirmed).is_incomplete {
            return Ok(Some(Cause::Fork));
        }
        Ok(match session.commands.clone().look(&position).await? {
            Outcome::Done(_) => None,
            Outcome::Other => Some(Cause::Fork),
            Outcome::Lost => Some(Cause::Lost),
        })
    }
}

//! One delivery, judged by its head before its body is read.

use std::fmt;
use std::time::SystemTime;

use super::event::Event;
use super::receiver::{MAX_AGE, Webhooks};
use super::signing::SigningKeys;
use super::verify::{Signature, WebhookError};
use crate::server::IssuerHandle;

/// The event of a delivery that was not believed: nothing of it is read.
pub(super) const UNREAD: &str = "unread";

/// A delivery whose head says whom it is for and holds a signature. Made by [`Webhooks::begin`].
#[must_use]
pub struct Delivery<'a> {
    webhooks: &'a Webhooks,
    handle: IssuerHandle,
    keys: SigningKeys,
    signature: Signature,
}

/// Counts a delivery for an entry that is known.
pub(super) fn count(of: &IssuerHandle, event: &'static str, outcome: &'static str) {
    of.server().state.meter.note(|to| match of.name() {
        Ok(name) => to.webhook(&name, event, outcome),
        Err(_) => to.webhook(of.issuer(), event, outcome),
    });
}

impl<'a> Delivery<'a> {
    pub(super) fn new(webhooks: &'a Webhooks, handle: IssuerHandle, keys: SigningKeys, signature: Signature) -> Self {
        Self { webhooks, handle, keys, signature }
    }

    /// Verifies the body, applies the event, and calls [`on_event`](Webhooks::on_event).
    ///
    /// An event that is older than [`MAX_AGE`] only takes away: it neither sets nor lifts a suspension, and `on_event` is not
    /// called.
    ///
    /// # Errors
    ///
    /// Same as [`verify`](super::verify). Nothing was applied then.
    pub fn finish(self, raw_body: &[u8]) -> Result<Event, WebhookError> {
        let outcome = self.apply(raw_body);
        match &outcome {
            Ok((event, is_stale)) => self.count(event.kind().as_str(), if *is_stale { "stale" } else { "applied" }),
            Err(error) => self.count(UNREAD, error.as_str()),
        }
        outcome.map(|(event, _)| event)
    }

    fn apply(&self, raw_body: &[u8]) -> Result<(Event, bool), WebhookError> {
        let event = self.signature.verify(raw_body, &self.keys)?;
        let now = SystemTime::UNIX_EPOCH + self.handle.server().state.clock.now().unix;
        let age = now.duration_since(event.created_at()).unwrap_or_default();
        let is_stale = age > MAX_AGE;
        self.handle.apply_event(&event, is_stale).map_err(|_| WebhookError::Removed)?;
        if is_stale {
            let (issuer, event) = (self.handle.issuer(), event.name());
            tracing::warn!(target: "orgate", issuer, event, age_s = age.as_secs(), "a late webhook was applied only as far as it takes rights away");
            self.webhooks.count_stale();
        } else {
            self.webhooks.tell(&event);
        }
        Ok((event, is_stale))
    }

    /// Counts a delivery whose body did not arrive whole, for those who read the body themselves.
    pub fn broke_off(&self, error: WebhookError) {
        self.count(UNREAD, error.as_str());
    }

    fn count(&self, event: &'static str, outcome: &'static str) {
        count(&self.handle, event, outcome);
    }

    /// Returns the handle of the issuer entry that the delivery is for.
    #[must_use]
    pub fn handle(&self) -> &IssuerHandle {
        &self.handle
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("handle", &self.handle).finish_non_exhaustive()
    }
}

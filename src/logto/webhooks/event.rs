//! One event, as it was signed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::created_at;
use super::effect::Effect;
use super::kind::EventKind;
use super::verify::WebhookError;
use crate::json::Object;

/// An event of Logto's whose signature was right. Made by [`verify`](super::verify) only.
///
/// A cheap clone. Its `Debug` form holds nothing of the payload, which is personal data.
#[derive(Clone)]
pub struct Event(Arc<Delivered>);

struct Delivered {
    name: Box<str>,
    hook_id: Option<Box<str>>,
    created_at: Duration,
    kind: EventKind,
    payload: Box<[u8]>,
}

impl Event {
    /// Reads a body whose signature was right.
    pub(super) fn read(body: &[u8]) -> Result<Self, WebhookError> {
        let payload = Object::parse(body)
            .map_err(|_| WebhookError::Unreadable("not one JSON object with unique member names"))?;
        let text = |name| payload.string(name).ok().flatten();
        let name = text("event").ok_or(WebhookError::Unreadable("event is not a string"))?;
        let created_at = text("createdAt")
            .and_then(|date| created_at::parse(&date))
            .ok_or(WebhookError::Unreadable("createdAt is not a date of the form 2026-11-20T13:34:45.914Z"))?;
        Ok(Self(Arc::new(Delivered {
            hook_id: text("hookId").map(Into::into),
            created_at,
            kind: EventKind::read(&name, &payload),
            name: name.into(),
            payload: body.into(),
        })))
    }

    /// The event's name as Logto writes it, `User.Deleted` for instance.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What happened, as far as this crate knows the name.
    #[must_use]
    pub fn kind(&self) -> &EventKind {
        &self.0.kind
    }

    /// Which hook delivered it.
    #[must_use]
    pub fn hook_id(&self) -> Option<&str> {
        self.0.hook_id.as_deref()
    }

    /// When it happened, by the issuer's clock, to the millisecond. Events are ordered by this and not by their arrival.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.0.created_at
    }

    /// Which knowledge about permissions is no longer true.
    #[must_use]
    pub fn effect(&self) -> Effect<'_> {
        Effect::of(&self.0.kind)
    }

    /// Parses the whole payload, Logto's `data` being one member of it, into a type of yours. Each call parses anew.
    ///
    /// # Errors
    ///
    /// When the payload does not fit `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_slice(&self.0.payload).map_err(|error| PayloadError(Arc::new(error)))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.0.name)
            .field("created_at", &self.0.created_at)
            .field("hook_id", &self.0.hook_id)
            .finish_non_exhaustive()
    }
}

/// The payload of an event does not fit the type that was asked for.
#[derive(Clone)]
pub struct PayloadError(Arc<serde_json::Error>);

impl fmt::Debug for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadError({self})")
    }
}

impl fmt::Display for PayloadError {
    // Category and place only: serde_json's own words may quote the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the payload does not fit ({:?} error at column {})", self.0.classify(), self.0.column())
    }
}

impl std::error::Error for PayloadError {}

#[cfg(test)]
mod tests;

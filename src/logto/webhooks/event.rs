//! One event, as it was signed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kind::EventKind;
use super::verify::WebhookError;
use super::{changes, created_at};
use crate::change::Change;
use crate::json::Object;

/// A Logto event whose signature was verified. Made only by [`verify`](super::verify).
///
/// A cheap clone. Its `Debug` form holds nothing of the payload, which is personal data.
///
/// Serialized as one string, the payload as it was signed, so that an event that one replica verified can be handed to
/// another. Nothing is verified when it is read back: deserialize only what comes from a replica.
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
            .map_err(|_| WebhookError::Unreadable { why: "not one JSON object with unique member names" })?;
        let text = |name| payload.string(name).ok().flatten();
        let name = text("event").ok_or(WebhookError::Unreadable { why: "event is not a string" })?;
        let created_at = text("createdAt")
            .and_then(|date| created_at::parse(&date))
            .ok_or(WebhookError::Unreadable { why: "createdAt is not a date of the form 2026-11-20T13:34:45.914Z" })?;
        Ok(Self(Arc::new(Delivered {
            hook_id: text("hookId").map(Into::into),
            created_at,
            kind: EventKind::read(&name, &payload),
            name: name.into(),
            payload: body.into(),
        })))
    }

    /// Returns the event's name as Logto writes it, for example `User.Deleted`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the kind of the event.
    #[must_use]
    pub fn kind(&self) -> &EventKind {
        &self.0.kind
    }

    /// Returns the id of the hook that delivered the event.
    #[must_use]
    pub fn hook_id(&self) -> Option<&str> {
        self.0.hook_id.as_deref()
    }

    /// Returns when the event happened, by the issuer's clock, to the millisecond. Events are ordered by this time and
    /// not by their arrival.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.0.created_at
    }

    /// Returns the changes that follow from the event, for the issuer entry with this first `iss` value.
    ///
    /// | event | changes |
    /// |---|---|
    /// | `User.Deleted` | the subject is deleted |
    /// | `User.SuspensionStatus.Updated` | *not before* of the subject; it is suspended or restored |
    /// | `Organization.Deleted` | the organization is deleted |
    /// | `Organization.Data.Updated` | the organization is edited |
    /// | `Organization.Membership.Updated` | each removed member is deleted, each added one edited; where members may have been removed whom the event does not name, *not before* of the organization; where others may have been added, it is edited |
    /// | `Organization.UserRoles.Updated` | the members that it names are edited, or else the organization |
    /// | `OrganizationRole.*`, `OrganizationScope.*` | the organization template is edited |
    /// | `Role.*`, `Scope.*` | API permissions are edited |
    /// | every other, and one that lacks the id it is about | none |
    ///
    /// An organization whose removed members are not all named loses the tokens of those who stayed too. They get new ones
    /// without a sign-in, and those who were removed do not.
    #[must_use]
    pub fn changes(&self, issuer: &str) -> Vec<Change> {
        changes::of(&self.0.kind, issuer, self.created_at())
    }

    /// Whether the name says that something was taken away, and the payload does not say whom it is about: the console's test
    /// button sends such.
    pub(super) fn names_nobody(&self) -> bool {
        self.0.kind == EventKind::Other && changes::TAKING_AWAY.contains(&self.name())
    }

    /// Deserializes the whole payload into your type. Logto's `data` is one member of it. Each call parses anew.
    ///
    /// # Errors
    ///
    /// Returns an error if the payload does not fit `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_slice(&self.0.payload).map_err(|error| PayloadError(Arc::new(error)))
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payload = std::str::from_utf8(&self.0.payload).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(payload)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = String::deserialize(deserializer)?;
        Self::read(payload.as_bytes()).map_err(serde::de::Error::custom)
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

/// An error of [`Event::payload`]: the payload does not fit the type.
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

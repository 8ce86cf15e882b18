//! Logto's webhooks: a delivery is verified over its raw bytes, then parsed.
//!
//! [`verify`] is a pure function of the request's headers, its body and the signing keys. It knows no framework: a handler
//! reads at most [`MAX_BODY_BYTES`] of the body and answers 401, 413 or 400 as the [`WebhookError`] says, otherwise 200.
//!
//! A delivery can be replayed and can overtake another: nothing of the transport is signed but the body. What an event
//! means is therefore ordered by its [`created_at`](Event::created_at) alone. Logto makes one attempt and never repeats it,
//! and sends nothing at all when the role of a member, a user or an application changes: webhooks make some changes arrive
//! sooner, and are never the guarantee.
//!
//! ```
//! use orgate::logto::webhooks::{EventKind, SigningKeys, WebhookError, verify};
//!
//! # fn main() -> Result<(), orgate::ConfigError> {
//! // As the console shows them. During a rotation both are valid.
//! let keys = SigningKeys::new(["the old signing key", "the new signing key"])?;
//!
//! let body = br#"{"event":"Role.Deleted","createdAt":"2026-11-20T13:35:07.347Z"}"#;
//! assert!(matches!(verify(&http::HeaderMap::new(), body, &keys), Err(WebhookError::MissingSignature)));
//! # Ok(())
//! # }
//! ```

mod changes;
mod created_at;
mod delivery;
mod event;
mod kind;
mod membership;
mod receiver;
mod signing;
mod verify;

pub use delivery::Delivery;
pub use event::{Event, PayloadError};
pub use kind::{Change, EventKind};
pub use membership::MembershipChange;
pub use receiver::{MAX_AGE, Webhooks};
pub use signing::SigningKeys;
pub use verify::{MAX_BODY_BYTES, WebhookError, verify};

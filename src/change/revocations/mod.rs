//! Which tokens count no longer, although they are valid.
//!
//! A JWT says nothing about what happened after it was issued. [`Revocations`] keeps what did and judges every request by
//! it, those with a cached token too. [`RevocationList`] keeps it in memory, so every replica must hear every webhook or be
//! told by hand; a shared store implements the same trait.
//!
//! | fact | refuses | answer | ends |
//! |---|---|---|---|
//! | *not before*, of a subject, a member, an organization, a client or the whole issuer entry | tokens issued at that moment or earlier, without leeway, and tokens without `iat` | `refresh` | after the longest life of a token |
//! | a single token, by `jti` | that token | `refresh` | after the longest life of a token |
//! | a deleted user | all tokens of the subject, whatever their `iat` | `authenticate` | after the longest life of a token |
//! | a suspended user | all tokens of the subject, whatever their `iat` | `authenticate` | when a later event lifts it |
//!
//! All of it is about one issuer entry, because ids are unique within one only. Moments are the *issuer's*: the
//! [`created_at`](crate::logto::webhooks::Event::created_at) of an event, never the time of its receipt. A *not before* only moves
//! forward and a suspension is decided by the latest event about it, so deliveries may be repeated and may overtake one
//! another. Where a suspension and its end bear the same moment, the user stays suspended.
//!
//! # Members
//!
//! A token is *of an organization* when its audience is `urn:logto:organization:{id}` or its organization claim is the id
//! ([`organizations_of`]). A removed member's token without an organization stays valid until it ends: it is about the API
//! and not about that organization, although Logto puts the API permissions of all the user's organizations into it. A route
//! that must not wait for its end asks for live permissions; an application that wants every token of a removed member
//! renewed records [`Revocation::Subject`] beside.

mod apply;
mod entry;
mod fact;
mod list;
mod row;
mod shards;
mod shrink;

use std::sync::Arc;

pub use apply::apply;
pub use fact::{Revocation, Revoked, organizations_of};
pub use list::RevocationList;

use crate::time::Now;
use crate::token::AccessToken;

/// What is known about revoked tokens and blocked subjects.
///
/// An implementation of your own must be as the module's table says, and must not forget: where it runs out of room it
/// refuses more.
pub trait Revocations: Send + Sync + 'static {
    /// Whether a verified token still counts. Called on every request: it must be cheap and must not block.
    ///
    /// # Errors
    ///
    /// When it does not, with the reason. A block comes before every other reason.
    fn judge(&self, token: &AccessToken, now: Now) -> Result<(), Revoked>;

    /// Takes note of a fact about the issuer entry of this name. To record it again, or after a later one, changes nothing.
    fn record(&self, issuer_name: &str, revocation: Revocation<'_>, now: Now);
}

impl<R: Revocations + ?Sized> Revocations for Arc<R> {
    fn judge(&self, token: &AccessToken, now: Now) -> Result<(), Revoked> {
        (**self).judge(token, now)
    }

    fn record(&self, issuer_name: &str, revocation: Revocation<'_>, now: Now) {
        (**self).record(issuer_name, revocation, now);
    }
}

#[cfg(test)]
mod tests;

//! Which tokens are rejected although they are valid.
//!
//! A JWT says nothing about what happened after it was issued. The list keeps what did, and every request is judged by it,
//! those with a cached token too.
//!
//! | fact | rejects | remediation | ends |
//! |---|---|---|---|
//! | *not before*, of a subject, a member, an organization, a client or the whole issuer entry | tokens issued at that moment or earlier, without leeway, and tokens without `iat` | `refresh` | after the longest life of a token |
//! | a single token, by `jti` | that token | `refresh` | after the longest life of a token |
//! | a deleted subject | all its tokens, whatever their `iat` | `authenticate` | after the longest life of a token |
//! | a suspended subject | all its tokens, whatever their `iat` | `authenticate` | when a later change lifts it |
//!
//! What rejects a subject's tokens also rejects those in which it acts for another one. While a *not before* lies ahead of
//! this server's clock, a new token would be rejected too: tokens issued shortly before it receive `retry` with the time left.
//!
//! # Members
//!
//! A token is *of an organization* when its audience or its organization claim names it. A removed member's token without an
//! organization stays valid until it ends: it is about the API and not about that organization, although Logto puts the API
//! permissions of all the user's organizations into it. A route that must not wait for its end asks for live permissions; an
//! application that wants every token of a removed member renewed revokes the subject beside.

mod entry;
mod export;
mod list;
mod row;
mod shards;
mod shrink;
mod verdict;

pub(crate) use list::{Bounds, Recorded, RevocationList};
pub use verdict::RevocationCounts;
#[cfg(test)]
use verdict::Revoked;

#[cfg(test)]
mod tests;

//! From unverified bytes to an [`AccessToken`](crate::AccessToken).
//!
//! One function, [`verify`], reads top to bottom as a token is judged; everything it calls is synchronous and pure.

mod cache;
mod claims;
mod entries;
mod header;
mod proof;
mod rules;
mod segments;
mod times;
mod verify;

pub(crate) use cache::VerifiedTokens;
#[cfg(feature = "introspection")]
pub(crate) use claims::judge_introspected;
pub(crate) use entries::{Entries, Entry};
pub(crate) use rules::{DEFAULT_ORGANIZATION_CLAIM, DEFAULT_SCOPE_CLAIM, IssuerRules, ORGANIZATION_URN};
pub use rules::{MachineMark, Profile, ScopeForm};
pub(crate) use times::judge as judge_times;
pub(crate) use verify::{AwaitedKey, MissingKey, Unverified, verify};

#[cfg(test)]
mod vectors;

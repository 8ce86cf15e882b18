//! From unverified bytes to an [`AccessToken`](crate::AccessToken).
//!
//! One function, [`verify`], reads top to bottom as a token is judged; everything it calls is synchronous and pure.

mod cache;
mod claims;
mod header;
mod jwt;
mod segments;
mod times;

pub(crate) use cache::{VerifiedTokens, stands};
pub(crate) use claims::judge_introspected;
pub(in crate::token) use header::UnverifiedHeader;
pub(crate) use jwt::{AwaitedKey, Search, verify};
pub(in crate::token) use segments::Segments;
pub(crate) use times::judge as judge_times;

#[cfg(test)]
mod vectors;

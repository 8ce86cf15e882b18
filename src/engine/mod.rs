//! Decides requests: framework-free, and synchronous wherever nothing must be fetched.
//!
//! A [`Requirement`] is a policy that one server requires. [`authorize`](Requirement::authorize) decides a request by it;
//! the Tower layer and the axum guard do the same and translate the outcome. `decide` reads top to bottom as a request is
//! judged. It decides at one instant, from what is at hand: what is missing is obtained by `resolve`, kept as evidence, and
//! the decision is made again.

mod admission;
mod again;
mod agreement;
mod apart;
mod decide;
mod evidence;
mod expected;
mod explain;
mod grant;
mod held;
#[cfg(test)]
pub(crate) mod interleavings;
mod later;
mod metadata;
mod need;
mod observe;
mod outcome;
mod owned_record;
mod permits;
mod recheck;
mod record;
mod requirement;
mod resolve;
mod sender;
mod shadow;
mod span;
mod state;
pub(crate) mod tally;
mod verify;

pub(crate) use again::{NotRenewed, Presented, grant_again, still_permits};
pub(crate) use agreement::Agreements;
pub use agreement::{Agreement, ShadowCounts, ShadowRecord};
pub use grant::Grant;
pub(crate) use grant::next_nonce;
pub(crate) use held::Held;
pub(crate) use later::{Instant, Later};
pub(crate) use need::{MissingKey, Need, Stop};
pub use observe::Observer;
pub(crate) use observe::Observers;
pub use outcome::Outcome;
pub(crate) use owned_record::OwnedRecord;
pub(crate) use permits::{PermitSettings, Permits};
pub(crate) use recheck::{Lapse, lapse};
pub use record::{Record, TokenCache, Wait, WaitedFor};
pub use requirement::Requirement;
pub(crate) use requirement::{Begun, Pending};
pub(crate) use sender::NextNonce;
pub(crate) use state::{Live, Reached, State};
pub(crate) use verify::verify;

//! Changes at an issuer after its tokens were issued.
//!
//! A [`Change`] states that something which was true no longer is: a subject was suspended, a member removed, a role edited,
//! tokens up to a moment revoked. A server applies it at once: when that returns, the next request is judged by it. Most
//! changes also state a [`Fact`], which is kept until no token it rejects can be valid any more.
//!
//! Facts form a lattice: each has a key and a rank from the issuer's time, and the larger rank wins. Repeated deliveries and
//! other orders change nothing, and two memories merge by union. A [`Log`] keeps changes beyond the process, in a file or in a
//! store that replicas share.

mod about;
mod apply;
mod asked;
#[allow(clippy::module_inception, reason = "named after its one type")]
mod change;
mod confirm;
mod driver;
mod epoch;
mod expected;
mod fact;
mod file;
mod following;
#[cfg(orgate_fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod invalidations;
mod journal;
mod judge;
mod log;
#[cfg(feature = "redis")]
pub mod redis;
mod revocations;
mod row;
mod taking_in;
mod text;
mod writing;

pub use about::{About, Effect};
pub(crate) use apply::{Applied, Changes, Follower, Parts};
pub use change::Change;
pub(crate) use epoch::Epoch;
pub use fact::{Fact, FactKey, Facts, Rank};
pub use file::{FileLog, FileSettings, FileSync};
pub(crate) use invalidations::{Introspected, Invalidations, InvalidationsByName, Question};
pub(crate) use journal::Journal;
pub use log::{Log, LogError, Staleness, Update, Updates};
pub(crate) use revocations::Bounds;
pub use revocations::RevocationCounts;

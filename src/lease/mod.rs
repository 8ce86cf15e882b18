//! Leases: grants that are watched while a connection uses them.
//!
//! A request is judged once. A WebSocket, an event stream or a streaming call goes on for hours after that, whatever becomes
//! of its subject. A [`Lease`] is what such a request was granted, watched: it is over at the token's `exp` and the leeway, at
//! once on a change that concerns it, and on routes with [`fresh_within`](crate::Policy::fresh_within) or
//! [`live`](crate::Policy::live) within that time (5 s for `live`) of a loss that no change tells of.
//!
//! No lease has a task or a timer of its own: one task a server does what is due, for as long as there are leases. A change
//! costs as much as there are leases that it concerns. Leases whose permissions are one question share its answer.
//!
//! Inside, the registry (`leases`) knows a lease as a `watch`. A lease may have a `watch::Listener`, which receives every change
//! that concerns it and each answer about its subject, whether or not that ends it: a feed of permissions is such a lease, with the
//! settings' own question (`wish::Also`), and needs neither a task nor a timer.

mod anew;
mod body;
mod driver;
mod ended;
mod follower;
mod groups;
#[cfg(test)]
mod interleavings;
mod last;
#[allow(clippy::module_inception, reason = "named after its one type")]
mod lease;
mod leases;
mod more;
mod place;
mod queue;
mod right;
mod stream;
mod table;
mod topic;
mod waiter;
mod waiters;
mod watch;
mod wheel;
mod wish;

pub(crate) use body::Fault;
pub use body::LeasedBody;
pub use ended::{EndReason, Ended};
pub use lease::Lease;
pub(crate) use leases::{LeaseBounds, Leases};
pub use stream::LeasedStream;
pub(crate) use watch::Listener;
pub use wish::LeaseSettings;

//! That a proof passes once (RFC 9449 section 11.1).

mod memory;
mod proof_use;
mod store;

pub(super) use memory::{Recorded, ReplayMemory};
pub use proof_use::ProofUse;
pub(crate) use proof_use::{Asker, Mark, ProofKey};
pub use store::{ReplayStore, ReplayStoreError};

//! Proofs of possession (RFC 9449): a JWT for each request, signed with the key that the token is bound to.

mod claims;
mod key;
mod nonce;
mod proofs;
mod replay;
mod settings;
mod target;
mod verify;

pub(crate) use key::BoundKey;
pub use nonce::Nonces;
pub(crate) use proofs::{Proofs, Unrecorded, Unshared};
pub use replay::{ProofUse, ReplayStore, ReplayStoreError};
pub use settings::Dpop;
pub(crate) use verify::{Presented, ProofError, Proven};

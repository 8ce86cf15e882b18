//! Sender-constrained access tokens: bound to a key by DPoP (RFC 9449), or to a client certificate (RFC 8705).
//!
//! A bound token states what it is bound to in its `cnf` claim (RFC 7800). A stolen one is worthless without the private
//! key of the proof, or of the certificate.

mod bindings;
mod certificate;
mod confirmation;
mod dpop;
mod thumbprint;

pub(crate) use bindings::{BindingSettings, Bindings};
pub use certificate::{MutualTls, Peer, TrustedPeers};
pub(crate) use confirmation::Confirmation;
pub(crate) use dpop::{BoundKey, Presented, ProofError, Proofs, Proven, Unrecorded, Unshared};
pub use dpop::{Dpop, Nonces, ProofUse, ReplayStore, ReplayStoreError};
pub(crate) use thumbprint::Thumbprint;

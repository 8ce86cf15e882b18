//! What changes at an issuer after its tokens were issued.

pub mod revocations;

//! Trusted issuers: their settings, their keys, and the rules by which their tokens are read.

mod claim_name;
mod clock;
mod dated;
pub mod keys;
mod rules;
mod settings;
mod trusted;

pub use claim_name::{ClaimName, claim_path};
pub(crate) use clock::IssuerClock;
pub(crate) use dated::Dated;
pub(crate) use rules::{
    DEFAULT_ACR_CLAIM, DEFAULT_AUTH_TIME_CLAIM, DEFAULT_ORGANIZATION_CLAIM, DEFAULT_SCOPE_CLAIM, IssuerRules,
    ORGANIZATION_URN,
};
pub use rules::{MachineMark, Profile, ScopeForm};
pub use settings::Issuer;
pub(crate) use settings::Keys;
pub(crate) use trusted::{Lasting, TrustedIssuer, TrustedIssuers};

pub use crate::signature::Algorithm;

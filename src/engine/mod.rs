//! Decides requests: framework-free, synchronous wherever nothing must be fetched.

mod deciding;
mod found;
mod known;
mod need;
mod permits;
mod state;

#[cfg(feature = "axum")]
pub(crate) use deciding::Deciding;
pub(crate) use found::Found;
pub(crate) use known::{Known, RETRY_AFTER};
pub(crate) use need::{MissingKey, Need, Stop};
pub(crate) use permits::{PermitSettings, Permits};
pub(crate) use state::{Live, State};

mod bearer;
mod challenge;
mod error;
mod json;
mod jwt;
pub mod keys;
mod rejection;
mod scope;
mod signature;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod token;
pub use error::ConfigError;
pub use signature::Algorithm;

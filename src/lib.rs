mod challenge;
mod error;
mod json;
mod rejection;
mod scope;
mod signature;
pub mod time;
pub use error::ConfigError;
pub use signature::Algorithm;

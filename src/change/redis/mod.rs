//! A log that replicas share through Redis or Valkey.
//!
//! What is true is the union of what the replicas hold. Redis keeps a table of it for those that start, and a short feed of
//! what is new. Each replica knows how old its knowledge is, and requests never wait for Redis: see [`Redis`].

mod address;
mod beat;
mod builder;
mod cause;
mod codec;
mod connect;
mod doubt;
mod edit;
mod feed;
#[cfg(orgate_fuzzing)]
mod fuzzing;
mod keys;
mod link;
mod log;
mod loss;
mod proofs;
mod publish;
mod reconcile;
mod run;
mod script;
mod session;
mod settings;
mod standing;
mod status;
mod tail;
mod tls;

pub use builder::RedisBuilder;
#[cfg(orgate_fuzzing)]
pub use fuzzing::{believed_entry, believed_fact, written_fact};
pub use log::Redis;
pub use settings::{AfterLoss, WhenBehind};
pub use status::{RedisCounts, RedisState, RedisStatus};

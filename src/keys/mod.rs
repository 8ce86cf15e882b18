//! Where keys come from, how long they live, and what happens while an issuer cannot be reached.
//!
//! Every issuer entry has one store. The store's life cycle is a pure state machine, fed with time and events; a thin
//! task per fetch does what it says. A request whose key is known never waits.

mod discovery;
mod fetch;
#[cfg(feature = "http-client")]
pub(crate) mod http_client;
mod jwk;
mod ready;
mod state;
mod store;

pub(crate) use discovery::{KeySource, Origin, is_loopback};
pub use fetch::{Fetch, FetchError, MAX_DOCUMENT_BYTES};
#[cfg(test)]
pub(crate) use jwk::Selection;
pub(crate) use jwk::{KeyRules, KeySet};
pub use ready::NotReady;
pub(crate) use ready::all_ready;
pub(crate) use state::Arrival;
pub(crate) use store::{KeyRefusal, KeyStore, Lookup};

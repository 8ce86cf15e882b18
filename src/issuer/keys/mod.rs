//! Where keys come from, how long they live, and what happens while an issuer cannot be reached.
//!
//! Every issuer entry has one store. The store's life cycle is a pure state machine, fed with time and events; a thin
//! task per fetch does what it says. A request whose key is known never waits.

mod compromised;
mod discovery;
mod event;
mod generation;
mod jwk;
mod operate;
mod ready;
mod refresh;
mod select;
mod state;
mod status;
mod store;

pub(crate) use compromised::Compromised;
pub(crate) use discovery::{Document, KeySource, Origin};
pub use event::KeyEvent;
pub(crate) use event::Watcher;
pub(crate) use generation::Generation;
pub(crate) use jwk::{KeyRules, KeySet, parse_key};
pub use operate::RefreshError;
pub(crate) use operate::refresh;
pub use ready::NotReady;
pub(crate) use ready::all_ready;
pub(crate) use refresh::RefreshSettings;
pub(crate) use refresh::jitter;
#[cfg(test)]
pub(crate) use select::Selection;
pub(crate) use select::Sought;
pub(crate) use state::Arrival;
pub use status::{KeySetState, KeySetStatus};
pub(crate) use store::{KeyRefusal, KeyStore, Lookup};

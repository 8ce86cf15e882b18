//! One Tower layer that authenticates and authorizes: `server.require(policy)?` around any `Service<Request<B>>`.
//!
//! There is one layer and not two, so there is no order between them to get wrong. It works under axum, tonic, a bare
//! hyper stack, and any other service whose request and response are those of `http`.

mod body;
#[cfg(feature = "axum")]
mod deciding;
mod found;
mod future;
mod known;
mod layer;
mod permits;
mod respond;
mod service;
mod state;
mod verdict;

pub use body::ResponseBody;
#[cfg(feature = "axum")]
pub(crate) use deciding::Deciding;
pub use future::RequireFuture;
pub use layer::RequireLayer;
pub(crate) use permits::{PermitSettings, Permits};
pub use respond::RejectionBody;
#[cfg(feature = "axum")]
pub(crate) use respond::respond_unlayered;
pub(crate) use respond::{Answers, OnReject};
pub use service::Require;
#[cfg(feature = "live")]
pub(crate) use state::Live;
pub(crate) use state::State;
#[cfg(feature = "axum")]
pub(crate) use verdict::Verdict;

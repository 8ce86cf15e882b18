//! One Tower layer that authenticates and authorizes: `server.require(policy)?` around any `Service<Request<B>>`.
//!
//! There is one layer and not two, so there is no order between them to get wrong. It works under axum, tonic, a bare
//! hyper stack, and any other service whose request and response are those of `http`.

mod answered;
mod body;
mod future;
mod layer;
mod metadata;
mod service;

pub use answered::AnsweredFuture;
pub use body::ResponseBody;
pub use future::RequireFuture;
pub use layer::RequireLayer;
pub use metadata::{MetadataLayer, WithMetadata};
pub use service::Require;

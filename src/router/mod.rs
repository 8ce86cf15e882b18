//! The axum face: a guard that takes handlers with their policies, and the extractors.

mod decide;
mod extract;
mod guard;
mod handler;
mod methods;
mod path;
mod route;
mod webhooks;

pub use decide::Decide;
pub use extract::Claims;
pub use guard::Guard;

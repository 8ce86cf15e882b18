//! From Logto's webhooks to Permit.io.

mod event;
mod handle;
mod reconcile;
mod unsettled;
mod versions;
mod wishes;
mod work;

pub use handle::{BridgeStatus, PermitBridge, PermitBridgeBuilder};
pub use reconcile::{LogtoUser, Reconciled};

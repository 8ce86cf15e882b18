//! Envoy's external authorization, version 3, over gRPC.

mod check;
pub(crate) mod proto;
mod service;

#[cfg(test)]
pub(crate) use check::check;
pub(crate) use service::ExtAuthz;

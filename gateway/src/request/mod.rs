//! The request that is judged: what a client asked for, told by the connection itself or by a proxy.

mod certificate;
mod host;
mod original;
mod preset;
mod request_id;
mod steering;

pub(crate) use certificate::ClientCertificate;
pub(crate) use host::{host_of, read_host};
pub(crate) use original::{Original, RequestFault};
pub(crate) use preset::Preset;
pub(crate) use request_id::{REQUEST_ID, RequestId};
pub(crate) use steering::is_steering;

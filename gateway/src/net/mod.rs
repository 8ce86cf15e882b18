//! Sockets, connections and bodies: what every face stands on.

mod any_certificate;
mod backlog;
mod body;
mod connection;
mod listener;
mod moment;
mod opening;
mod outgoing;
mod places;
mod requests;
mod serve;
mod stalled;
mod streams;

pub(crate) use any_certificate::AnyCertificate;
pub(crate) use body::{Body, BoxError, empty, full};
pub(crate) use connection::{Connections, ServeSettings};
pub(crate) use listener::{Listener, Peer};
pub(crate) use moment::Moment;
pub(crate) use places::Place;
pub(crate) use serve::serve;

//! The reverse proxy: judges a request, and forwards what it judged.

mod body;
mod client;
mod face;
mod forward;
mod frames;
mod headers;
mod held;
mod lane;
mod lanes;
mod long;
mod subprotocol;
mod tunnel;
mod upload;
mod via;
mod websocket;

pub(crate) use client::Client;
pub(crate) use face::Proxy;
pub(crate) use via::Via;

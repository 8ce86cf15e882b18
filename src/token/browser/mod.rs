//! Tokens where a browser must put them: its `WebSocket` can send no `Authorization`.

mod handshake;
mod offer;
mod origins;
mod tokens;

pub(crate) use handshake::{is_handshake, refuse_credentials};
pub(crate) use origins::Origins;
pub use tokens::BrowserTokens;
pub(crate) use tokens::SubprotocolTokens;

//! WebSockets of browsers: the token in `Sec-WebSocket-Protocol` or in the first message, over real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod first_message;
mod http2;
mod settings;
mod subprotocol;
mod support;

//! WebSockets of browsers, whose `WebSocket` cannot send an `Authorization` header.
//!
//! A client other than a browser sends `Authorization` in the handshake, as in every other request, and needs nothing of this
//! module. A page of a browser has two ways. A token in the query is never read: logs and histories keep URLs.
//!
//! | | in `Sec-WebSocket-Protocol` | in the first message |
//! |---|---|---|
//! | the page sends | `new WebSocket(url, ["orders.v1", "bearer." + token])` | `socket.send(token)` as soon as the connection is open |
//! | decided | before the connection is accepted | after it is accepted, within a limit |
//! | route | `Guard::websocket`, [`Requirement::with_browser_tokens`](crate::engine::Requirement::with_browser_tokens) | `Guard::first_message`, [`ResourceServer::first_message`](crate::ResourceServer::first_message) |
//! | a rejection is | the response to the handshake, which the page sees as a failed connection | for the application to send: [`close_code`] |
//!
//! For both, the browser's `Origin` must be in a list, since every page can open a WebSocket to every server. Both reject tokens
//! that are bound to a key or a certificate (`cnf`): a page cannot send a proof, and the certificate of a browser says nothing
//! about the page.
//!
//! A handshake with a token in `Sec-WebSocket-Protocol` is answered with 400 if
//!
//! - there is no protocol of the application beside the token (the server must not echo the token, and without any protocol in
//!   the response a browser closes the connection),
//! - there is an `Authorization` header beside it, no `Origin` or two of them, or more than one token,
//! - a member of the list is malformed, or the prefix `bearer.` has capital letters,
//! - it is no handshake: neither `GET` with `Upgrade: websocket` nor an extended `CONNECT` of HTTP/2.
//!
//! It is answered with 403 if the origin is not in the list. The header is marked as sensitive, and what the service sees of it
//! are the application's own protocols.

mod close;
mod first_message;
mod layer;
mod settings;

pub use close::close_code;
pub use first_message::Unauthenticated;
pub use layer::{AwaitFirstMessage, FirstMessageLayer};
pub use settings::FirstMessage;

pub use crate::token::browser::BrowserTokens;

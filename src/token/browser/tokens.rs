//! The token in `Sec-WebSocket-Protocol`.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::handshake::{is_handshake, malformed};
use super::offer::Offer;
use super::origins::Origins;
use crate::error::ConfigError;
use crate::rejection::Rejection;

/// Accepts the token that a page puts into `Sec-WebSocket-Protocol`, because a browser's `WebSocket` sends no `Authorization`.
///
/// The page opens `new WebSocket(url, ["orders.v1", "bearer." + token])`. The member `bearer.{token}` is removed before the
/// service sees the request, so that the service can only echo the application's own protocol, without which browsers close
/// the connection. See [`websocket`](crate::websocket) for the rules.
///
/// ```
/// use orgate::websocket::BrowserTokens;
///
/// let tokens = BrowserTokens::new(["https://app.example.com", "http://localhost:5173"]);
/// # _ = tokens;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BrowserTokens {
    origins: Vec<String>,
}

impl BrowserTokens {
    /// Takes the origins of the pages that may open the connection, as browsers send them: scheme, host, and the port if it is
    /// not the default one. Plain `http` is for loopback only.
    pub fn new<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self { origins: origins.into_iter().map(Into::into).collect() }
    }

    pub(crate) fn build(&self) -> Result<SubprotocolTokens, ConfigError> {
        Origins::check(&self.origins).map(|origins| SubprotocolTokens(Arc::new(origins)))
    }
}

/// Takes tokens out of handshakes.
#[derive(Clone, Debug)]
pub(crate) struct SubprotocolTokens(Arc<Origins>);

impl SubprotocolTokens {
    pub(crate) fn origins(&self) -> &Origins {
        &self.0
    }

    /// The token of a handshake; `None` if it is not in `Sec-WebSocket-Protocol`. It is removed there, unless the request only
    /// serves to show how it would be decided.
    ///
    /// # Errors
    ///
    /// Returns a rejection where what is sent is unclear, and where the page is not allowed.
    pub(crate) fn take(&self, request: &mut Parts, is_explained: bool) -> Result<Option<Arc<str>>, Rejection> {
        let offer = Offer::read(&request.headers);
        offer.mark_sensitive(&mut request.headers);
        if !offer.has_credentials() && !offer.has_malformed {
            return Ok(None);
        }
        if !is_explained {
            offer.leave_protocols(&mut request.headers);
        }
        if offer.has_malformed {
            return Err(malformed("a member of Sec-WebSocket-Protocol is not a token of HTTP"));
        }
        if let Some(value) = request.headers.get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
            return Err(malformed("a token in Sec-WebSocket-Protocol beside an Authorization header"));
        }
        if !is_handshake(request) {
            return Err(malformed("a token in Sec-WebSocket-Protocol, and no handshake of a WebSocket"));
        }
        if offer.protocols.is_empty() {
            return Err(malformed("no protocol of the application beside the token in Sec-WebSocket-Protocol"));
        }
        let token = match &*offer.tokens {
            [token] if !offer.has_misspelled => token.clone(),
            _ => return Err(malformed("Sec-WebSocket-Protocol has not exactly one member bearer.{token}")),
        };
        self.origins().judge(&request.headers)?;
        Ok(Some(token))
    }
}

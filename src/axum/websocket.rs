//! Routes that accept WebSockets of browsers.

use axum::extract::FromRequestParts;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::request::Parts;

use super::extract::misconfigured;
use super::guard::Guard;
use super::handler::Guarded;
use super::methods::Methods;
use super::route::Endpoint;
use crate::error::ConfigError;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::token::browser::Origins;
use crate::tower::RequireLayer;
use crate::websocket::{BrowserTokens, FirstMessage, Unauthenticated};

/// `GET` with `Upgrade` in HTTP/1.1, extended CONNECT in HTTP/2.
const HANDSHAKE: MethodFilter = MethodFilter::GET.or(MethodFilter::CONNECT);

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    /// Adds a route for WebSockets whose token may be in `Sec-WebSocket-Protocol`, which is where a page in a browser
    /// must put it. See [`websocket`](crate::websocket).
    ///
    /// ```
    /// use axum::extract::ws::WebSocketUpgrade;
    /// use axum::response::Response;
    /// use orgate::policy::resource;
    /// use orgate::websocket::BrowserTokens;
    /// use orgate::{AccessToken, Guard, ResourceServer};
    ///
    /// async fn live(upgrade: WebSocketUpgrade, token: AccessToken) -> Response {
    ///     // The application's own protocol must be echoed, or the browser closes the connection.
    ///     upgrade.protocols(["orders.v1"]).on_upgrade(async move |_socket| drop(token))
    /// }
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// # let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let tokens = BrowserTokens::new(["https://app.example.com"]);
    /// let guard: Guard = server.guard().websocket("/live", live, resource().scope("read:orders"), &tokens);
    /// # let _: axum::Router = guard.into_router()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn websocket<H, T>(self, path: &str, handler: H, policy: Policy, tokens: &BrowserTokens) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let built = tokens.build().map_err(|fault| fault.at(path));
        let reader = built.as_ref().ok().cloned();
        let endpoint = self.guarded(policy, move |layer| {
            let requirement = layer.requirement().reading(reader.clone());
            on(HANDSHAKE, Guarded::new(&handler, &RequireLayer::new(requirement)))
        });
        self.check_handler::<H>(path).add_socket(
            path,
            endpoint,
            "Sec-WebSocket-Protocol",
            built.map(|it| it.origins().clone()),
        )
    }

    /// Adds a route for WebSockets that are accepted without a token and send the token as their first message. The
    /// handler extracts [`Unauthenticated`] and awaits its decision before it does anything else. See
    /// [`websocket`](crate::websocket).
    ///
    /// ```
    /// use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
    /// use axum::response::Response;
    /// use orgate::policy::resource;
    /// use orgate::websocket::{FirstMessage, Unauthenticated, close_code};
    /// use orgate::{Guard, ResourceServer};
    ///
    /// async fn live(upgrade: WebSocketUpgrade, caller: Unauthenticated) -> Response {
    ///     upgrade.max_message_size(caller.max_token_bytes()).on_upgrade(async move |mut socket| {
    ///         match caller.authorize(first_message(&mut socket)).await {
    ///             Ok(_grant) => { /* serve it */ }
    ///             Err(rejection) => {
    ///                 let reason = rejection.kind().as_str().into();
    ///                 let close = CloseFrame { code: close_code(&rejection), reason };
    ///                 let _ = socket.send(Message::Close(Some(close))).await;
    ///             }
    ///         }
    ///     })
    /// }
    ///
    /// async fn first_message(socket: &mut WebSocket) -> Option<String> {
    ///     match socket.recv().await? {
    ///         Ok(Message::Text(token)) => Some(token.to_string()),
    ///         _ => None,
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// # let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let settings = FirstMessage::new(["https://app.example.com"]);
    /// let guard: Guard = server.guard().first_message("/live", live, resource().scope("read:orders"), &settings);
    /// # let _: axum::Router = guard.into_router()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_message<H, T>(self, path: &str, handler: H, policy: Policy, settings: &FirstMessage) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let built = settings.build().map_err(|fault| fault.at(path));
        let gate = built.as_ref().ok().cloned();
        let endpoint = self.guarded(policy, move |layer| {
            let route = on(HANDSHAKE, handler.clone());
            match &gate {
                Some(gate) => route.layer(gate.layer(layer.requirement().clone())),
                // A fault, which `into_router` returns before it comes to this.
                None => route.layer(layer),
            }
        });
        self.check_handler::<H>(path).add_socket(path, endpoint, "first message", built.map(|it| it.origins().clone()))
    }

    /// Adds the route, and notes where the token is for the route table.
    fn add_socket(
        mut self,
        path: &str,
        endpoint: Endpoint<S>,
        place: &str,
        origins: Result<Origins, ConfigError>,
    ) -> Self {
        let origins = origins.inspect_err(|fault| self.keep_fault(Err(fault.clone()))).ok();
        let token = origins.map(|origins| format!("{place} from {}", origins.iter().collect::<Vec<_>>().join(" ")));
        let mut guard = self.add(path, Methods::Only(HANDSHAKE), endpoint);
        if let Some(route) = guard.routes.last_mut() {
            route.browser_token = token;
        }
        guard
    }
}

/// The connection whose token is still to come, or 500 where no layer has let it in.
impl<S: Send + Sync> FromRequestParts<S> for Unauthenticated {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.extensions.remove::<Self>().ok_or_else(|| {
            let detail =
                "the extractor Unauthenticated needs a route with first_message(..): add it with Guard::first_message";
            misconfigured(detail, parts)
        })
    }
}

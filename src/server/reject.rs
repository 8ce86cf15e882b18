//! Rejections beside requirements, in the form that the rest of the API uses.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::ResourceServer;
use crate::engine;
use crate::rejection::Rejection;
use crate::respond::Wanted;
use crate::token::AccessToken;
use crate::token::bearer::tries_proof;

impl ResourceServer {
    /// Verifies a token that did not arrive in a request: signature, type, issuer, audience, lifetime and revocation. A
    /// [`requirement`](Self::requirement) decides what the token may do.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the token is not valid here, or cannot be verified now. Returned from an axum handler, it is
    /// a response with challenge and body; [`response`](Self::response) makes the one for a certain request.
    pub async fn verify(&self, token: &str) -> Result<AccessToken, Rejection> {
        let verified = engine::verify(&self.state, token).await;
        verified.map_err(|rejection| self.state.complete_apart(rejection, &self.wanted()))
    }

    /// Returns the response to a request that is rejected by what [`verify`](Self::verify) returned: status, challenge, body
    /// by the request's headers ([`Builder::rejection_body`](super::Builder::rejection_body)), or gRPC's form for a gRPC call.
    /// A rejection that was made for a request keeps its form.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use orgate::ResourceServer;
    ///
    /// /// A token that is in a field of the application's own.
    /// async fn check(server: &ResourceServer, request: &http::request::Parts) -> Result<(), http::Response<Bytes>> {
    ///     let token = request.headers.get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    ///     server.verify(token).await.map(drop).map_err(|rejection| server.response(rejection, request))
    /// }
    /// ```
    #[must_use]
    pub fn response(&self, rejection: Rejection, request: &Parts) -> Response<Bytes> {
        let rejection = rejection.tried_proof(tries_proof(&request.headers));
        self.state.complete(rejection, &self.wanted(), request).into_response()
    }

    /// What challenges say where no policy does.
    fn wanted(&self) -> Wanted {
        let indicators = self.settings.resources.first().map(|first| Arc::from(first.as_str()));
        Wanted { indicators: indicators.into_iter().collect(), ..Wanted::default() }
    }
}

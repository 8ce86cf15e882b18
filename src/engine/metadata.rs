//! The metadata documents of a server, beside the issuers that it trusts now.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use super::state::State;
use crate::http::url::is_issuer_identifier;
use crate::organization::original_path;
use crate::rejection::Rejection;
use crate::respond::{AuthorizationServers, Nearness, Rejected, Wanted};

impl State {
    /// Completes a rejection for one request: its challenges name the document of the resource that it was sent to.
    pub(crate) fn complete(&self, rejection: Rejection, wanted: &Wanted, request: &Parts) -> Rejection {
        let entries = self.entries.load();
        let rejected = Rejected { request, path: original_path(request), added: entries.documents() };
        self.responder.complete(rejection, wanted, rejected)
    }

    /// Completes a rejection of no request.
    pub(crate) fn complete_apart(&self, rejection: Rejection, wanted: &Wanted) -> Rejection {
        let (request, ()) = Request::new(()).into_parts();
        self.complete(rejection, wanted, &request).for_any_request()
    }

    /// The response to a request for a metadata document; `None` for a request for anything else.
    pub(crate) fn metadata_response(&self, request: &Parts) -> Option<Response<Bytes>> {
        self.metadata_response_with(request, &|indicator| self.authorization_servers(indicator))
    }

    /// The same, with these issuers in the document.
    pub(crate) fn metadata_response_with(
        &self,
        request: &Parts,
        servers: AuthorizationServers<'_>,
    ) -> Option<Response<Bytes>> {
        let documents = self.responder.challenge.documents.as_ref()?;
        documents.response(request, original_path(request), self.entries.load().documents(), servers)
    }

    /// How near the document is that a request for one receives here; `None` for a request for anything else.
    #[allow(dead_code, reason = "for the guard of axum, which has a feature of its own")]
    pub(crate) fn metadata_nearness(&self, request: &Parts) -> Option<Nearness> {
        let documents = self.responder.challenge.documents.as_ref()?;
        documents.nearness(request, original_path(request), self.entries.load().documents())
    }

    /// Those that a client can ask for a token.
    pub(crate) fn authorization_servers(&self, indicator: &str) -> Vec<String> {
        let entries = self.entries.load();
        let of_indicator = entries.iter().filter(|entry| entry.rules.has_resource(indicator));
        of_indicator.map(|entry| entry.iss().to_string()).filter(|iss| is_issuer_identifier(iss)).collect()
    }
}

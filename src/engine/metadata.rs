//! The metadata documents of a server, beside the issuers that it trusts now.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use super::state::State;
use crate::http::url::is_issuer_identifier;
use crate::issuer::TrustedIssuers;
use crate::organization::original_path;
use crate::rejection::Rejection;
use crate::respond::{Rejected, Wanted};

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
        let documents = self.responder.challenge.documents.as_ref()?;
        let entries = self.entries.load();
        let servers = |indicator: &str| authorization_servers(&entries, indicator);
        documents.response(request, original_path(request), entries.documents(), &servers)
    }

    /// Whether a request for a metadata document was sent to the host of one that this server has.
    #[allow(dead_code, reason = "for the guard of axum, which has a feature of its own")]
    pub(crate) fn has_metadata_of_host(&self, request: &Parts) -> bool {
        let documents = self.responder.challenge.documents.as_ref();
        documents.is_some_and(|documents| {
            documents.is_of_host(request, original_path(request), self.entries.load().documents())
        })
    }
}

/// Those that a client can ask for a token.
fn authorization_servers(entries: &TrustedIssuers, indicator: &str) -> Vec<String> {
    let of_indicator = entries.iter().filter(|entry| entry.rules.has_resource(indicator));
    of_indicator.map(|entry| entry.iss().to_string()).filter(|iss| is_issuer_identifier(iss)).collect()
}

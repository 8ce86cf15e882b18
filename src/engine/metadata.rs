//! The metadata documents of a server, beside the issuers that it trusts now.

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::state::State;
use crate::http::url::is_issuer_identifier;
use crate::organization::original_path;

impl State {
    /// The response to a request for a metadata document; `None` for a request for anything else.
    pub(crate) fn metadata_response(&self, request: &Parts) -> Option<Response<Bytes>> {
        let documents = self.responder.challenge.documents.as_ref()?;
        documents.response(request, original_path(request), &|indicator| self.authorization_servers(indicator))
    }

    /// Those that a client can ask for a token, now.
    fn authorization_servers(&self, indicator: &str) -> Vec<String> {
        let entries = self.entries.load();
        let of_indicator = entries.iter().filter(|entry| entry.rules.has_resource(indicator));
        of_indicator.map(|entry| entry.iss().to_string()).filter(|iss| is_issuer_identifier(iss)).collect()
    }
}

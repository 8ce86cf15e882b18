//! Who asks other servers.

use super::Builder;
use crate::http::HttpClient;

impl Builder {
    /// Sets the HTTP client for discovery documents, key sets and introspection. Default: the built-in one
    /// ([`HttpClient::new`]).
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }
}

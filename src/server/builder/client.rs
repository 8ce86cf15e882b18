//! Who asks other servers.

use super::Builder;
use crate::http::HttpClient;

impl Builder {
    /// Fetches documents and asks about opaque tokens through this client. Default: the built-in one
    /// ([`HttpClient::new`]).
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }
}

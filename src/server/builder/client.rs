//! Who asks other servers, and how.

use std::sync::Arc;

use super::Builder;
use crate::http::Fetch;

impl Builder {
    /// Asks other servers instead of the built-in client, whose settings are then of no effect.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetcher.custom = Some(Arc::new(fetch));
        self
    }

    /// Trusts this root certificate (PEM, one or more) besides the platform's when documents are fetched.
    #[cfg(feature = "http-client")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.fetcher.client.root_certificates.push(pem.into());
        self
    }

    /// Fetches documents through this proxy. The environment's proxy settings are never used.
    #[cfg(feature = "http-client")]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.fetcher.client.proxy = Some(url.into());
        self
    }

    /// The `User-Agent` of fetches. Default: `orgate/` and the version.
    #[cfg(feature = "http-client")]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.fetcher.client.user_agent = Some(user_agent.into());
        self
    }
}

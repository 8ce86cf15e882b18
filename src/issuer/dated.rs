//! Responses of an issuer show its clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use super::clock::IssuerClock;
use crate::future::BoxFuture;
use crate::http::{Fetch, FetchError};
use crate::time::Clock;

/// A client that asks one issuer, and looks at the `Date` of what it responds.
pub(crate) struct Dated {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) seen: Arc<IssuerClock>,
    pub(crate) leeway: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Fetch for Dated {
    fn fetch(&self, request: Request<Bytes>, max_bytes: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let response = self.fetch.fetch(request, max_bytes).await?;
            self.seen.see_response(response.headers(), self.leeway, self.clock.now());
            Ok(response)
        })
    }
}

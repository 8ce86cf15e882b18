//! How a server asks other servers: one small trait, so that anybody can bring an HTTP client of their own.

mod choice;
#[cfg(feature = "http-client")]
pub(crate) mod client;
pub(crate) mod percent;
mod remote;
pub(crate) mod url;

pub(crate) use choice::{ClientChoice, check_header, check_url};
pub(crate) use remote::{CallError, Remote, is_passing, retry_after};

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};

use crate::error::with_causes;

/// Sends one request. The default is a `reqwest` client (feature `http-client`).
///
/// An implementation gets a request whose URL comes from configuration or from a trusted discovery document: a `GET` for
/// documents and keys, a `POST` with a body where something is asked. It must not follow redirects, should stop reading an
/// answer beyond `max_bytes`, and returns whatever status it got: what a status means is decided by the caller, who also
/// ends a request that takes too long. Headers and bodies may hold credentials: they belong into no log.
///
/// ```
/// use std::{future::Future, pin::Pin};
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use orgate::http::{Fetch, FetchError};
///
/// /// Knows one document, and no network.
/// struct Canned(&'static str);
///
/// impl Fetch for Canned {
///     fn fetch(
///         &self,
///         request: Request<Bytes>,
///         _max_bytes: usize,
///     ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
///         Box::pin(async move {
///             match request.uri().path() {
///                 "/oidc/jwks" => Ok(Response::new(Bytes::from_static(self.0.as_bytes()))),
///                 other => Err(FetchError::new(format!("{other} is not here"))),
///             }
///         })
///     }
/// }
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and reads the whole answer.
    fn fetch(
        &self,
        request: Request<Bytes>,
        max_bytes: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>>;
}

/// Why there is no answer. Its text goes to the log, never into an answer.
#[derive(Debug)]
pub struct FetchError(Box<dyn std::error::Error + Send + Sync>);

impl FetchError {
    /// From an error of the client, or from a sentence.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for FetchError {
    /// The error and its causes, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(f, &*self.0)
    }
}

impl std::error::Error for FetchError {}

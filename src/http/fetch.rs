//! Sending one request: the trait that an application's own client implements.

use std::fmt;

use bytes::Bytes;
use http::{Request, Response};

use crate::error::with_causes;
use crate::future::BoxFuture;

/// A client that sends one request and reads the whole response. [`HttpClient::custom`](super::HttpClient::custom)
/// takes one.
///
/// The URL of a request comes from configuration or from a trusted discovery document: a `GET` for documents and keys, a
/// `POST` with a body for questions. An implementation must not follow redirects, should stop reading a body beyond
/// `max_bytes`, and returns whatever status it received. The caller interprets the status, ends requests that take too
/// long, and decodes a `Content-Encoding` of `gzip` or `deflate` that the implementation left in place. Headers and bodies
/// may hold credentials and must not be logged.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use orgate::future::BoxFuture;
/// use orgate::http::{Fetch, FetchError, HttpClient};
///
/// /// Knows one document, and no network.
/// struct Canned(&'static str);
///
/// impl Fetch for Canned {
///     fn fetch(
///         &self,
///         request: Request<Bytes>,
///         _max_bytes: usize,
///     ) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
///         Box::pin(async move {
///             match request.uri().path() {
///                 "/oidc/jwks" => Ok(Response::new(Bytes::from_static(self.0.as_bytes()))),
///                 other => Err(FetchError::new(format!("{other} is not here"))),
///             }
///         })
///     }
/// }
///
/// let client = HttpClient::custom(Canned(r#"{"keys":[]}"#));
/// # _ = client;
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and reads the whole response.
    fn fetch(&self, request: Request<Bytes>, max_bytes: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>>;

    /// Sends the request and returns as soon as the head of the response is there, whose body may never end. Default: reads the
    /// whole response, of at most 1 MiB. The built-in client does not.
    fn fetch_head(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<()>, FetchError>> {
        Box::pin(async move { Ok(self.fetch(request, 1024 * 1024).await?.map(drop)) })
    }
}

/// An error of a fetch: there is no response. Its text is meant for logs and never becomes part of a response.
///
/// ```
/// use orgate::http::FetchError;
///
/// let error = FetchError::new("the proxy closed the connection");
/// assert_eq!(error.to_string(), "the proxy closed the connection");
/// ```
#[derive(Debug)]
pub struct FetchError {
    error: Box<dyn std::error::Error + Send + Sync>,
    has_response: bool,
}

impl FetchError {
    /// Creates an error from an error of the client, or from a sentence.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), has_response: false }
    }

    /// There is a response, and it cannot be used.
    pub(crate) fn unusable(why: String) -> Self {
        Self { error: why.into(), has_response: true }
    }

    pub(crate) fn too_large(most_bytes: usize) -> Self {
        Self::unusable(format!("the response has more than {most_bytes} bytes"))
    }

    /// Whether the other side responded, with something that cannot be used.
    pub(crate) const fn has_response(&self) -> bool {
        self.has_response
    }
}

impl fmt::Display for FetchError {
    /// Writes the error and its causes in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(f, &*self.error)
    }
}

impl std::error::Error for FetchError {}

//! The client of one runtime: `hyper`, with every limit set.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::connector::Connector;
use super::proxy::Proxy;
use super::tls;
use crate::error::ConfigError;
use crate::http::FetchError;
use crate::http::client::Settings;

/// How many idle connections to one host are kept.
const IDLE_CONNECTIONS: usize = 16;
/// After that an idle connection may be dead without a sign.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// What stands in no path and no query as it is.
const FOREIGN: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Follows no redirect, and keeps connections. A clone shares them.
#[derive(Clone)]
pub(super) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    user_agent: HeaderValue,
    proxy: Option<Arc<Proxy>>,
    timeout: Duration,
}

impl Client {
    /// `is_secure`: it can call `https` URLs, and needs root certificates for it.
    pub(super) fn new(settings: &Settings, is_secure: bool) -> Result<Self, ConfigError> {
        let user_agent = settings.user_agent.as_deref().unwrap_or(concat!("orgate/", env!("CARGO_PKG_VERSION")));
        let user_agent = HeaderValue::try_from(user_agent)
            .map_err(|error| ConfigError::new(format_args!("HTTP client: user agent {user_agent:?}: {error}")))?;
        let roots = tls::certificates(&settings.root_certificates)?;
        let tls = is_secure.then(|| tls::verifying(roots)).transpose()?;
        let proxy = settings.proxy.as_deref().map(Proxy::parse).transpose()?.map(Arc::new);
        let connector = Connector::new(tls, proxy.clone(), user_agent.clone(), settings.connect_timeout);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { http, user_agent, proxy, timeout: settings.timeout })
    }

    /// Sends the request and reads the whole response.
    pub(super) async fn send(&self, request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, FetchError> {
        let limit = self.timeout;
        let answered = tokio::time::timeout(limit, self.exchange(request, max_bytes)).await;
        answered.unwrap_or_else(|_| Err(FetchError::new(format!("no whole response within {limit:?}"))))
    }

    async fn exchange(&self, mut request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, FetchError> {
        *request.uri_mut() = encoded(request.uri()).map_err(FetchError::new)?;
        let is_plain = request.uri().scheme() == Some(&Scheme::HTTP);
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        // To an https server a tunnel leads, which has authenticated already.
        let authorization = self.proxy.as_ref().and_then(|proxy| proxy.authorization.clone());
        headers.extend(authorization.filter(|_| is_plain).map(|value| (PROXY_AUTHORIZATION, value)));
        let response = self.http.request(request.map(Full::new)).await.map_err(FetchError::new)?;
        let (head, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(FetchError::new)?.into_data() else { continue };
            if read.len().saturating_add(chunk.len()) > max_bytes {
                return Err(FetchError::too_large(max_bytes));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Response::from_parts(head, read.freeze()))
    }
}

/// The URL with what a configuration may write and a request line may not hold percent-encoded.
fn encoded(url: &Uri) -> Result<Uri, http::Error> {
    let Some(path) = url.path_and_query() else { return Ok(url.clone()) };
    match Cow::from(utf8_percent_encode(path.as_str(), FOREIGN)) {
        Cow::Borrowed(_) => Ok(url.clone()),
        Cow::Owned(path) => {
            let mut parts = url.clone().into_parts();
            parts.path_and_query = Some(path.parse()?);
            Ok(Uri::from_parts(parts)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_any_text_can_be_sent() {
        for (url, sent) in [
            ("https://a.example/jwks?x=%20&y=1", "https://a.example/jwks?x=%20&y=1"),
            ("https://a.example/schl\u{fc}ssel", "https://a.example/schl%C3%BCssel"),
            ("https://a.example/{id}?a={b}|", "https://a.example/%7Bid%7D?a=%7Bb%7D%7C"),
        ] {
            assert_eq!(encoded(&url.parse().unwrap()).unwrap(), sent);
        }
    }
}

//! The default [`Fetch`]: a `reqwest` client with every limit set.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Proxy};

use super::url::without_user;
use super::{Fetch, FetchError};
use crate::error::ConfigError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The documents of an issuer go over one connection. The next fetch is minutes away, and by then it may be dead without a
/// sign.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be set about the default client.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientSettings {
    pub(crate) root_certificates: Vec<Vec<u8>>,
    pub(crate) proxy: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// How many connections to one host are kept for the next request: one at least.
    pub(crate) idle_connections: usize,
}

#[derive(Debug)]
pub(crate) struct HttpClient(Client);

impl HttpClient {
    pub(crate) fn new(settings: &ClientSettings) -> Result<Self, ConfigError> {
        let user_agent = settings.user_agent.as_deref().unwrap_or(concat!("orgate/", env!("CARGO_PKG_VERSION")));
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(settings.idle_connections.max(1))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(user_agent);
        for pem in &settings.root_certificates {
            let certificates = Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| ConfigError::new("the root certificate is not PEM"))?;
            builder =
                certificates.into_iter().fold(builder, |builder, certificate| builder.tls_certs_merge([certificate]));
        }
        if let Some(url) = &settings.proxy {
            let proxy = Proxy::all(url)
                .map_err(|error| ConfigError::new(format_args!("proxy {:?}: {error}", without_user(url))))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map(Self).map_err(|error| {
            ConfigError::new(format_args!("the HTTP client (user agent {user_agent:?}): {}", FetchError::new(error)))
        })
    }

    async fn send(&self, request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, FetchError> {
        let (parts, body) = request.into_parts();
        let mut answer = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(without_url)?;
        let mut read = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
            if read.len() + chunk.len() > max_bytes {
                return Err(FetchError::new(format!("the answer has more than {max_bytes} bytes")));
            }
            read.extend_from_slice(&chunk);
        }
        let mut response = Response::new(read.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

/// Who asks says where, if it may be said: an id in a URL belongs into no log.
fn without_url(error: reqwest::Error) -> FetchError {
    FetchError::new(error.without_url())
}

impl Fetch for HttpClient {
    fn fetch(
        &self,
        request: Request<Bytes>,
        max_bytes: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
        Box::pin(self.send(request, max_bytes))
    }
}

//! The built-in client: `reqwest`, with every limit set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Proxy};
use tokio::runtime::{Handle, Id};

use super::Settings;
use crate::error::ConfigError;
use crate::future::BoxFuture;
use crate::http::url::without_user;
use crate::http::{Fetch, FetchError};
use crate::lock::lock;

/// How many idle connections to one host are kept.
const IDLE_CONNECTIONS: usize = 16;
/// After that an idle connection may be dead without a sign.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// A body of this length is read even where only the head is wanted.
const SHORT_BODY: u64 = 64 * 1024;
/// More runtimes than that in one process, and the connections of the oldest are given up.
const MOST_RUNTIMES: usize = 8;

/// Two clients, of which plain `http` needs no root certificates.
#[derive(Debug)]
pub(super) struct BuiltIn {
    settings: Arc<Settings>,
    plain: Pool,
    secure: Pool,
}

/// A client for each runtime: a connection is driven by the runtime that opened it, which may stand still.
#[derive(Debug, Default)]
struct Pool(Mutex<Vec<(Option<Id>, Client)>>);

impl BuiltIn {
    pub(super) fn new(settings: Arc<Settings>) -> Result<Self, ConfigError> {
        let built_in = Self { settings, plain: Pool::default(), secure: Pool::default() };
        built_in.plain.put(None, built_in.settings.client(false)?);
        Ok(built_in)
    }

    /// Makes sure that this URL can be called.
    pub(super) fn prepare(&self, url: &Uri) -> Result<(), ConfigError> {
        if self.needs_certificates(url) && self.secure.is_empty() {
            self.secure.put(None, self.settings.client(true)?);
        }
        Ok(())
    }

    fn needs_certificates(&self, url: &Uri) -> bool {
        let secure_proxy = self.settings.proxy.as_ref().is_some_and(|proxy| proxy.starts_with("https:"));
        url.scheme_str() != Some("http") || secure_proxy
    }

    /// The client of this runtime.
    fn client(&self, url: &Uri, runtime: Id) -> Result<Client, ConfigError> {
        let secure = self.needs_certificates(url);
        let pool = if secure { &self.secure } else { &self.plain };
        if let Some(client) = pool.take(runtime) {
            return Ok(client);
        }
        // Root certificates are read from files: not under the lock.
        let client = self.settings.client(secure)?;
        pool.put(Some(runtime), client.clone());
        Ok(client)
    }

    async fn begin(&self, request: Request<Bytes>) -> Result<reqwest::Response, FetchError> {
        let runtime = Handle::try_current().map_err(|_| FetchError::new("the HTTP client needs a tokio runtime"))?;
        let client = self.client(request.uri(), runtime.id()).map_err(FetchError::new)?;
        let (parts, body) = request.into_parts();
        let sent = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await;
        sent.map_err(without_url)
    }

    async fn send(&self, request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, FetchError> {
        let mut answer = self.begin(request).await?;
        let mut read = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
            if read.len().saturating_add(chunk.len()) > max_bytes {
                return Err(FetchError::too_large(max_bytes));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(head(&mut answer).map(|()| read.freeze()))
    }

    async fn send_head(&self, request: Request<Bytes>) -> Result<Response<()>, FetchError> {
        let mut answer = self.begin(request).await?;
        let head = head(&mut answer);
        // A short body that is read leaves a connection that can be used again. Whatever becomes of it, the head is there.
        if answer.content_length().is_some_and(|length| length <= SHORT_BODY) {
            _ = answer.bytes().await;
        }
        Ok(head)
    }
}

fn head(answer: &mut reqwest::Response) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    response
}

impl Pool {
    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    fn put(&self, runtime: Option<Id>, client: Client) {
        let mut clients = lock(&self.0);
        if clients.len() >= MOST_RUNTIMES {
            clients.remove(0);
        }
        clients.push((runtime, client));
    }

    /// The client of this runtime, or one that was never used.
    fn take(&self, runtime: Id) -> Option<Client> {
        let mut clients = lock(&self.0);
        let mine = clients.iter().position(|(of, _)| *of == Some(runtime));
        let at = mine.or_else(|| clients.iter().position(|(of, _)| of.is_none()))?;
        let (of, client) = clients.get_mut(at)?;
        *of = Some(runtime);
        Some(client.clone())
    }
}

impl Settings {
    fn client(&self, with_certificates: bool) -> Result<Client, ConfigError> {
        let user_agent = self.user_agent.as_deref().unwrap_or(concat!("orgate/", env!("CARGO_PKG_VERSION")));
        let mut builder = Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(user_agent);
        let mut roots = Vec::new();
        for pem in &self.root_certificates {
            let certificates = Certificate::from_pem_bundle(pem).ok().filter(|certificates| !certificates.is_empty());
            roots.extend(certificates.ok_or_else(|| ConfigError::new("HTTP client: root_certificate: not PEM"))?);
        }
        builder = if with_certificates { builder.tls_certs_merge(roots) } else { builder.tls_certs_only(roots) };
        if let Some(url) = &self.proxy {
            let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
            if !matches!(scheme, "http" | "https") {
                return Err(ConfigError::new(format_args!(
                    "HTTP client: proxy {:?}: not an http or https URL",
                    without_user(url)
                )));
            }
            let proxy = Proxy::all(url).map_err(|error| {
                ConfigError::new(format_args!(
                    "HTTP client: proxy {:?}: {}",
                    without_user(url),
                    FetchError::new(error.without_url())
                ))
            })?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| {
            let error = FetchError::new(error).to_string();
            let remedy = if error.contains("No CA certificates") {
                ": install the platform's root certificates (package ca-certificates in most images), or give some by HttpClient::root_certificate(..)"
            } else {
                ""
            };
            ConfigError::new(format_args!("HTTP client (user agent {user_agent:?}): {error}{remedy}"))
        })
    }
}

/// Who asks says where, if it may be said: an id in a URL must not be logged.
fn without_url(error: reqwest::Error) -> FetchError {
    FetchError::new(error.without_url())
}

impl Fetch for BuiltIn {
    fn fetch(&self, request: Request<Bytes>, max_bytes: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(self.send(request, max_bytes))
    }

    fn fetch_head(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<()>, FetchError>> {
        Box::pin(self.send_head(request))
    }
}

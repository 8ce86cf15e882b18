//! The built-in client: one of `hyper` for each runtime.

mod client;
mod connector;
mod proxy;
mod tls;

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Uri};
use tokio::runtime::{Handle, Id};

use self::client::Client;
use super::Settings;
use crate::error::ConfigError;
use crate::future::BoxFuture;
use crate::http::{Fetch, FetchError};
use crate::lock::lock;

/// More runtimes than that in one process, and the connections of the oldest are given up.
const MOST_RUNTIMES: usize = 8;

/// Two clients, of which plain `http` needs no root certificates.
pub(super) struct BuiltIn {
    settings: Arc<Settings>,
    plain: Pool,
    secure: Pool,
}

/// A client for each runtime: a connection is driven by the runtime that opened it, which may stand still.
#[derive(Default)]
struct Pool(Mutex<Vec<(Option<Id>, Client)>>);

impl BuiltIn {
    pub(super) fn new(settings: Arc<Settings>) -> Result<Self, ConfigError> {
        let built_in = Self { settings, plain: Pool::default(), secure: Pool::default() };
        built_in.plain.put(None, Client::new(&built_in.settings, false)?);
        Ok(built_in)
    }

    /// Makes sure that this URL can be called.
    pub(super) fn prepare(&self, url: &Uri) -> Result<(), ConfigError> {
        if self.needs_certificates(url) && self.secure.is_empty() {
            self.secure.put(None, Client::new(&self.settings, true)?);
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
        let client = Client::new(&self.settings, secure)?;
        pool.put(Some(runtime), client.clone());
        Ok(client)
    }

    async fn send(&self, request: Request<Bytes>, max_bytes: usize) -> Result<Response<Bytes>, FetchError> {
        let runtime = Handle::try_current().map_err(|_| FetchError::new("the HTTP client needs a tokio runtime"))?;
        let client = self.client(request.uri(), runtime.id()).map_err(FetchError::new)?;
        client.send(request, max_bytes).await
    }
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

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltIn").finish_non_exhaustive()
    }
}

impl Fetch for BuiltIn {
    fn fetch(&self, request: Request<Bytes>, max_bytes: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(self.send(request, max_bytes))
    }
}

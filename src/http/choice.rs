//! Whose client is used, and what it is set up with.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use crate::error::ConfigError;
use crate::http::Fetch;
#[cfg(feature = "http-client")]
use crate::http::client::{ClientSettings, HttpClient};
use crate::http::url;
use crate::http::url::PlainHttp;

/// How many idle connections the built-in client keeps: requests come all the time, and many at once.
#[cfg(feature = "http-client")]
const IDLE_CONNECTIONS: usize = 16;

/// The application's own client, or the built-in one.
#[derive(Default)]
pub(crate) struct ClientChoice {
    pub(crate) custom: Option<Arc<dyn Fetch>>,
    #[cfg(feature = "http-client")]
    pub(crate) settings: ClientSettings,
}

impl ClientChoice {
    #[cfg(feature = "http-client")]
    pub(crate) fn make(mut self) -> Result<Arc<dyn Fetch>, ConfigError> {
        if let Some(custom) = self.custom {
            return Ok(custom);
        }
        self.settings.idle_connections = IDLE_CONNECTIONS;
        Ok(Arc::new(HttpClient::new(&self.settings)?))
    }

    #[cfg(not(feature = "http-client"))]
    pub(crate) fn make(self) -> Result<Arc<dyn Fetch>, ConfigError> {
        self.custom
            .ok_or_else(|| ConfigError::new("there is no client: enable the feature http-client, or use fetch(..)"))
    }
}

/// A URL that may be called, without a query and without a slash at the end.
pub(crate) fn check_url(what: &str, text: &str, allow_http: bool) -> Result<Uri, ConfigError> {
    let plain = if allow_http { PlainHttp::Anywhere } else { PlainHttp::OnLoopback };
    let wrong = |why: &str| ConfigError::new(format_args!("{what} {:?}: {why}", url::without_user(text)));
    let url = url::parse(text, plain).map_err(wrong)?;
    if url.query().is_some() { Err(wrong("it has a query")) } else { Ok(url) }
}

/// A header that holds a secret. The secret is in no error and no `Debug`.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let name = HeaderName::try_from(name).map_err(|_| ConfigError::new(format_args!("header {name:?}: not a name")))?;
    let mut value = HeaderValue::try_from(value)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ConfigError::new(format_args!("header {name}: its value is empty, or no value of a header")))?;
    value.set_sensitive(true);
    Ok((name, value))
}

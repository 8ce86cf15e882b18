//! The client setting that servers, management sources and decision points share.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;

use super::Fetch;
use crate::error::ConfigError;

#[cfg(feature = "http-client")]
mod builtin;

#[cfg(not(feature = "http-client"))]
mod builtin {
    //! Stands in for the built-in client where the feature `http-client` is off.

    use std::sync::Arc;

    use http::Uri;

    use super::{ConfigError, Fetch, Settings};

    #[derive(Debug)]
    pub(super) struct BuiltIn;

    impl BuiltIn {
        pub(super) fn new(_: Arc<Settings>) -> Result<Self, ConfigError> {
            Err(ConfigError::new("no HTTP client: enable the feature http-client, or use HttpClient::custom(..)"))
        }

        #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature http-client")]
        pub(super) fn prepare(&self, _: &Uri) -> Result<(), ConfigError> {
            Ok(())
        }
    }

    impl Fetch for BuiltIn {
        fn fetch(
            &self,
            _: http::Request<bytes::Bytes>,
            _: usize,
        ) -> crate::future::BoxFuture<'_, Result<http::Response<bytes::Bytes>, crate::http::FetchError>> {
            Box::pin(std::future::ready(Err(crate::http::FetchError::new("no HTTP client"))))
        }
    }
}

use builtin::BuiltIn;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The HTTP client that a server, a management source or a decision point uses for its own requests.
///
/// The built-in client (feature `http-client`) follows no redirects, ignores the proxy settings of the environment, and
/// verifies certificates against the platform's root certificates. A clone is cheap and shares the connections of the
/// original, so one value can serve several components.
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::http::HttpClient;
///
/// let client = HttpClient::new().proxy("http://proxy.internal:3128").user_agent("orders-api/1.0");
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .http_client(client.clone())
///     .build()?;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
///
/// Settings are checked when the component that uses the client is built; each fault is a [`ConfigError`] that names the
/// value.
#[derive(Clone, Default)]
#[must_use]
pub struct HttpClient {
    custom: Option<Arc<dyn Fetch>>,
    settings: Arc<Settings>,
    /// Made when it is first needed. Clones with the same settings share it.
    made: Arc<OnceLock<Arc<BuiltIn>>>,
}

/// The settings of the built-in client.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    root_certificates: Vec<Vec<u8>>,
    proxy: Option<String>,
    user_agent: Option<String>,
    connect_timeout: Duration,
    timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_certificates: Vec::new(),
            proxy: None,
            user_agent: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        }
    }
}

impl HttpClient {
    /// Creates the built-in client with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses an application's own client. The settings of the built-in client do not apply to it: setting one is a
    /// [`ConfigError`].
    pub fn custom(fetch: impl Fetch) -> Self {
        Self { custom: Some(Arc::new(fetch)), ..Self::default() }
    }

    /// Trusts this root certificate (PEM, one or more) in addition to the platform's. Can be set several times.
    pub fn root_certificate(self, pem: impl Into<Vec<u8>>) -> Self {
        self.with(|settings| settings.root_certificates.push(pem.into()))
    }

    /// Sends requests through this proxy. Default: none; the environment's proxy settings are never used.
    pub fn proxy(self, url: impl Into<String>) -> Self {
        self.with(|settings| settings.proxy = Some(url.into()))
    }

    /// Sets the `User-Agent` header. Default: `orgate/` and the version.
    pub fn user_agent(self, user_agent: impl Into<String>) -> Self {
        self.with(|settings| settings.user_agent = Some(user_agent.into()))
    }

    /// Limits how long a connection may take to be established. Default: 2 s; above zero and at most 60 s.
    pub fn connect_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.connect_timeout = limit)
    }

    /// Limits how long a whole exchange may take. Default: 5 s; above zero and at most 60 s. Each use has a limit of its own
    /// as well, and the shorter one applies.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.timeout = limit)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        // Connections made under other settings must not be used.
        self.made = Arc::default();
        self
    }

    /// Returns the client, checked and ready to call this URL.
    pub(crate) fn fetcher(&self, url: &Uri) -> Result<Arc<dyn Fetch>, ConfigError> {
        if let Some(custom) = &self.custom {
            if *self.settings != Settings::default() {
                return Err(ConfigError::new(format_args!(
                    "HTTP client: a custom client does not use these settings of the built-in one: {:?}",
                    self.settings.names()
                )));
            }
            return Ok(custom.clone());
        }
        self.settings.check()?;
        let client = if let Some(made) = self.made.get() {
            made.clone()
        } else {
            let made = Arc::new(BuiltIn::new(self.settings.clone())?);
            self.made.get_or_init(|| made).clone()
        };
        client.prepare(url)?;
        Ok(client)
    }
}

impl Settings {
    fn check(&self) -> Result<(), ConfigError> {
        for (what, limit) in [("connect_timeout", self.connect_timeout), ("timeout", self.timeout)] {
            if limit.is_zero() || limit > LONGEST_TIMEOUT {
                return Err(ConfigError::new(format_args!(
                    "HTTP client: {what} {limit:?}: expected above zero and at most {LONGEST_TIMEOUT:?}"
                )));
            }
        }
        Ok(())
    }

    /// The settings that were changed.
    fn names(&self) -> Vec<&'static str> {
        let default = Self::default();
        [
            (self.root_certificates != default.root_certificates, "root_certificate"),
            (self.proxy != default.proxy, "proxy"),
            (self.user_agent != default.user_agent, "user_agent"),
            (self.connect_timeout != default.connect_timeout, "connect_timeout"),
            (self.timeout != default.timeout, "timeout"),
        ]
        .into_iter()
        .filter_map(|(is_changed, name)| is_changed.then_some(name))
        .collect()
    }
}

impl fmt::Debug for HttpClient {
    /// Writes which settings were changed, and no value: a proxy's URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("custom", &self.custom.is_some())
            .field("settings", &self.settings.names())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::future::BoxFuture;
    use crate::http::FetchError;

    struct Nowhere;

    impl Fetch for Nowhere {
        fn fetch(
            &self,
            _: http::Request<bytes::Bytes>,
            _: usize,
        ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, FetchError>> {
            Box::pin(std::future::ready(Err(FetchError::new("nowhere"))))
        }
    }

    fn error(client: &HttpClient) -> String {
        client.fetcher(&Uri::from_static("https://issuer.example")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn setting_of_the_built_in_client_on_a_custom_one_is_rejected() {
        let custom = HttpClient::custom(Nowhere);
        assert!(custom.fetcher(&Uri::from_static("https://issuer.example")).is_ok());
        assert!(error(&custom.clone().proxy("http://proxy.example")).contains("proxy"));
        assert!(error(&custom.timeout(Duration::from_secs(1))).contains("timeout"));
    }

    #[test]
    fn password_of_a_proxy_is_not_printed() {
        let client = HttpClient::new().proxy("http://user:s3cret@proxy.example");
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[cfg(feature = "http-client")]
    #[test]
    fn invalid_settings_are_named_with_their_value() {
        let new = HttpClient::new;
        assert!(error(&new().root_certificate("not pem")).contains("PEM"));
        assert!(error(&new().proxy("::")).contains("::"));
        assert!(error(&new().user_agent("a\nb")).contains("user agent"));
        assert!(error(&new().timeout(Duration::ZERO)).contains("timeout 0ns"));
        assert!(error(&new().connect_timeout(Duration::MAX)).contains("connect_timeout"));
        assert!(!error(&new().proxy("socks9://user:s3cret@x")).contains("s3cret"));
    }

    #[cfg(feature = "http-client")]
    #[test]
    fn clones_share_connections_until_a_setting_changes() {
        let url = Uri::from_static("http://127.0.0.1:1");
        let pointer = |client: &HttpClient| Arc::as_ptr(&client.fetcher(&url).unwrap()).cast::<()>();
        let client = HttpClient::new();
        let clone = client.clone();
        assert_eq!(pointer(&client), pointer(&clone));
        assert_ne!(pointer(&client), pointer(&clone.user_agent("other")));
    }
}

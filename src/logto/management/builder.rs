//! From settings to a source: everything that can be wrong is found here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Uri;

use super::api::Api;
use super::budget::LEAST_IN_WINDOW;
use super::limits::{Limits, Replicas};
use super::management::LogtoManagement;
use super::shared::{Order, Shared};
use super::token::Tokens;
use super::transport::Transport;
use crate::error::ConfigError;
use crate::http::HttpClient;
use crate::http::url;
use crate::http::url::{check_base, is_loopback};
use crate::time::{Clock, SystemClock};

/// The Management API's resource indicator on every server of one's own.
const SELF_HOSTED: &str = "https://default.logto.app/api";
const DEFAULT_IN_FLIGHT: usize = 16;
const MOST_IN_FLIGHT: usize = 200;
/// Of Logto's cloud: it answers no more than 200, to all who ask together.
const CLOUD: InWindow = InWindow { default: 40, most: 200 };
/// Of a server of one's own, which has no limit: this one keeps a burst from becoming a flood.
const OWN: InWindow = InWindow { default: 1000, most: 100_000 };

/// How many calls may begin in ten seconds.
struct InWindow {
    default: usize,
    most: usize,
}

/// Builds a [`LogtoManagement`]. Made by [`LogtoManagement::builder`].
///
/// ```
/// use orgate::logto::LogtoManagement;
///
/// let source = LogtoManagement::builder("https://logto.example.com", "m2m-app", "secret")
///     .self_hosted()
///     .calls_per_10_seconds(500)
///     .build()?;
/// # _ = source;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct LogtoManagementBuilder {
    base_url: String,
    client_id: String,
    client_secret: String,
    management_resource: Option<String>,
    replicas: Option<Replicas>,
    calls_in_flight: usize,
    calls_per_10_seconds: Option<usize>,
    allow_http: bool,
    clock: Arc<dyn Clock>,
    client: HttpClient,
}

impl LogtoManagementBuilder {
    pub(super) fn new(base_url: String, client_id: String, client_secret: String) -> Self {
        Self {
            base_url,
            client_id,
            client_secret,
            management_resource: None,
            replicas: None,
            calls_in_flight: DEFAULT_IN_FLIGHT,
            calls_per_10_seconds: None,
            allow_http: false,
            clock: Arc::new(SystemClock::new()),
            client: HttpClient::new(),
        }
    }

    /// Sets the Management API's resource indicator. Default: derived from a tenant at `https://{tenant}.logto.app`; on
    /// loopback, that of [`self_hosted`](Self::self_hosted). A custom domain of Logto's cloud requires this setting,
    /// with `https://{tenant}.logto.app/api`.
    pub fn management_resource(mut self, indicator: impl Into<String>) -> Self {
        self.management_resource = Some(indicator.into());
        self
    }

    /// Sets the Management API's resource indicator of a self-hosted Logto server: `https://default.logto.app/api`,
    /// literally.
    pub fn self_hosted(self) -> Self {
        self.management_resource(SELF_HOSTED)
    }

    /// Limits how many calls run at the same time. Default: 16; 1 to 200.
    pub fn calls_in_flight(mut self, calls: usize) -> Self {
        self.calls_in_flight = calls;
        self
    }

    /// Limits how many calls start in any ten seconds, including those for the access token. Logto's cloud: 40 by
    /// default, 10 to 200. Self-hosted ([`self_hosted`](Self::self_hosted)): 1000 by default, 10 to 100,000.
    ///
    /// Logto's cloud answers 200 requests in ten seconds for a tenant: sign-ins, keys, tokens and the Management API
    /// together, and all replicas of all APIs. What is left over for this process is what should stand here.
    pub fn calls_per_10_seconds(mut self, calls: usize) -> Self {
        self.calls_per_10_seconds = Some(calls);
        self
    }

    /// Shares [`calls_per_10_seconds`](Self::calls_per_10_seconds) among the replicas of a fleet: `replicas` returns
    /// their number, and each uses its share. It is called for each call, so it must be cheap. Default: this process
    /// uses the whole limit.
    ///
    /// One look-up makes up to nine calls. A part of fewer than ten is therefore counted over a longer time at the same rate:
    /// with 40 calls and ten replicas each makes up to ten in 25 seconds.
    ///
    /// With `change::redis::Redis` (feature `redis`) it is `move || redis.replicas()`.
    pub fn shared_by(mut self, replicas: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.replicas = Some(Arc::new(replicas));
        self
    }

    /// Allows a tenant at `http://`. Whoever can read that traffic learns the secret and so administers the tenant.
    /// (Loopback needs no permission.)
    pub fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the HTTP client. Default: the built-in one ([`HttpClient::new`]). Its requests contain the secret and the
    /// access token.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }

    /// Checks all settings. Does no I/O: the first access token is fetched when it is needed.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting with its value; a secret is not shown.
    pub fn build(self) -> Result<LogtoManagement, ConfigError> {
        let base = self.base()?;
        let resource = self.resource(&base)?;
        for (what, value) in [("client_id", &self.client_id), ("client_secret", &self.client_secret)] {
            if value.is_empty() {
                return Err(ConfigError::new(format_args!("{what}: it is empty")));
            }
        }
        check_count("calls_in_flight", self.calls_in_flight, 1, MOST_IN_FLIGHT)?;
        let window = if resource == SELF_HOSTED { OWN } else { CLOUD };
        let in_window = self.calls_per_10_seconds.unwrap_or(window.default);
        check_count("calls_per_10_seconds", in_window, LEAST_IN_WINDOW, window.most)?;
        let fetch = self.client.fetcher(&base)?;
        let base = base.to_string();
        let base = base.trim_end_matches('/');
        let endpoint = format!("{base}/oidc/token");
        let endpoint = endpoint.parse().map_err(|_| wrong_base(&self.base_url, "not a URL"))?;
        let limits = Arc::new(Limits::new(self.calls_in_flight, in_window, self.replicas, self.clock.clone()));
        let transport = Arc::new(Transport { fetch, limits, clock: self.clock });
        let tokens = Tokens::new(transport.clone(), endpoint, &self.client_id, &self.client_secret, &resource);
        let api = Api {
            url: format!("{base}/api"),
            resource: resource.clone(),
            tokens: Arc::new(tokens),
            transport,
            order: Order::default(),
            shared: Shared::default(),
            has_answered: AtomicBool::new(false),
        };
        Ok(LogtoManagement { api: Arc::new(api) })
    }

    fn base(&self) -> Result<Uri, ConfigError> {
        let text = &*self.base_url;
        let url = check_base("base URL", text, self.allow_http)?;
        let path = url.path().trim_end_matches('/');
        if path.ends_with("/oidc") || path.ends_with("/api") || path.contains("/oidc/") || path.contains("/api/") {
            return Err(wrong_base(text, "give the tenant itself, without /oidc or /api"));
        }
        Ok(url)
    }

    fn resource(&self, base: &Uri) -> Result<String, ConfigError> {
        if let Some(indicator) = &self.management_resource {
            let is_uri =
                indicator.contains(':') && indicator.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
            return if is_uri {
                Ok(indicator.clone())
            } else {
                Err(ConfigError::new(format_args!(
                    "management_resource {indicator:?}: not an absolute URI without fragment (RFC 8707 section 2)"
                )))
            };
        }
        let host = base.host().unwrap_or_default().to_ascii_lowercase();
        let tenant = host.strip_suffix(".logto.app").filter(|tenant| !tenant.is_empty() && !tenant.contains('.'));
        match tenant {
            Some(tenant) if base.port().is_none() => Ok(format!("https://{tenant}.logto.app/api")),
            _ if is_loopback(base) => Ok(SELF_HOSTED.to_owned()),
            _ => Err(ConfigError::new(format_args!(
                "management_resource: {:?} does not tell it. For a server of your own set self_hosted; for a custom domain of Logto's cloud set management_resource to \"https://{{tenant}}.logto.app/api\" with the tenant's id",
                self.base_url
            ))),
        }
    }
}

fn wrong_base(base_url: &str, why: &str) -> ConfigError {
    ConfigError::new(format_args!("base URL {:?}: {why}", url::without_user(base_url)))
}

fn check_count(what: &str, value: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::new(format_args!("{what} {value}: not in {least} ..= {most}")))
    }
}

impl fmt::Debug for LogtoManagementBuilder {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogtoManagementBuilder")
            .field("base_url", &url::without_user(&self.base_url))
            .field("client_id", &self.client_id)
            .field("management_resource", &self.management_resource)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::Permit;
use super::client::{Facts, Inner};
use super::scope::KeyScope;
use crate::error::ConfigError;
use crate::http::HttpClient;
use crate::http::remote::{Remote, check_header};
use crate::http::url::check_base;
use crate::time::{Clock, SystemClock};

const API: &str = "https://api.permit.io";
const DEFAULT_DEADLINE: Duration = Duration::from_millis(500);
const LONGEST_DEADLINE: Duration = Duration::from_secs(5);
/// Facts are told in the background, and through a decision point that may be asked to wait.
pub(super) const SYNC_DEADLINE: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
const DEFAULT_CALLS: usize = 64;
const MAX_CALLS: usize = 10_000;
const SYNC_CALLS: usize = 16;

/// The settings of a [`Permit`] client. Made by [`Permit::builder`].
///
/// ```
/// use std::time::Duration;
/// use orgate::permit::Permit;
///
/// let permit = Permit::builder("http://localhost:7766", "permit_key_...")
///     .sync_through_pdp(Duration::from_secs(1))
///     .deadline(Duration::from_millis(200))
///     .build()?;
/// # _ = permit;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct PermitBuilder {
    pdp: String,
    key: Result<HeaderValue, ConfigError>,
    api: Option<String>,
    through_pdp: Option<Duration>,
    issuer: Option<String>,
    deadline: Duration,
    calls: usize,
    allow_http: bool,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

impl PermitBuilder {
    pub(super) fn new(pdp: String, key: &str) -> Self {
        let value = if key.is_empty() { String::new() } else { format!("Bearer {key}") };
        Self {
            pdp,
            key: check_header("authorization", &value).map(|(_, value)| value),
            api: None,
            through_pdp: None,
            issuer: None,
            deadline: DEFAULT_DEADLINE,
            calls: DEFAULT_CALLS,
            allow_http: false,
            client: HttpClient::new(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets the URL of Permit.io's API. Default: `https://api.permit.io`.
    pub fn api(mut self, url: impl Into<String>) -> Self {
        self.api = Some(url.into());
        self
    }

    /// Tells facts to the decision point instead of the API, and has it wait so long at most until it knows them itself.
    /// Zero: not at all; four seconds at most. Where the wait was too short, that is a passing error.
    pub const fn sync_through_pdp(mut self, wait: Duration) -> Self {
        self.through_pdp = Some(wait);
        self
    }

    /// States that Permit.io's users are the subjects of the issuer entry with this name. Questions about subjects of another
    /// entry are errors, not denials.
    ///
    /// Default: those of the only entry. A server with several entries requires it, since two issuers may use one id for two
    /// people; and no entry that the client knows can be added at run time.
    pub fn issued_by(mut self, name: impl Into<String>) -> Self {
        self.issuer = Some(name.into());
        self
    }

    /// Limits how long a decision may take, a second call included. Default: 500 ms; five seconds at most.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Limits how many checks run at the same time; one more returns an error immediately. Default: 64.
    pub const fn max_calls(mut self, most: usize) -> Self {
        self.calls = most;
        self
    }

    /// Sets the HTTP client. Default: the built-in one ([`HttpClient::new`]).
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Allows a decision point at `http://`, for example in a container next to this one. The key is sent over that
    /// connection, and whoever can change the traffic makes the decisions. (Loopback needs no permission.)
    pub const fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Checks all settings. Does no I/O.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting with its value; the key is not shown.
    pub fn build(self) -> Result<Permit, ConfigError> {
        let base = |text: &str| text.trim_end_matches('/').to_owned();
        let (pdp, api) = (&*self.pdp, self.api.as_deref().unwrap_or(API));
        let pdp_url = check_base("decision point", pdp, self.allow_http)?;
        let api_url = check_base("API", api, self.allow_http)?;
        if self.deadline.is_zero() || self.deadline > LONGEST_DEADLINE {
            return Err(ConfigError::new(format_args!(
                "deadline {:?}: expected above zero and at most {LONGEST_DEADLINE:?}",
                self.deadline
            )));
        }
        if !(1..=MAX_CALLS).contains(&self.calls) {
            return Err(ConfigError::new(format_args!("max_calls {}: not in 1 ..= {MAX_CALLS}", self.calls)));
        }
        let (facts, facts_url) = match self.through_pdp {
            None => (Facts::Api { base: base(api), scope: Arc::new(KeyScope::new(self.clock)) }, &api_url),
            Some(wait) if wait > LONGEST_WAIT => {
                return Err(ConfigError::new(format_args!("sync_through_pdp {wait:?}: more than {LONGEST_WAIT:?}")));
            }
            Some(wait) => (Facts::Pdp { wait: wait_header(wait) }, &pdp_url),
        };
        Ok(Permit(Arc::new(Inner {
            pdp: base(pdp),
            key: self.key?,
            issuer: self.issuer,
            checks: Remote::new(self.client.fetcher(&pdp_url)?, self.calls, self.deadline),
            syncs: Remote::new(self.client.fetcher(facts_url)?, SYNC_CALLS, SYNC_DEADLINE),
            facts,
        })))
    }
}

/// Seconds, with a fraction.
fn wait_header(wait: Duration) -> Option<HeaderValue> {
    if wait.is_zero() { None } else { HeaderValue::try_from(format!("{:.3}", wait.as_secs_f64())).ok() }
}

impl fmt::Debug for PermitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitBuilder").field("pdp", &self.pdp).finish_non_exhaustive()
    }
}

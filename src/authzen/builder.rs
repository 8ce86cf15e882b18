//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::client::{Inner, Map, OnObligation};
use super::discovery::{Endpoints, Metadata, Source, below};
use super::{AuthZen, Evaluation};
use crate::decision::{DecisionRequest, MAX_BATCH, Obligation};
use crate::error::ConfigError;
use crate::http::HttpClient;
use crate::http::remote::{Remote, check_header};
use crate::http::url::check_base;
use crate::time::{Clock, SystemClock};

const DEFAULT_DEADLINE: Duration = Duration::from_millis(500);
const LONGEST_DEADLINE: Duration = Duration::from_secs(5);
const DEFAULT_CALLS: usize = 64;
const MAX_CALLS: usize = 10_000;
const MAX_MAX_BATCH: usize = 1000;

/// The settings of an [`AuthZen`] client. Made by [`AuthZen::builder`].
///
/// ```
/// use std::time::Duration;
/// use orgate::authzen::AuthZen;
///
/// let pdp = AuthZen::builder("https://pdp.example.com").deadline(Duration::from_millis(200)).max_calls(128).build()?;
/// # _ = pdp;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct AuthZenBuilder {
    identifier: String,
    endpoints: Where,
    headers: Vec<Result<(HeaderName, HeaderValue), ConfigError>>,
    deadline: Duration,
    calls: usize,
    max_batch: usize,
    allow_http: bool,
    clock: Arc<dyn Clock>,
    client: HttpClient,
    map: Option<Map>,
    on_obligation: Option<OnObligation>,
}

enum Where {
    Metadata,
    Usual,
    Given(String, Option<String>),
}

impl AuthZenBuilder {
    pub(super) fn new(identifier: String) -> Self {
        Self {
            identifier,
            endpoints: Where::Metadata,
            headers: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            calls: DEFAULT_CALLS,
            max_batch: MAX_BATCH,
            allow_http: false,
            clock: Arc::new(SystemClock::new()),
            client: HttpClient::new(),
            map: None,
            on_obligation: None,
        }
    }

    /// Uses the default endpoints, `/access/v1/evaluation` and `/access/v1/evaluations` below the identifier (section
    /// 10.1.1), instead of those in the metadata.
    pub fn without_discovery(mut self) -> Self {
        self.endpoints = Where::Usual;
        self
    }

    /// Uses these endpoints instead of those in the metadata. Without the second one, several requests are evaluated
    /// one after another. Requests to them contain the credential.
    pub fn endpoints(mut self, evaluation: impl Into<String>, evaluations: Option<&str>) -> Self {
        self.endpoints = Where::Given(evaluation.into(), evaluations.map(str::to_owned));
        self
    }

    /// Authenticates with `Authorization: Bearer {token}`. No `Debug` and no error shows the token.
    pub fn bearer_token(mut self, token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        let value = if token.is_empty() { String::new() } else { format!("Bearer {token}") };
        self.headers.push(check_header("authorization", &value));
        self
    }

    /// Authenticates with a header of another kind: an API key, say. No `Debug` and no error shows its value.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.headers.push(check_header(name.as_ref(), value.as_ref()));
        self
    }

    /// Limits how long a decision may take, a second call included. Default: 500 ms; five seconds at most.
    ///
    /// The metadata, which is fetched with the first request and every ten minutes, may take two seconds more.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Limits how many calls run at the same time; one more returns an error immediately. Default: 64.
    pub const fn max_calls(mut self, most: usize) -> Self {
        self.calls = most;
        self
    }

    /// Limits how many requests are evaluated in one call. Default: 100; 1000 at most.
    pub const fn max_batch(mut self, most: usize) -> Self {
        self.max_batch = most;
        self
    }

    /// Changes what is sent to the decision point, for points with conventions of their own.
    ///
    /// ```
    /// use orgate::authzen::AuthZen;
    ///
    /// // Cerbos wants the roles of a subject under this name.
    /// let pdp = AuthZen::builder("https://cerbos.example.com")
    ///     .map(|request, evaluation| {
    ///         let role = if request.scopes().any(|scope| scope == "admin") { "admin" } else { "user" };
    ///         evaluation.set_subject_property("cerbos.roles", vec![role]);
    ///     })
    ///     .build()?;
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn map(mut self, map: impl Fn(&DecisionRequest, &mut Evaluation) + Send + Sync + 'static) -> Self {
        self.map = Some(Box::new(map));
        self
    }

    /// Handles the obligations that come with an allow, one at a time: `true` says that this one is understood and
    /// fulfilled. Without it, and where it says `false`, the allow becomes a denial.
    pub fn on_obligation(
        mut self,
        handle: impl Fn(&DecisionRequest, &Obligation) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.on_obligation = Some(Box::new(handle));
        self
    }

    /// Asks through this client. Default: the built-in one ([`HttpClient::new`]).
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Allows a decision point at `http://`. Whoever can change that traffic makes the decisions. (Loopback needs no
    /// permission.)
    pub const fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Checks all settings. Does no I/O.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting with its value; a secret is not shown.
    pub fn build(self) -> Result<AuthZen, ConfigError> {
        let url = check_base("policy decision point", &self.identifier, self.allow_http)?;
        check_limits(self.deadline, self.calls, self.max_batch)?;
        let no_url = || ConfigError::new(format_args!("{:?} is not a URL", self.identifier));
        let given = |evaluation, evaluations| Source::Given(Arc::new(Endpoints { evaluation, evaluations }));
        let source = match &self.endpoints {
            Where::Metadata => {
                let metadata = Metadata::new(self.identifier.clone(), &url, self.allow_http, self.clock)?;
                Source::Metadata(Arc::new(metadata))
            }
            Where::Usual => {
                let usual = |path| below(&url, path).ok_or_else(no_url);
                given(usual("/access/v1/evaluation")?, Some(usual("/access/v1/evaluations")?))
            }
            Where::Given(evaluation, evaluations) => {
                let check = |text: &String| check_base("endpoint", text, self.allow_http);
                given(check(evaluation)?, evaluations.as_ref().map(check).transpose()?)
            }
        };
        Ok(AuthZen(Arc::new(Inner {
            identifier: self.identifier,
            source,
            remote: Arc::new(Remote::new(self.client.fetcher(&url)?, self.calls, self.deadline)),
            headers: self.headers.into_iter().collect::<Result<_, _>>()?,
            max_batch: self.max_batch,
            map: self.map,
            on_obligation: self.on_obligation,
        })))
    }
}

fn check_limits(deadline: Duration, calls: usize, max_batch: usize) -> Result<(), ConfigError> {
    if deadline.is_zero() || deadline > LONGEST_DEADLINE {
        return Err(ConfigError::new(format_args!(
            "deadline {deadline:?}: expected above zero and at most {LONGEST_DEADLINE:?}"
        )));
    }
    if !(1..=MAX_CALLS).contains(&calls) {
        return Err(ConfigError::new(format_args!("max_calls {calls}: not in 1 ..= {MAX_CALLS}")));
    }
    if !(1..=MAX_MAX_BATCH).contains(&max_batch) {
        return Err(ConfigError::new(format_args!("max_batch {max_batch}: not in 1 ..= {MAX_MAX_BATCH}")));
    }
    Ok(())
}

impl fmt::Debug for AuthZenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthZenBuilder").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

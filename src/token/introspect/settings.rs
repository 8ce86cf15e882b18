//! How an issuer is asked about opaque tokens.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::uri::Uri;

use crate::error::ConfigError;
use crate::http::percent;

/// The longest time that a good answer may serve.
const MAX_KEPT: Duration = Duration::from_secs(300);

/// Asks an issuer about opaque tokens (RFC 7662). For [`Issuer::introspection`](crate::Issuer::introspection).
///
/// ```
/// use orgate::token::Introspection;
/// use orgate::{Issuer, ResourceServer};
///
/// let ask = Introspection::new("https://auth.example.com/token/introspection", "api-client", "secret");
/// let issuer = Issuer::new("https://auth.example.com").introspection(ask);
/// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Introspection {
    pub(crate) endpoint: String,
    pub(crate) without_audience: bool,
    client_id: String,
    secret: String,
    in_body: bool,
    pub(super) keep: Duration,
    pub(super) keep_refusals: Duration,
    pub(super) at_once: usize,
}

impl Introspection {
    /// Creates settings for the issuer's introspection endpoint, with the credentials of this API there.
    pub fn new(endpoint: impl Into<String>, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            without_audience: false,
            client_id: client_id.into(),
            secret: secret.into(),
            in_body: false,
            keep: Duration::from_secs(30),
            keep_refusals: Duration::from_secs(5),
            at_once: 16,
        }
    }

    /// Sends the credentials in the form (`client_secret_post`) instead of by HTTP Basic.
    pub fn client_secret_post(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// Sets how long a positive answer is cached, never beyond the token's `exp`. A revocation is noticed with this
    /// delay. Default: 30 s; five minutes at most; zero asks every time, after the request has arrived.
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// Sets how long a rejection is cached. Default: 5 s; five minutes at most.
    pub fn keep_refusals(mut self, time: Duration) -> Self {
        self.keep_refusals = time;
        self
    }

    /// Limits how many calls run at the same time. Default: 16.
    pub fn at_once(mut self, most: usize) -> Self {
        self.at_once = most;
        self
    }

    /// Accepts answers without `aud`, as Logto's are. It is then unknown which API a token was issued for, so any
    /// application of the issuer can use its users' tokens here. Such tokens meet
    /// [`authenticated()`](crate::policy::authenticated) and nothing else.
    pub fn dangerous_introspection_without_audience(mut self) -> Self {
        self.without_audience = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let fault = |what: fmt::Arguments<'_>| Err(ConfigError::new(format_args!("introspection: {what}")));
        if self.client_id.is_empty() || self.secret.is_empty() {
            return fault(format_args!("client {:?}: an empty id or secret", self.client_id));
        }
        for (what, time) in [("keep", self.keep), ("keep_refusals", self.keep_refusals)] {
            if time > MAX_KEPT {
                return fault(format_args!("{what} {time:?}: more than {MAX_KEPT:?}"));
            }
        }
        if self.at_once == 0 {
            return fault(format_args!("at_once 0"));
        }
        Ok(())
    }

    /// The form of a question, and the header by which the client identifies itself.
    pub(super) fn form(&self, token: &str) -> (String, Option<HeaderValue>) {
        let (client, secret) = (percent::encode(&self.client_id), percent::encode(&self.secret));
        let token = percent::encode(token);
        let form = format!("token={token}&token_type_hint=access_token");
        if self.in_body {
            return (format!("{form}&client_id={client}&client_secret={secret}"), None);
        }
        // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        let basic = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{client}:{secret}"))));
        let basic = basic.ok().map(|mut basic| {
            basic.set_sensitive(true);
            basic
        });
        (form, basic)
    }

    pub(super) fn endpoint(&self) -> Result<Uri, http::uri::InvalidUri> {
        self.endpoint.parse()
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

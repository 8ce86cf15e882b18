use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::layer::{Door, FirstMessageLayer};
use crate::ResourceServer;
use crate::error::ConfigError;
use crate::policy::Policy;
use crate::token::browser::Origins;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const DEFAULT_WAITING: usize = 1024;
const WAITING: std::ops::RangeInclusive<usize> = 1..=(1 << 20);

/// The settings of WebSockets whose first message is the token.
///
/// ```
/// use std::time::Duration;
/// use orgate::websocket::FirstMessage;
///
/// let settings = FirstMessage::new(["https://app.example.com"]).timeout(Duration::from_secs(5)).max_waiting(256);
/// # _ = settings;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FirstMessage {
    origins: Vec<String>,
    timeout: Duration,
    max_waiting: usize,
}

impl FirstMessage {
    /// Takes the origins of the pages that may open the connection, as for [`BrowserTokens`](super::BrowserTokens::new).
    pub fn new<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self {
            origins: origins.into_iter().map(Into::into).collect(),
            timeout: DEFAULT_TIMEOUT,
            max_waiting: DEFAULT_WAITING,
        }
    }

    /// Sets how long a connection may take to send its token. Default: 10 s; 100 ms to 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many connections of the route may be open without a token. Default: 1,024; 1 to 1,048,576.
    ///
    /// A handshake beyond it receives 503. Each of these connections may hold one message: bound its size where the connection is
    /// accepted, for instance with axum's `WebSocketUpgrade::max_message_size`.
    pub fn max_waiting(mut self, connections: usize) -> Self {
        self.max_waiting = connections;
        self
    }

    pub(crate) fn build(&self) -> Result<Door, ConfigError> {
        if !TIMEOUTS.contains(&self.timeout) {
            return Err(ConfigError::new(format_args!(
                "first message: timeout {:?} is not between 100 ms and 60 s",
                self.timeout
            )));
        }
        if !WAITING.contains(&self.max_waiting) {
            return Err(ConfigError::new(format_args!(
                "first message: max_waiting {} is not in {WAITING:?}",
                self.max_waiting
            )));
        }
        let origins = Arc::new(Origins::check(&self.origins)?);
        Ok(Door { origins, timeout: self.timeout, places: Arc::new(Semaphore::new(self.max_waiting)) })
    }
}

impl ResourceServer {
    /// Returns a layer for a route that accepts WebSockets and takes the token from the first message.
    ///
    /// The layer decides whether the connection may be opened; its [`Unauthenticated`](super::Unauthenticated) in the request's
    /// extensions decides by `policy`.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the policy is faulty or does not fit this server, or if a setting is out of range.
    pub fn first_message(&self, policy: Policy, settings: &FirstMessage) -> Result<FirstMessageLayer, ConfigError> {
        Ok(settings.build()?.layer(self.requirement(policy)?))
    }
}

//! What an operator sets.

use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::status::RedisState;

/// What happens to requests while this replica does not know whether it is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBehind {
    /// They are rejected with 503 and `Retry-After`.
    Refuse,
    /// They are judged by what is known, which is counted and logged.
    GoOn,
}

impl WhenBehind {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::GoOn => "go_on",
        }
    }
}

/// What happens when the table is lost and no replica knows its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterLoss {
    /// Tokens that were issued before are rejected, whenever their issuer is added: each client renews once. Suspended subjects are not known any more.
    #[default]
    RefuseOlder,
    /// Nothing is rejected for that.
    GoOn,
}

impl AfterLoss {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefuseOlder => "refuse_older",
            Self::GoOn => "go_on",
        }
    }
}

pub(super) type Watcher = Arc<dyn Fn(RedisState) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) addresses: Vec<Address>,
    /// The name of the primary that the addresses are sentinels of.
    pub(super) primary: Option<String>,
    /// Who asks the primary that a sentinel names.
    pub(super) of_primary: Option<Address>,
    pub(super) when_behind: WhenBehind,
    pub(super) after_loss: AfterLoss,
    pub(super) bound: Duration,
    pub(super) beat: Duration,
    pub(super) copies: u32,
    pub(super) max_rows: u64,
    pub(super) feed_entries: u64,
    pub(super) reconcile_every: Duration,
    pub(super) watcher: Option<Watcher>,
}

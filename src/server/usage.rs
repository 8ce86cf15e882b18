//! The resources in use now.

use std::sync::Arc;

use super::ResourceServer;
use crate::flight::Bulkhead;

/// The resources that a server uses at one moment. Returned by [`ResourceServer::usage`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Verified tokens that are cached.
    pub cached_tokens: usize,
    /// What they weigh, in bytes.
    pub cached_token_bytes: u64,
    /// Signatures that are checked.
    pub verifications_running: usize,
    /// Requests that wait to have a signature checked.
    pub verifications_waiting: usize,
    /// Calls to permission sources, by issuer entry.
    pub permission_sources: Vec<CallUsage>,
    /// Calls to introspection endpoints, by issuer entry.
    pub introspection: Vec<CallUsage>,
    /// Leases that are watched.
    pub leases: usize,
    /// Calls to the decision point that wait for their turn, as far as it tells.
    pub decisions_waiting: usize,
}

/// Calls to one other server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallUsage {
    /// The name of the issuer entry.
    pub issuer: Arc<str>,
    /// Calls under way.
    pub running: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// How many calls the source's own limit allows now; `None` without one.
    pub calls_left: Option<usize>,
}

impl ResourceServer {
    /// Returns the resources in use now. It only looks.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let state = &self.state;
        let (cached_tokens, cached_token_bytes) = state.verified.load();
        let (verifications_running, verifications_waiting) = state.permits.load();
        let entries = state.entries.load();
        let sources = entries.iter().filter_map(|entry| {
            let source = entry.permissions.as_ref()?;
            Some(CallUsage::of(&entry.rules.name, &source.slots, source.ask.calls_left()))
        });
        let introspection = entries.iter().filter_map(|entry| {
            let introspector = entry.introspector.as_ref()?;
            Some(CallUsage::of(&entry.rules.name, &introspector.slots, None))
        });
        Usage {
            cached_tokens,
            cached_token_bytes,
            verifications_running,
            verifications_waiting,
            permission_sources: sources.collect(),
            introspection: introspection.collect(),
            leases: state.leases.count(),
            decisions_waiting: state.decider.as_ref().map_or(0, |decider| decider.point().calls_waiting()),
        }
    }
}

impl CallUsage {
    fn of(issuer: &Arc<str>, slots: &Bulkhead, calls_left: Option<usize>) -> Self {
        let (running, waiting) = slots.load();
        Self { issuer: issuer.clone(), running, waiting, calls_left }
    }
}

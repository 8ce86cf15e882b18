//! What the settings of a feed must be like.

use std::time::Duration;

use super::settings::PermissionFeed;
use crate::error::ConfigError;
use crate::policy::{CompiledPolicy, Policy};

const MOST_SCOPES: usize = 32;

impl PermissionFeed {
    /// Finds the first limit that is out of its range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let seconds = Duration::from_secs;
        let in_range = |what: &str, value: Duration, most: Duration| {
            if (seconds(1)..=most).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::new(format_args!("permission feed: {what} {value:?}: not in 1s ..= {most:?}")))
            }
        };
        in_range("heartbeat", self.heartbeat, seconds(300))?;
        in_range("slow_reader_after", self.slow_after, seconds(600))?;
        let counted = |what: &str, value: usize, most: usize| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::new(format_args!("permission feed: {what} {value}: not in 1 ..= {most}")))
            }
        };
        counted("max_connections", self.most, 1_000_000)?;
        counted("max_connections_of_subject", self.most_of_subject, 1_000)?;
        counted("number of scopes", self.scopes.len(), MOST_SCOPES)
    }
}

/// Each judgement of a feed must say what the subject holds, and come from nothing but the token and the source.
pub(super) fn check_policy(rules: &CompiledPolicy, policy: &Policy) -> Result<(), ConfigError> {
    let fault = if !rules.always_asks() {
        "each clause needs fresh_within(..) or live(), without a tolerance for errors"
    } else if rules.runs_code() {
        "it asks a written check, authorization details or a decision point, which a feed cannot repeat"
    } else if rules.is_optional() {
        "it is optional, and a feed is about a token"
    } else if rules.shadow().is_some() || rules.is_shadow_only() {
        "it has a shadow, which a feed does not judge"
    } else {
        return Ok(());
    };
    Err(ConfigError::new(format_args!("permission feed, policy ({policy}): {fault}")))
}

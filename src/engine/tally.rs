//! Who counts decisions: cheaper than an observer, since no record is made for it.

use std::time::Duration;

use super::outcome::Outcome;
use super::record::{TokenCache, Wait};
use crate::rejection::RejectionKind;

/// Makes a [`Tally`] for each requirement of a server.
pub(crate) trait Tallies: Send + Sync {
    /// `operation` is what the requirement is about, where several things have one route.
    fn of_requirement(&self, operation: Option<&str>) -> Box<dyn Tally>;
}

/// Counts the decisions of one requirement. It is called on every request, a known token included.
pub(crate) trait Tally: Send + Sync {
    /// `route` is the template of the route, never the path.
    fn decided(
        &self,
        route: Option<&str>,
        kind: Option<RejectionKind>,
        shadow: &'static str,
        token: Option<TokenCache>,
    );

    /// A decision that checked a signature or waited.
    fn took(&self, outcome: Outcome, took: Duration, waits: &[Wait]);
}

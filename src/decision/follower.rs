//! Changes at an issuer make decisions stale.

use super::Decider;
use crate::change::{Applied, Follower};

impl Follower for Decider {
    fn changed(&self, applied: &Applied<'_>) {
        if applied.invalidates {
            self.invalidate(&applied.entry.rules.name, applied.about, applied.at);
        }
    }
}

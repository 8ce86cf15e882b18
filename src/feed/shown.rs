//! What a feed shows, and what that is judged by.

use super::state::Difference;
use crate::engine::Requirement;
use crate::permissions::PermissionDrift;
use crate::policy::CompiledPolicy;

/// What a feed shows, and what that is judged by.
pub(super) struct Shown {
    pub(super) requirement: Requirement,
    /// Each scope with the policy that a route would have that requires it.
    pub(super) scopes: Vec<(Box<str>, CompiledPolicy)>,
}

impl Shown {
    pub(super) fn names(&self) -> Vec<&str> {
        self.scopes.iter().map(|(name, _)| &**name).collect()
    }

    pub(super) fn rules(&self, place: u8) -> Option<&CompiledPolicy> {
        self.scopes.get(usize::from(place)).map(|(_, rules)| rules)
    }

    /// What of a drift is shown, in the order of the settings, whatever that of the token is.
    pub(super) fn difference(&self, drift: Option<&PermissionDrift>) -> Difference {
        let Some(drift) = drift else { return Difference::default() };
        let place = |scope: &str| {
            let place = self.scopes.iter().position(|(name, _)| **name == *scope)?;
            u8::try_from(place).ok()
        };
        let mut difference = Difference {
            lost: drift.lost().filter_map(place).collect(),
            gained: drift.gained().filter_map(place).collect(),
        };
        difference.lost.sort_unstable();
        difference.gained.sort_unstable();
        difference
    }
}

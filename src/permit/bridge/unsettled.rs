//! What older wishes may change at Permit.io while its users are compared with a list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::wishes::Wish;

/// Wishes by user: the organization, `None` for the user as such, and whether it takes away.
pub(super) type Unsettled = BTreeMap<Box<str>, OfUser>;
pub(super) type OfUser = BTreeSet<(Option<Box<str>>, bool)>;

pub(super) fn note(unsettled: &mut Unsettled, user: &str, organization: Option<&str>, wish: &Wish) {
    unsettled.entry(user.into()).or_default().insert((organization.map(Into::into), wish.takes()));
}

/// Wishes that were carried out while Permit.io was asked for its users: its answer may show them or not. Bounded by the
/// wishes from before the lists, and forgotten once no comparison is left.
#[derive(Default)]
pub(super) struct Carried {
    comparisons: usize,
    before: Duration,
    out: Unsettled,
}

impl Carried {
    pub(super) fn begin(&mut self, at: Duration) {
        self.comparisons += 1;
        self.before = self.before.max(at);
    }

    pub(super) fn end(&mut self) {
        self.comparisons -= 1;
        if self.comparisons == 0 {
            *self = Self::default();
        }
    }

    pub(super) fn note(&mut self, user: &str, organization: Option<&str>, wish: &Wish, at: Duration) {
        if self.comparisons > 0 && at < self.before {
            note(&mut self.out, user, organization, wish);
        }
    }

    pub(super) const fn out(&self) -> &Unsettled {
        &self.out
    }
}

/// What Permit.io knows about a user, and what it may come to know by older wishes.
pub(super) struct Seen {
    pub(super) is_known: bool,
    pub(super) may_be_known: bool,
    /// Where the user has a role, and keeps it.
    pub(super) members: BTreeSet<String>,
    /// Where the user has a role, or may get one.
    pub(super) may_be_members: BTreeSet<String>,
}

impl Seen {
    /// `tenants`: where the user has a role; `None` if Permit.io does not know the user.
    pub(super) fn new(tenants: Option<BTreeSet<String>>, unsettled: Option<OfUser>) -> Self {
        let unsettled = unsettled.unwrap_or_default();
        let is_going = unsettled.contains(&(None, true));
        let may_come = unsettled.iter().any(|(_, takes)| !takes);
        let of = |wanted: bool| {
            let wishes = unsettled.iter().filter(move |(_, takes)| *takes == wanted);
            wishes.filter_map(|(organization, _)| organization.as_deref().map(str::to_owned)).collect::<BTreeSet<_>>()
        };
        let (is_known, tenants) = (tenants.is_some(), tenants.unwrap_or_default());
        Self {
            is_known: is_known && !is_going,
            may_be_known: is_known || may_come,
            members: if is_going { BTreeSet::new() } else { &tenants - &of(true) },
            may_be_members: &tenants | &of(false),
        }
    }
}

//! From when on what was known is no longer true: one mark for each thing that changed.
//!
//! Fetches and changes are put into one order by a counter, so no clock decides which of two came first. A snapshot whose
//! fetch began before the mark is as good as none, even one that lands later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::source::{PermissionModel, PermissionQuery};
use crate::token::SubjectKind;

/// A place in the order of fetches and changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Epoch(pub(super) u64);

/// What has changed at the issuer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A subject: everything about it.
    Subject(Arc<str>),
    /// One subject's membership in one organization.
    Member {
        /// The organization's id.
        organization: Arc<str>,
        /// The user's id, or the client's for a machine.
        subject: Arc<str>,
    },
    /// Everything in one organization.
    Organization(Arc<str>),
    /// The organization template: what the roles of all organizations hold.
    OrganizationTemplate,
    /// What API roles hold.
    ApiPermissions,
    /// Anything at all.
    Everything,
}

/// When something changed last: in our order, and by the issuer's clock.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Epoch,
    /// Since the Unix epoch. An older event says nothing new.
    changed: Duration,
}

/// The marks of one issuer entry.
#[derive(Debug, Default)]
pub(super) struct Marks {
    single: HashMap<Change, Mark>,
    /// The latest change in any organization, and in any membership of a subject: what a user may do with an API hangs on
    /// all of them.
    organizations: Epoch,
    memberships: HashMap<Arc<str>, Epoch>,
    /// What was in `single` when that was full: everything before it counts as changed.
    floor: Epoch,
}

/// More than that, and they become one.
const MOST_MARKS: usize = 10_000;

impl Marks {
    /// Notes a change, unless a later one of the same kind is known. `false` if so: a replay, or one that was overtaken.
    pub(super) fn note(&mut self, change: Change, at: Epoch, changed: Duration) -> bool {
        if self.single.get(&change).is_some_and(|mark| changed <= mark.changed) {
            return false;
        }
        if self.single.len() >= MOST_MARKS && !self.single.contains_key(&change) {
            self.single.clear();
            self.memberships.clear();
            self.floor = at;
        }
        match &change {
            Change::Organization(_) | Change::OrganizationTemplate => self.organizations = at,
            Change::Member { subject, .. } => _ = self.memberships.insert(subject.clone(), at),
            Change::Subject(_) | Change::ApiPermissions | Change::Everything => {}
        }
        self.single.insert(change, Mark { at, changed });
        true
    }

    /// From when on a snapshot of this query is true.
    pub(super) fn of(&self, query: &PermissionQuery) -> Epoch {
        let at = |change: &Change| self.single.get(change).map_or(Epoch(0), |mark| mark.at);
        let is_user = query.kind != SubjectKind::Machine;
        let subject = query.subject.clone();
        let mut latest = self.floor.max(at(&Change::Everything)).max(at(&Change::Subject(subject.clone())));
        match &query.model {
            PermissionModel::Organization { organization }
            | PermissionModel::ResourceInOrganization { organization, .. } => {
                latest = latest
                    .max(at(&Change::OrganizationTemplate))
                    .max(at(&Change::Organization(organization.clone())))
                    .max(at(&Change::Member { organization: organization.clone(), subject }));
            }
            // A user's API permissions are also those of the roles in all of the user's organizations.
            PermissionModel::Resource { .. } if is_user => {
                let memberships = self.memberships.get(&subject).copied().unwrap_or_default();
                latest = latest.max(self.organizations).max(memberships);
            }
            PermissionModel::Resource { .. } => {}
        }
        if !matches!(query.model, PermissionModel::Organization { .. }) {
            latest = latest.max(at(&Change::ApiPermissions));
        }
        latest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(kind: SubjectKind, subject: &str, model: PermissionModel) -> PermissionQuery {
        PermissionQuery { issuer_name: "main".into(), subject: subject.into(), kind, model }
    }

    fn queries() -> Vec<PermissionQuery> {
        let api = || PermissionModel::Resource { indicator: "api".into() };
        let organization = |id: &str| PermissionModel::Organization { organization: id.into() };
        let within =
            |id: &str| PermissionModel::ResourceInOrganization { indicator: "api".into(), organization: id.into() };
        vec![
            query(SubjectKind::User, "u1", api()),
            query(SubjectKind::User, "u1", organization("a")),
            query(SubjectKind::User, "u1", within("a")),
            query(SubjectKind::User, "u2", organization("b")),
            query(SubjectKind::Machine, "m1", api()),
            query(SubjectKind::Machine, "m1", within("b")),
        ]
    }

    /// Which of the queries a change makes untrue.
    fn touched(change: Change) -> Vec<usize> {
        let mut marks = Marks::default();
        assert!(marks.note(change, Epoch(7), Duration::from_secs(1)));
        let stale = queries().iter().map(|query| marks.of(query) == Epoch(7)).collect::<Vec<_>>();
        stale.iter().enumerate().filter(|(_, stale)| **stale).map(|(index, _)| index).collect()
    }

    #[test]
    fn each_change_touches_what_hangs_on_it() {
        assert_eq!(touched(Change::Subject("u1".into())), [0, 1, 2]);
        assert_eq!(touched(Change::Member { organization: "a".into(), subject: "u1".into() }), [0, 1, 2]);
        assert_eq!(touched(Change::Member { organization: "b".into(), subject: "u1".into() }), [0]);
        assert_eq!(touched(Change::Member { organization: "b".into(), subject: "m1".into() }), [5]);
        assert_eq!(touched(Change::Organization("b".into())), [0, 3, 5]);
        assert_eq!(touched(Change::OrganizationTemplate), [0, 1, 2, 3, 5]);
        assert_eq!(touched(Change::ApiPermissions), [0, 2, 4, 5]);
        assert_eq!(touched(Change::Everything), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_comes_late_or_twice_changes_nothing() {
        let mut marks = Marks::default();
        let change = Change::Subject("u1".into());
        assert!(marks.note(change.clone(), Epoch(1), Duration::from_secs(10)));
        assert!(!marks.note(change.clone(), Epoch(2), Duration::from_secs(10)));
        assert!(!marks.note(change.clone(), Epoch(3), Duration::from_secs(9)));
        assert_eq!(marks.of(&queries()[1]), Epoch(1));
        assert!(marks.note(change, Epoch(4), Duration::from_secs(11)));
        assert_eq!(marks.of(&queries()[1]), Epoch(4));
    }

    #[test]
    fn too_many_marks_become_one() {
        let mut marks = Marks::default();
        for number in 0..=MOST_MARKS {
            let at = Epoch(u64::try_from(number).unwrap() + 1);
            marks.note(Change::Subject(number.to_string().into()), at, Duration::from_secs(1));
        }
        assert_eq!(marks.single.len(), 1);
        assert!(queries().iter().all(|query| marks.of(query) == Epoch(MOST_MARKS as u64 + 1)));
    }

    proptest! {
        #[test]
        fn a_mark_never_goes_back(changes in prop::collection::vec((0..8_usize, 0..5_u64), 0..40)) {
            let kinds = [
                Change::Subject("u1".into()),
                Change::Member { organization: "a".into(), subject: "u1".into() },
                Change::Member { organization: "b".into(), subject: "m1".into() },
                Change::Organization("a".into()),
                Change::Organization("b".into()),
                Change::OrganizationTemplate,
                Change::ApiPermissions,
                Change::Everything,
            ];
            let mut marks = Marks::default();
            let mut before: Vec<Epoch> = queries().iter().map(|query| marks.of(query)).collect();
            for (at, (kind, changed)) in (1..).zip(changes) {
                marks.note(kinds[kind].clone(), Epoch(at), Duration::from_secs(changed));
                let after: Vec<Epoch> = queries().iter().map(|query| marks.of(query)).collect();
                prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
                before = after;
            }
        }
    }
}

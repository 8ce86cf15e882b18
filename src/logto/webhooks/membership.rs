//! Who came to an organization, and who went.

use super::kind::{id, parameter};
use crate::json::{Object, Text};

/// Logto cuts each list off here. A list of this length may have lacked some.
const LONGEST_LIST: usize = 5000;

/// The users and applications that joined or left an organization.
///
/// From version 1.40 on Logto lists them, up to 5000 of each sort. Before, an event tells only whom a single removal named;
/// [`is_complete`](Self::is_complete) is `false` then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    organization: Box<str>,
    added_users: List,
    removed_users: List,
    added_applications: List,
    removed_applications: List,
    is_listed: bool,
    /// An unlisted change that can only have added members, or removed those whom it names.
    removes_no_others: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct List {
    ids: Vec<Box<str>>,
    is_there: bool,
    is_cut: bool,
}

impl MembershipChange {
    pub(super) fn read(payload: &Object<'_>) -> Option<Self> {
        let organization = id(payload, "organizationId").or_else(|| parameter(payload, "id"))?;
        let mut change = Self {
            organization,
            added_users: List::read(payload, "addedUserIds"),
            removed_users: List::read(payload, "removedUserIds"),
            added_applications: List::read(payload, "addedApplicationIds"),
            removed_applications: List::read(payload, "removedApplicationIds"),
            is_listed: false,
            removes_no_others: false,
        };
        let is_listed = change.lists().iter().any(|list| list.is_there);
        change.is_listed = is_listed;
        if !is_listed {
            change.read_route(payload);
        }
        Some(change)
    }

    /// Without lists: `DELETE` names whom it removes, `POST` only adds, and so does a sign-in, which has no route.
    fn read_route(&mut self, payload: &Object<'_>) {
        let is_deletion = payload.is_text("method", "DELETE");
        if is_deletion {
            self.removed_users.ids.extend(parameter(payload, "userId"));
            self.removed_applications.ids.extend(parameter(payload, "applicationId"));
        }
        let names_one = !self.removed_users.ids.is_empty() || !self.removed_applications.ids.is_empty();
        self.removes_no_others = match payload.has("method") {
            true if is_deletion => names_one,
            true => payload.is_text("method", "POST"),
            false => payload.has("interactionEvent"),
        };
    }

    fn lists(&self) -> [&List; 4] {
        [&self.added_users, &self.removed_users, &self.added_applications, &self.removed_applications]
    }

    /// Returns the organization's id.
    #[must_use]
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// Returns the ids of users who joined.
    pub fn added_users(&self) -> impl Iterator<Item = &str> {
        self.added_users.iter()
    }

    /// Returns the ids of users who left.
    pub fn removed_users(&self) -> impl Iterator<Item = &str> {
        self.removed_users.iter()
    }

    /// Returns the ids of applications that joined. As a subject, a machine has its application's id.
    pub fn added_applications(&self) -> impl Iterator<Item = &str> {
        self.added_applications.iter()
    }

    /// Returns the ids of applications that left. As a subject, a machine has its application's id.
    pub fn removed_applications(&self) -> impl Iterator<Item = &str> {
        self.removed_applications.iter()
    }

    /// Returns whether the lists name everyone whose membership changed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_listed && !self.lists().iter().any(|list| list.is_cut)
    }

    /// Returns whether members may have left whom the lists do not name: the list of removed members was cut off, or
    /// there are no lists and the change was neither an addition nor a single removal.
    #[must_use]
    pub fn may_remove_others(&self) -> bool {
        if self.is_listed {
            self.removed_users.is_cut || self.removed_applications.is_cut
        } else {
            !self.removes_no_others
        }
    }
}

impl List {
    /// A list that contains anything but strings names no member, and counts as cut off.
    fn read(payload: &Object<'_>, name: &'static str) -> Self {
        match payload.get::<Vec<Text<'_>>>(name) {
            Ok(None) => Self::default(),
            Ok(Some(ids)) => Self {
                is_cut: ids.len() >= LONGEST_LIST,
                ids: ids.into_iter().map(|id| id.0.into()).collect(),
                is_there: true,
            },
            Err(_) => Self { ids: Vec::new(), is_there: true, is_cut: true },
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|id| &**id)
    }
}

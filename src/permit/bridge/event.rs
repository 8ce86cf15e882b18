//! What follows from an event.

use std::time::Duration;

use serde::Deserialize;

use super::handle::{MapUser, since_epoch};
use super::wishes::Wish;
use crate::logto::webhooks::{Event, EventKind};
use crate::permit::PermitUser;

/// What an event tells.
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) at: Duration,
    /// The user, the organization if it is about a membership, and what is to become of it.
    pub(super) wishes: Vec<(Box<str>, Option<Box<str>>, Wish)>,
    /// Somebody is concerned whom it does not name.
    pub(super) is_incomplete: bool,
    pub(super) may_take_from_others: bool,
}

/// The user is at one of two places.
#[derive(Deserialize)]
struct Payload {
    user: Option<Record>,
    data: Option<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    primary_email: Option<String>,
    name: Option<String>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    given_name: Option<String>,
    family_name: Option<String>,
}

pub(super) fn told_by(event: &Event, map: Option<&MapUser>) -> Told {
    let mut told = Told {
        name: "other",
        at: since_epoch(event.created_at()),
        wishes: Vec::new(),
        is_incomplete: false,
        may_take_from_others: false,
    };
    match event.kind() {
        EventKind::PostRegister => told.name = "PostRegister",
        EventKind::UserCreated => told.name = "User.Created",
        EventKind::UserDeleted { user, .. } => {
            told.name = "User.Deleted";
            told.wishes.push((user.clone(), None, Wish::Delete));
        }
        EventKind::OrganizationMembershipUpdated(change) => {
            told.name = "Organization.Membership.Updated";
            let tenant: Option<Box<str>> = Some(change.organization().into());
            let left = change.removed_users().map(|user| (user.into(), tenant.clone(), Wish::Leave));
            let came = change.added_users().map(|user| (user.into(), tenant.clone(), Wish::Join));
            told.wishes.extend(left.chain(came));
            // Without lists, a removal that names its one user says all there is to say.
            let says_all =
                !told.wishes.is_empty() && !change.may_remove_others() && change.added_users().next().is_none();
            told.is_incomplete = !change.is_complete() && !says_all;
            told.may_take_from_others = change.may_remove_others();
        }
        _ => {}
    }
    if matches!(event.kind(), EventKind::PostRegister | EventKind::UserCreated) {
        let record = event.payload::<Payload>().ok().and_then(|payload| payload.user.or(payload.data));
        match record.filter(|record| !record.id.is_empty()) {
            Some(record) => {
                let id: Box<str> = record.id.as_str().into();
                let user = record.into_user();
                let mut user = map.map_or_else(|| user.clone(), |map| map(user.clone(), event));
                user.key = id.to_string();
                told.wishes.push((id, None, Wish::Sync(user)));
            }
            None => told.is_incomplete = true,
        }
    }
    told
}

impl Record {
    fn into_user(self) -> PermitUser {
        let (given, family) = self.profile.map_or((None, None), |profile| (profile.given_name, profile.family_name));
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut user = PermitUser::new(self.id);
        if let Some(email) = named(self.primary_email) {
            user = user.email(email);
        }
        if let Some(first) = named(given).or(named(self.name)) {
            user = user.first_name(first);
        }
        if let Some(last) = named(family) {
            user = user.last_name(last);
        }
        user
    }
}

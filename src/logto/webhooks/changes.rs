//! What an event changes.

use std::sync::Arc;
use std::time::SystemTime;

use super::kind::EventKind;
use super::membership::MembershipChange;
use crate::change::{About, Change, Effect};

/// The events that take something away when they say whom they are about.
pub(super) const TAKING_AWAY: [&str; 4] =
    ["User.Deleted", "User.SuspensionStatus.Updated", "Organization.Deleted", "Organization.Membership.Updated"];

pub(super) fn of(kind: &EventKind, issuer: &str, at: SystemTime) -> Vec<Change> {
    let issuer: Arc<str> = issuer.into();
    let edited = |about| vec![Change::edited(issuer.clone(), about, at)];
    match kind {
        EventKind::UserDeleted { user } => vec![Change::subject_deleted(issuer, &**user, at)],
        EventKind::UserSuspensionUpdated { user, suspended } => {
            let mut changes = vec![Change::not_before(issuer.clone(), About::subject(&**user), at)];
            changes.extend(suspended.map(|suspended| {
                if suspended { Change::suspended(issuer, &**user, at) } else { Change::restored(issuer, &**user, at) }
            }));
            changes
        }
        EventKind::OrganizationDeleted { organization } => {
            vec![Change::organization_deleted(issuer, &**organization, at)]
        }
        EventKind::OrganizationDataUpdated { organization } => edited(About::organization(&**organization)),
        EventKind::OrganizationMembershipUpdated(change) => membership(change, &issuer, at),
        EventKind::OrganizationUserRolesUpdated { organization, users } if users.is_empty() => {
            edited(About::organization(&**organization))
        }
        EventKind::OrganizationUserRolesUpdated { organization, users } => {
            let organization: Arc<str> = (**organization).into();
            let member = |user: &str| About::member(organization.clone(), user);
            users.iter().map(|user| Change::edited(issuer.clone(), member(user), at)).collect()
        }
        EventKind::OrganizationRole(_) | EventKind::OrganizationScope(_) => edited(About::OrganizationTemplate),
        EventKind::Role(_) | EventKind::Scope(_) => edited(About::ApiPermissions),
        EventKind::PostRegister
        | EventKind::PostSignIn
        | EventKind::PostResetPassword
        | EventKind::IdentifierLockout
        | EventKind::UserCreated
        | EventKind::UserDataUpdated
        | EventKind::OrganizationCreated
        | EventKind::Other => Vec::new(),
    }
}

/// What is left of a change that may only take away: a suspension is neither set nor lifted.
pub(super) fn taking_away(change: &Change) -> Change {
    let effect = match (change.about(), change.effect()) {
        (About::Subject { .. }, Effect::Suspended | Effect::Restored) => Effect::Edited,
        (About::Subject { .. }, Effect::Deleted) => Effect::NotBefore,
        (_, effect) => effect,
    };
    Change::new(change.issuer(), change.about().clone(), effect, change.at())
}

fn membership(change: &MembershipChange, issuer: &Arc<str>, at: SystemTime) -> Vec<Change> {
    let organization: Arc<str> = change.organization().into();
    let whole = || About::organization(organization.clone());
    if change.may_remove_others() {
        return vec![Change::not_before(issuer.clone(), whole(), at)];
    }
    let removed = change.removed_users().chain(change.removed_applications());
    let mut changes: Vec<_> =
        removed.map(|id| Change::member_removed(issuer.clone(), organization.clone(), id, at)).collect();
    if change.is_complete() {
        let added = change.added_users().chain(change.added_applications());
        let member = |id: &str| About::member(organization.clone(), id);
        changes.extend(added.map(|id| Change::edited(issuer.clone(), member(id), at)));
    } else {
        changes.push(Change::edited(issuer.clone(), whole(), at));
    }
    changes
}

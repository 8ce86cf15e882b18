//! Changes of who there is, and who is where.

use std::collections::BTreeMap;

use serde_json::Value;

use super::TestTenant;
use super::directory::{Application, Organization, User};
use super::state::Store;
use super::webhook::Change;
use crate::testing::keys::random;
use crate::testing::release::LogtoRelease;
use crate::time::milliseconds;

/// Users and applications.
impl TestTenant {
    /// Adds a user with this id: the `sub` of the user's tokens.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    pub fn add_user(&self, id: &str) {
        let (mut store, now) = self.change();
        assert_unknown(&store, id);
        let created_at = milliseconds(now);
        let user = User {
            suspended: false,
            mfa: false,
            created_at,
            updated_at: created_at,
            signed_in_at: None,
            application: None,
            roles: store.directory.default_roles(),
        };
        let record = user.full_record(id);
        store.directory.users.insert(id.to_owned(), user);
        let change = Change { method: "POST", status: 200, route: "/users", params: &[] };
        store.outbox.tell(now, "User.Created", &change, &[("data", record)]);
    }

    /// Deletes a user with all sessions, memberships and refresh tokens.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    pub fn remove_user(&self, id: &str) {
        let (mut store, now) = self.change();
        let record = store.directory.user(id).record(id);
        store.directory.users.remove(id);
        store.forget(id);
        store.end_sign_ins(id);
        let change = Change { method: "DELETE", status: 204, route: "/users/:userId", params: &[("userId", id)] };
        store.outbox.tell(now, "User.Deleted", &change, &[("data", record)]);
    }

    /// Suspends a user: refresh tokens and opaque tokens become invalid permanently. Access tokens that are JWTs stay
    /// valid, and [`exchange`](Self::exchange) still works.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    pub fn suspend(&self, user: &str) {
        self.set_suspended(user, true);
    }

    /// Lifts a suspension. The user has to sign in again.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    pub fn unsuspend(&self, user: &str) {
        self.set_suspended(user, false);
    }

    /// Changes a property of a user that affects no permission.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    pub fn touch_user(&self, id: &str) {
        let (mut store, now) = self.change();
        let user = store.directory.user(id);
        user.updated_at = milliseconds(now);
        let record = user.full_record(id);
        let change = Change { method: "PATCH", status: 200, route: "/users/:userId", params: &[("userId", id)] };
        store.outbox.tell(now, "User.Data.Updated", &change, &[("data", record)]);
    }

    /// Adds a web application with this id, to sign in through: the `client_id` of its users' tokens. Returns its
    /// secret.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    #[allow(clippy::must_use_candidate, reason = "the secret is there for those who speak to the token endpoint")]
    pub fn add_application(&self, id: &str) -> String {
        self.new_application(id, false, None, false)
    }

    /// Adds a third-party web application with this id: it gets tokens for an organization only after the user has
    /// [consented](Self::consent_to_organization). Returns its secret.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    #[allow(clippy::must_use_candidate, reason = "the secret is there for those who speak to the token endpoint")]
    pub fn add_third_party_application(&self, id: &str) -> String {
        self.new_application(id, true, None, false)
    }

    /// Adds a third-party web application that registered itself by the metadata document at this address. Returns its
    /// secret.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    #[allow(clippy::must_use_candidate, reason = "the secret is there for those who speak to the token endpoint")]
    pub fn add_application_by_document(&self, id: &str, document: &str) -> String {
        self.new_application(id, true, Some(document.to_owned()), false)
    }

    /// Records a user's consent that a third-party application may act in an organization. No webhook is sent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user, application or organization.
    pub fn consent_to_organization(&self, user: &str, client: &str, organization: &str) {
        let (mut store, _) = self.change();
        store.directory.user(user);
        store.directory.application(client);
        store.directory.organization(organization);
        store.directory.consents.insert((client.to_owned(), user.to_owned(), organization.to_owned()));
    }

    /// Withdraws that consent. No webhook is sent.
    pub fn withdraw_consent(&self, user: &str, client: &str, organization: &str) {
        let (mut store, _) = self.change();
        store.directory.consents.remove(&(client.to_owned(), user.to_owned(), organization.to_owned()));
    }

    /// Sets up a second factor for a user, which organizations may require.
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    pub fn set_up_mfa(&self, user: &str) {
        let (mut store, _) = self.change();
        store.directory.user(user).mfa = true;
    }

    /// Adds a machine-to-machine application with this id: `sub` and `client_id` of its tokens. Returns its secret.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    #[allow(clippy::must_use_candidate, reason = "the secret is there for those who speak to the token endpoint")]
    pub fn add_machine(&self, id: &str) -> String {
        self.new_application(id, false, None, true)
    }

    /// Deletes an application, with its roles and memberships, and ends the sign-ins through it.
    ///
    /// # Panics
    ///
    /// Panics if there is no such application.
    pub fn remove_application(&self, id: &str) {
        let (mut store, _) = self.change();
        store.directory.application(id);
        store.directory.applications.remove(id);
        store.forget(id);
        store.grants.retain(|_, consent| consent.client != id);
        store.opaque.retain(|_, opaque| opaque.client != id);
    }

    fn set_suspended(&self, id: &str, suspended: bool) {
        let (mut store, now) = self.change();
        let user = store.directory.user(id);
        user.suspended = suspended;
        user.updated_at = milliseconds(now);
        let record = user.full_record(id);
        if suspended {
            store.end_sign_ins(id);
        }
        let route = "/users/:userId/is-suspended";
        let change = Change { method: "PATCH", status: 200, route, params: &[("userId", id)] };
        store.outbox.tell(now, "User.SuspensionStatus.Updated", &change, &[("data", record)]);
    }

    fn new_application(&self, id: &str, third_party: bool, document: Option<String>, machine: bool) -> String {
        let (mut store, _) = self.change();
        assert_unknown(&store, id);
        let secret = random(24);
        let application = Application { machine, third_party, document, secret: secret.clone(), roles: Vec::new() };
        store.directory.applications.insert(id.to_owned(), application);
        secret
    }
}

/// Organizations and their members, which are users or machines.
impl TestTenant {
    /// Adds an organization with this id.
    ///
    /// # Panics
    ///
    /// Panics if the id is taken.
    pub fn add_organization(&self, id: &str) {
        let (mut store, now) = self.change();
        assert!(!store.directory.organizations.contains_key(id), "there is an organization {id:?}");
        let organization = Organization {
            created_at: milliseconds(now),
            mfa_required: false,
            just_in_time: Vec::new(),
            members: BTreeMap::new(),
        };
        let record = organization.record(id);
        store.directory.organizations.insert(id.to_owned(), organization);
        let change = Change { method: "POST", status: 201, route: "/organizations", params: &[] };
        store.outbox.tell(now, "Organization.Created", &change, &[("data", record)]);
    }

    /// Makes an organization require a second factor of its members. It takes effect when a token is issued.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization.
    pub fn require_mfa(&self, organization: &str) {
        let (mut store, now) = self.change();
        store.directory.organization(organization).mfa_required = true;
        let record = store.directory.organization(organization).record(organization);
        let change =
            Change { method: "PATCH", status: 200, route: "/organizations/:id", params: &[("id", organization)] };
        store.outbox.tell(now, "Organization.Data.Updated", &change, &[("data", record)]);
    }

    /// Deletes an organization, with all memberships in it.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization.
    pub fn remove_organization(&self, id: &str) {
        let (mut store, now) = self.change();
        store.directory.organization(id);
        store.directory.organizations.remove(id);
        store.directory.consents.retain(|(_, _, organization)| organization != id);
        let change = Change { method: "DELETE", status: 204, route: "/organizations/:id", params: &[("id", id)] };
        store.outbox.tell(now, "Organization.Deleted", &change, &[]);
    }

    /// Changes a property of an organization that affects no permission.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization.
    pub fn touch_organization(&self, id: &str) {
        let (mut store, now) = self.change();
        let record = store.directory.organization(id).record(id);
        let change = Change { method: "PATCH", status: 200, route: "/organizations/:id", params: &[("id", id)] };
        store.outbox.tell(now, "Organization.Data.Updated", &change, &[("data", record)]);
    }

    /// Makes a user or a machine a member, without a role.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization, user or application.
    pub fn add_member(&self, organization: &str, member: &str) {
        let (mut store, now) = self.change();
        let is_application = store.directory.is_application(member);
        store.directory.organization(organization).members.entry(member.to_owned()).or_default();
        let route = if is_application { "/organizations/:id/applications" } else { "/organizations/:id/users" };
        let change = Change { method: "POST", status: 201, route, params: &[("id", organization)] };
        let list = if is_application { "addedApplicationIds" } else { "addedUserIds" };
        let told = self.membership(organization, list, member);
        store.outbox.tell(now, "Organization.Membership.Updated", &change, &told);
    }

    /// Ends a membership, and with it the member's roles there.
    ///
    /// # Panics
    ///
    /// Panics if it is not a member.
    pub fn remove_member(&self, organization: &str, member: &str) {
        let (mut store, now) = self.change();
        let is_application = store.directory.is_application(member);
        store.directory.member(organization, member);
        store.directory.organization(organization).members.remove(member);
        let (route, param, list) = if is_application {
            ("/organizations/:id/applications/:applicationId", "applicationId", "removedApplicationIds")
        } else {
            ("/organizations/:id/users/:userId", "userId", "removedUserIds")
        };
        let params = &[("id", organization), (param, member)];
        let change = Change { method: "DELETE", status: 204, route, params };
        let told = self.membership(organization, list, member);
        store.outbox.tell(now, "Organization.Membership.Updated", &change, &told);
    }

    fn membership<'a>(&self, organization: &str, list: &'a str, member: &str) -> Vec<(&'a str, Value)> {
        let names = self.tenant.release >= LogtoRelease::V1_42;
        let listed = names.then(|| (list, Value::from(vec![member])));
        [("organizationId", organization.into())].into_iter().chain(listed).collect()
    }
}

impl Store {
    /// Takes a user or an application out of every organization.
    fn forget(&mut self, member: &str) {
        for organization in self.directory.organizations.values_mut() {
            organization.members.remove(member);
        }
        self.directory.consents.retain(|(client, user, _)| client != member && user != member);
    }
}

/// Users and applications share the space of `sub`.
fn assert_unknown(store: &Store, id: &str) {
    let directory = &store.directory;
    assert!(!directory.users.contains_key(id) && !directory.applications.contains_key(id), "{id:?} is taken");
}

//! Who and what a tenant knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::testing::keys::random;

/// Everything about users, machines, organizations and permissions. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) users: BTreeMap<String, User>,
    pub(super) applications: BTreeMap<String, Application>,
    pub(super) organizations: BTreeMap<String, Organization>,
    pub(super) organization_scopes: Vec<Scope>,
    pub(super) organization_roles: Vec<OrganizationRole>,
    pub(super) resources: Vec<Resource>,
    pub(super) roles: Vec<Role>,
    /// Third-party application, user, organization.
    pub(super) consents: BTreeSet<(String, String, String)>,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) suspended: bool,
    pub(super) created_at: u64,
    pub(super) updated_at: u64,
    pub(super) signed_in_at: Option<u64>,
    /// Whether a factor beside the password is set up.
    pub(super) mfa: bool,
    /// The application of the first sign-in.
    pub(super) application: Option<String>,
    /// Ids of global roles.
    pub(super) roles: Vec<String>,
}

pub(super) struct Application {
    pub(super) machine: bool,
    pub(super) third_party: bool,
    /// The address of the document by which it registered itself.
    pub(super) document: Option<String>,
    pub(super) secret: String,
    /// Ids of global roles.
    pub(super) roles: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Organization {
    pub(super) created_at: u64,
    pub(super) mfa_required: bool,
    /// Ids of the organization roles that users receive on joining just in time.
    pub(super) just_in_time: Vec<String>,
    /// Members, users and applications, with the ids of their organization roles.
    pub(super) members: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_at: u64,
}

/// The kind of subjects that a role is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoleType {
    /// Users.
    User,
    /// Machine-to-machine applications.
    MachineToMachine,
}

#[derive(Debug)]
pub(super) struct OrganizationRole {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: RoleType,
    /// Ids of organization scopes.
    pub(super) scopes: Vec<String>,
    /// Ids of API scopes.
    pub(super) resource_scopes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: RoleType,
    /// Whether new users receive it.
    pub(super) is_default: bool,
    /// Ids of API scopes.
    pub(super) scopes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) indicator: String,
    /// How long a token for it lives, in seconds.
    pub(super) lifetime: u64,
    pub(super) scopes: Vec<Scope>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl RoleType {
    /// Returns the name that Logto uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::MachineToMachine => "MachineToMachine",
        }
    }
}

impl Scope {
    pub(super) fn new(name: impl Into<String>, created_at: u64) -> Self {
        Self { id: random_id(), name: name.into(), created_at }
    }
}

/// Unlike any name, so that a client that takes one for the other is found out.
pub(super) fn random_id() -> String {
    random(15).to_ascii_lowercase().replace(['-', '_'], "0")
}

/// What may be missing.
impl Directory {
    pub(super) fn resource(&self, indicator: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.indicator == indicator)
    }

    /// An API scope and its resource, by the scope's id.
    pub(super) fn api_scope(&self, id: &str) -> Option<(&Resource, &Scope)> {
        let mut scopes = self.resources.iter().flat_map(|resource| resource.scopes.iter().map(move |s| (resource, s)));
        scopes.find(|(_, scope)| scope.id == id)
    }

    /// Ids of the global roles that new users receive.
    pub(super) fn default_roles(&self) -> Vec<String> {
        self.roles.iter().filter(|role| role.is_default).map(|role| role.id.clone()).collect()
    }

    pub(super) fn role_by_id(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The organization roles of a member; `None` for everyone else.
    pub(super) fn roles_in(&self, organization: &str, member: &str) -> Option<Vec<&OrganizationRole>> {
        let ids = self.organizations.get(organization)?.members.get(member)?;
        Some(self.organization_roles.iter().filter(|role| ids.contains(&role.id)).collect())
    }
}

/// Whom a token for an organization is issued for.
impl Directory {
    /// Why a client gets no token for an organization that the user is a member of.
    pub(super) fn barrier(&self, organization: &str, user: &str, client: &str) -> Option<&'static str> {
        let is_third_party = self.applications.get(client).is_none_or(|found| found.third_party);
        let consent = (client.to_owned(), user.to_owned(), organization.to_owned());
        if is_third_party && !self.consents.contains(&consent) {
            return Some("organization access is not granted to the application");
        }
        let needs_mfa = self.organizations.get(organization).is_some_and(|found| found.mfa_required);
        let has_mfa = self.users.get(user).is_some_and(|user| user.mfa);
        (needs_mfa && !has_mfa).then_some("organization requires mfa")
    }
}

/// What a test speaks of by name, and must have added before.
impl Directory {
    pub(super) fn user(&mut self, id: &str) -> &mut User {
        self.users.get_mut(id).unwrap_or_else(|| panic!("no user {id:?}"))
    }

    pub(super) fn application(&mut self, id: &str) -> &mut Application {
        self.applications.get_mut(id).unwrap_or_else(|| panic!("no application {id:?}"))
    }

    pub(super) fn organization(&mut self, id: &str) -> &mut Organization {
        self.organizations.get_mut(id).unwrap_or_else(|| panic!("no organization {id:?}"))
    }

    /// The roles of a member.
    pub(super) fn member(&mut self, organization: &str, member: &str) -> &mut Vec<String> {
        let members = &mut self.organization(organization).members;
        members.get_mut(member).unwrap_or_else(|| panic!("{member:?} is not a member of {organization:?}"))
    }

    pub(super) fn organization_role(&mut self, name: &str) -> &mut OrganizationRole {
        let found = self.organization_roles.iter_mut().find(|role| role.name == name);
        found.unwrap_or_else(|| panic!("no organization role {name:?}"))
    }

    pub(super) fn organization_scope(&self, name: &str) -> Scope {
        let found = self.organization_scopes.iter().find(|scope| scope.name == name);
        found.unwrap_or_else(|| panic!("no organization scope {name:?}")).clone()
    }

    pub(super) fn role(&mut self, name: &str) -> &mut Role {
        self.roles.iter_mut().find(|role| role.name == name).unwrap_or_else(|| panic!("no role {name:?}"))
    }

    pub(super) fn resource_mut(&mut self, indicator: &str) -> &mut Resource {
        let found = self.resources.iter_mut().find(|resource| resource.indicator == indicator);
        found.unwrap_or_else(|| panic!("no resource {indicator:?}"))
    }

    pub(super) fn resource_scope(&self, indicator: &str, name: &str) -> Scope {
        let scopes = self.resource(indicator).into_iter().flat_map(|resource| &resource.scopes);
        let found = scopes.into_iter().find(|scope| scope.name == name);
        found.unwrap_or_else(|| panic!("no scope {name:?} of {indicator:?}")).clone()
    }

    /// Whether this id is an application's; a user's, if not.
    pub(super) fn is_application(&self, id: &str) -> bool {
        assert!(self.applications.contains_key(id) || self.users.contains_key(id), "no user or application {id:?}");
        self.applications.contains_key(id)
    }

    /// A role goes to whom it is for.
    pub(super) fn check_holder(&self, kind: RoleType, holder: &str) {
        let wanted = if self.is_application(holder) { RoleType::MachineToMachine } else { RoleType::User };
        assert!(kind == wanted, "the role is of type {}, {holder:?} is not", kind.as_str());
    }
}

//! The token endpoint's rules: who gets which token, with which scopes, now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Refused;
use super::directory::Directory;
use super::request::TokenRequest;
use super::state::{Consent, Opaque, Store, Tenant};
use crate::testing::TokenBuilder;
use crate::testing::keys::random;
use crate::testing::kind::Kind;
use crate::testing::state::State;
use crate::time::Clock as _;

const HOUR: u64 = 3600;
const REFRESH_TOKEN_SECONDS: u64 = 14 * 24 * 3600;

/// The user scopes that every client of a tenant asks for, beside its own.
const USER_SCOPES: [&str; 10] = [
    "openid",
    "offline_access",
    "profile",
    "email",
    "phone",
    "custom_data",
    "identities",
    "roles",
    "urn:logto:scope:organizations",
    "urn:logto:scope:organization_roles",
];

/// A token and what is told beside it.
pub(super) struct Issued {
    pub(super) token: String,
    scope: Option<String>,
    lifetime: u64,
    refresh_token: Option<String>,
}

impl Issued {
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "access_token": self.token, "expires_in": self.lifetime, "token_type": "Bearer" });
        for (name, value) in [("scope", &self.scope), ("refresh_token", &self.refresh_token)] {
            if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        body
    }
}

/// A user consents to what a client asks for. The refresh token.
pub(super) fn consent(store: &mut Store, user: &str, client: &str, scopes: &[String], now: Duration) -> String {
    let requested: Vec<String> = USER_SCOPES.iter().map(|&scope| scope.to_owned()).chain(scopes.to_vec()).collect();
    let directory = &store.directory;
    let granted = directory.resources.iter().map(|resource| {
        let held = directory.user_scopes(user, &resource.indicator, None).into_iter();
        (resource.indicator.clone(), held.filter(|scope| requested.contains(scope)).collect::<BTreeSet<_>>())
    });
    let granted = granted.collect();
    let (user, client) = (user.to_owned(), client.to_owned());
    let refresh_token = random(32);
    store.grants.insert(refresh_token.clone(), Consent { user, client, requested, granted, issued_at: now.as_secs() });
    refresh_token
}

impl Consent {
    pub(super) const fn expires_at(&self) -> u64 {
        self.issued_at + REFRESH_TOKEN_SECONDS
    }
}

impl Opaque {
    pub(super) const fn expires_at(&self) -> u64 {
        self.issued_at + HOUR
    }
}

impl Tenant {
    /// `grant_type=refresh_token`: what the client asked for at sign-in, as far as the user still holds it. API scopes
    /// only as far as they were granted then.
    pub(super) fn refresh(
        &self,
        state: &Arc<State>,
        client: &str,
        refresh_token: &str,
        asked: &TokenRequest,
    ) -> Result<Issued, Refused> {
        let mut store = self.store();
        let now = state.clock.now().unix.as_secs();
        let grant = store.grants.get(refresh_token).ok_or_else(Refused::invalid_grant)?;
        if grant.client != client || now >= grant.expires_at() {
            return Err(Refused::invalid_grant());
        }
        let wanted = asked.scopes.as_ref().unwrap_or(&grant.requested);
        if !wanted.iter().all(|scope| grant.requested.contains(scope)) {
            return Err(Refused::invalid_scope());
        }
        let wants = |scope: &String| wanted.contains(scope);
        let granted = |scope: &String| {
            let resource = asked.resource.as_ref().and_then(|resource| grant.granted.get(resource));
            resource.is_some_and(|granted| granted.contains(scope))
        };
        let user = grant.user.clone();
        let mut issued = if let Some((kind, held)) = user_token(&store.directory, &user, client, asked)? {
            let is_api = asked.resource.is_some();
            let scopes = held.into_iter().filter(|scope| wants(scope) && (!is_api || granted(scope)));
            mint(state, &store.directory, kind, &user, client, &scopes.collect::<Vec<_>>())
        } else {
            let scopes = USER_SCOPES.iter().map(|&scope| scope.to_owned()).filter(wants);
            let scope = scopes.collect::<Vec<_>>().join(" ");
            store.opaque_token(&user, client, scope, Some(refresh_token.to_owned()), now)
        };
        issued.refresh_token = Some(refresh_token.to_owned());
        Ok(issued)
    }

    /// `grant_type=client_credentials`: what the machine asks for here, as far as it holds it.
    pub(super) fn machine(&self, state: &Arc<State>, id: &str, asked: &TokenRequest) -> Result<Issued, Refused> {
        let store = self.store();
        let directory = &store.directory;
        let organization = asked.organization.as_deref();
        if organization.is_some_and(|organization| directory.roles_in(organization, id).is_none()) {
            return Err(Refused::access_denied("app has not associated with the organization"));
        }
        let (kind, held) = match (&asked.resource, organization) {
            (Some(resource), _) => {
                check_resource(directory, resource)?;
                (resource_kind(asked, resource), directory.machine_scopes(id, resource, organization))
            }
            (None, Some(organization)) => organization_kind(directory, organization, id),
            (None, None) => {
                return Err(Refused::invalid_target("both `resource` and `organization_id` are not provided"));
            }
        };
        let wanted = asked.scopes.as_deref().unwrap_or_default();
        let scopes: Vec<_> = held.into_iter().filter(|scope| wanted.contains(scope)).collect();
        Ok(mint(state, directory, kind, id, id, &scopes))
    }

    /// Token exchange of a subject token: no sign-in, so no consent counts, and no suspension.
    pub(super) fn exchange(
        &self,
        state: &Arc<State>,
        client: &str,
        subject_token: &str,
        asked: &TokenRequest,
    ) -> Result<Issued, Refused> {
        let mut store = self.store();
        let now = state.clock.now().unix;
        let known = store.subject_tokens.get(subject_token).filter(|(_, expiry)| now < *expiry);
        let user = known.map(|(user, _)| user.clone());
        let user = user.filter(|user| store.directory.users.contains_key(user)).ok_or_else(Refused::invalid_grant)?;
        let wanted = asked.scopes.clone().unwrap_or_default();
        let answer = user_token(&store.directory, &user, client, asked)?;
        // Once, and only by an exchange that succeeds.
        store.subject_tokens.remove(subject_token);
        if let Some((kind, held)) = answer {
            let scopes: Vec<_> = held.into_iter().filter(|scope| wanted.contains(scope)).collect();
            return Ok(mint(state, &store.directory, kind, &user, client, &scopes));
        }
        let scopes = wanted.into_iter().filter(|scope| USER_SCOPES.contains(&&**scope));
        let scope = scopes.collect::<Vec<_>>().join(" ");
        Ok(store.opaque_token(&user, client, scope, None, now.as_secs()))
    }
}

/// What a user's token is for, and all that the user holds there; `None` for an opaque one.
fn user_token(
    directory: &Directory,
    user: &str,
    client: &str,
    asked: &TokenRequest,
) -> Result<Option<(Kind, Vec<String>)>, Refused> {
    let organization = asked.organization.as_deref();
    if organization.is_some_and(|organization| directory.roles_in(organization, user).is_none()) {
        return Err(Refused::access_denied("user is not a member of the organization"));
    }
    if let Some(why) = organization.and_then(|organization| directory.barrier(organization, user, client)) {
        return Err(Refused::access_denied(why));
    }
    Ok(match (&asked.resource, organization) {
        (Some(resource), _) => {
            check_resource(directory, resource)?;
            Some((resource_kind(asked, resource), directory.user_scopes(user, resource, organization)))
        }
        (None, Some(organization)) => Some(organization_kind(directory, organization, user)),
        (None, None) => None,
    })
}

fn check_resource(directory: &Directory, indicator: &str) -> Result<(), Refused> {
    let known = directory.resource(indicator).map(|_| ());
    known.ok_or_else(|| Refused::invalid_target("resource indicator is missing, or unknown"))
}

fn resource_kind(asked: &TokenRequest, resource: &str) -> Kind {
    Kind::Resource { audience: resource.to_owned(), organization: asked.organization.clone() }
}

fn organization_kind(directory: &Directory, organization: &str, member: &str) -> (Kind, Vec<String>) {
    let held = directory.organization_scopes_of(organization, member).into_iter().map(|scope| scope.name.clone());
    (Kind::Organization { audience: format!("urn:logto:organization:{organization}") }, held.collect())
}

fn mint(
    state: &Arc<State>,
    directory: &Directory,
    kind: Kind,
    subject: &str,
    client: &str,
    scopes: &[String],
) -> Issued {
    let (lifetime, is_api) = match &kind {
        Kind::Resource { audience, .. } => (directory.resource(audience).map_or(HOUR, |found| found.lifetime), true),
        _ => (HOUR, false),
    };
    let scope = scopes.join(" ");
    let mut token = TokenBuilder::new(Arc::clone(state), kind).subject(subject).client(client);
    token = token.expires_in(Duration::from_secs(lifetime));
    let none_told = scope.is_empty() && is_api && subject == client;
    if !none_told {
        token = token.scope(&scope);
    }
    Issued { token: token.mint(), scope: (!none_told).then_some(scope), lifetime, refresh_token: None }
}

impl Store {
    fn opaque_token(
        &mut self,
        user: &str,
        client: &str,
        scope: String,
        grant: Option<String>,
        issued_at: u64,
    ) -> Issued {
        let token = random(32);
        let told = scope.clone();
        let (user, client) = (user.to_owned(), client.to_owned());
        self.opaque.insert(token.clone(), Opaque { user, client, scope, issued_at, grant });
        Issued { token, scope: Some(told), lifetime: HOUR, refresh_token: None }
    }
}

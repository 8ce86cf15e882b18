//! The Management API, as far as it answers what somebody may do now.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};

use super::Refused;
use super::directory::{Directory, OrganizationRole, Role, Scope};
use super::form::Form;
use super::page::{Paging, paged};
use super::route::Question;
use super::state::Tenant;
use crate::lock::lock;
use crate::testing::answers;
use crate::testing::answers::Right;
use crate::testing::keys::decode;
use crate::testing::state::State;
use crate::time::Clock as _;

impl Tenant {
    pub(super) fn management(&self, state: &State, asked: &Request<Bytes>) -> Option<Right> {
        let question = Question::read(asked.uri().path())?;
        if let Err(refused) = self.authorize(state, asked.headers()) {
            return Some(refused.into());
        }
        let host = asked.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let address = format!("http://{host}{}", asked.uri().path());
        let query = Form::parse(asked.uri().query().unwrap_or_default());
        let store = self.store();
        Some(match store.directory.look_up(&question, &query) {
            Ok(Found::One(record)) => answers::answer(StatusCode::OK, &record),
            Ok(Found::List(list)) => answers::answer(StatusCode::OK, &list.into()),
            Ok(Found::Pages(list, paging)) => paged(list, paging, None, &address, &query),
            Ok(Found::Wrapped(name, list)) => paged(list, Paging::Always, Some(name), &address, &query),
            Err(refused) => refused.into(),
        })
    }

    /// Signature, issuer, audience and time of the token, then its scope: `all` or nothing.
    fn authorize(&self, state: &State, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            let (code, message) = ("auth.authorization_header_missing", "Authorization header is missing.");
            return Err(Refused::api(StatusCode::UNAUTHORIZED, code, message));
        };
        let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
            let (code, message) =
                ("auth.authorization_token_type_not_supported", "Authorization type is not supported.");
            Refused::api(StatusCode::UNAUTHORIZED, code, message).with("data", json!({ "supportedTypes": ["Bearer"] }))
        })?;
        let claims = verify(state, token)?;
        let now = state.clock.now().unix.as_secs();
        if text(&claims, "aud") != self.management_resource {
            return Err(claim_refused("ERR_JWT_CLAIM_VALIDATION_FAILED", "JWTClaimValidationFailed", "aud", &claims));
        }
        if claims.get("exp").and_then(Value::as_u64).is_none_or(|expires_at| expires_at <= now) {
            return Err(claim_refused("ERR_JWT_EXPIRED", "JWTExpired", "exp", &claims));
        }
        if !text(&claims, "scope").split(' ').any(|scope| scope == "all") {
            let (code, message) = ("auth.forbidden", "Forbidden. Please check your user roles and permissions.");
            return Err(Refused::api(StatusCode::FORBIDDEN, code, message));
        }
        Ok(())
    }
}

/// The claims of a token that one of the published keys signed.
fn verify(state: &State, token: &str) -> Result<Value, Refused> {
    let invalid = || unauthorized(json!({ "code": "ERR_JWS_INVALID", "name": "JWSInvalid" }));
    let (message, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
    let (header, payload) = message.split_once('.').ok_or_else(invalid)?;
    let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).ok();
    let header = read(header).ok_or_else(invalid)?;
    let signature = decode(signature).ok_or_else(invalid)?;
    match lock(&state.keys).verifies(text(&header, "kid"), message.as_bytes(), &signature) {
        Some(true) => {}
        Some(false) => {
            let (code, name) = ("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "JWSSignatureVerificationFailed");
            return Err(unauthorized(json!({ "code": code, "name": name })));
        }
        None => {
            return Err(unauthorized(json!({ "code": "ERR_JWKS_NO_MATCHING_KEY", "name": "JWKSNoMatchingKey" })));
        }
    }
    let claims = read(payload).ok_or_else(invalid)?;
    if text(&claims, "iss") != state.url {
        return Err(claim_refused("ERR_JWT_CLAIM_VALIDATION_FAILED", "JWTClaimValidationFailed", "iss", &claims));
    }
    Ok(claims)
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn claim_refused(code: &str, name: &str, claim: &str, claims: &Value) -> Refused {
    unauthorized(json!({ "code": code, "name": name, "claim": claim, "reason": "check_failed", "payload": claims }))
}

fn unauthorized(data: Value) -> Refused {
    let message = "Unauthorized. Please check credentials and its scope.";
    Refused::api(StatusCode::UNAUTHORIZED, "auth.unauthorized", message).with("data", data)
}

enum Found {
    One(Value),
    List(Vec<Value>),
    Pages(Vec<Value>, Paging),
    /// Pages, each in an object of one member.
    Wrapped(&'static str, Vec<Value>),
}

impl Directory {
    fn look_up(&self, question: &Question, query: &Form) -> Result<Found, Refused> {
        Ok(match question {
            Question::User(id) => Found::One(self.users.get(id).ok_or_else(not_found)?.full_record(id)),
            Question::UserOrganizations(id) => {
                self.users.get(id).ok_or_else(not_found)?;
                Found::List(self.organizations.keys().filter_map(|org| self.membership_record(org, id)).collect())
            }
            Question::UserRoles(id) => self.global_roles(&self.users.get(id).ok_or_else(not_found)?.roles),
            Question::ApplicationRoles(id) => {
                self.global_roles(&self.applications.get(id).ok_or_else(not_found)?.roles)
            }
            Question::UserMfa(id) => {
                let user = self.users.get(id).ok_or_else(not_found)?;
                let factor = json!({ "id": "totp", "type": "Totp", "createdAt": "2026-01-01T00:00:00.000Z" });
                Found::List(user.mfa.then_some(factor).into_iter().collect())
            }
            Question::Application(id) => Found::One(self.applications.get(id).ok_or_else(not_found)?.record(id)),
            Question::ApplicationOrganizations(id) => {
                self.applications.get(id).ok_or_else(not_found)?;
                let memberships = self.organizations.keys().filter_map(|org| self.membership_record(org, id));
                Found::Pages(memberships.collect(), Paging::WhenAsked)
            }
            Question::ConsentOrganizations(application, user) => self.consented(application, user)?,
            // A stranger, and what does not exist at all, simply has none.
            Question::OrganizationUserScopes(_, user) if !self.users.contains_key(user) => Found::List(Vec::new()),
            Question::OrganizationUserScopes(organization, user) => {
                Found::List(self.organization_scopes_of(organization, user).into_iter().map(Scope::record).collect())
            }
            Question::OrganizationUserRoles(organization, user) => {
                let roles = self.roles_in(organization, user).filter(|_| self.users.contains_key(user));
                Found::Pages(member_roles(roles)?, Paging::WhenAsked)
            }
            Question::OrganizationApplicationRoles(organization, application) => {
                let roles = self.roles_in(organization, application);
                let roles = roles.filter(|_| self.applications.contains_key(application));
                Found::Pages(member_roles(roles)?, Paging::Always)
            }
            Question::OrganizationRoles => {
                let mut roles: Vec<_> = self.organization_roles.iter().collect();
                roles.sort_by(|a, b| a.name.cmp(&b.name));
                Found::Pages(roles.into_iter().map(|role| self.template_record(role)).collect(), Paging::Always)
            }
            Question::Resources => {
                let with_scopes =
                    matches!(query.get("includeScopes"), Some("1" | "true" | "y" | "yes" | "yep" | "yeah"));
                let resources = self.resources.iter();
                let records =
                    resources.map(|found| if with_scopes { found.record_with_scopes() } else { found.record() });
                Found::Pages(records.collect(), Paging::WhenAsked)
            }
            Question::Roles => Found::Pages(self.roles.iter().map(Role::record).collect(), Paging::Always),
            Question::RoleUsers(id) => {
                self.role_by_id(id).ok_or_else(not_found)?;
                Found::Pages(self.holder_records(id, false), Paging::Always)
            }
            Question::RoleApplications(id) => {
                self.role_by_id(id).ok_or_else(not_found)?;
                Found::Pages(self.holder_records(id, true), Paging::Always)
            }
            Question::OrganizationScopes => {
                Found::Pages(self.organization_scopes.iter().map(Scope::record).collect(), Paging::Always)
            }
            Question::Organizations => {
                let records = self.organizations.iter().map(|(id, organization)| organization.record(id));
                Found::Pages(records.collect(), Paging::Always)
            }
            Question::OrganizationUsers(id) => {
                Found::Pages(self.member_records(id, false).ok_or_else(not_found)?, Paging::Always)
            }
            Question::OrganizationApplications(id) => {
                Found::Pages(self.member_records(id, true).ok_or_else(not_found)?, Paging::WhenAsked)
            }
            Question::OrganizationJustInTimeRoles(id) => {
                Found::Pages(self.just_in_time_records(id).ok_or_else(not_found)?, Paging::WhenAsked)
            }
            Question::RoleScopes(id) => {
                let role = self.role_by_id(id).ok_or_else(not_found)?;
                Found::Pages(self.role_scope_records(role), Paging::WhenAsked)
            }
        })
    }

    fn consented(&self, application: &str, user: &str) -> Result<Found, Refused> {
        let found = self.applications.get(application).ok_or_else(not_found)?;
        if !found.third_party {
            let (code, message) = ("application.third_party_application_only", "Only for third-party applications.");
            return Err(Refused::api(StatusCode::UNPROCESSABLE_ENTITY, code, message));
        }
        self.users.get(user).ok_or_else(not_found)?;
        let consents = self.consents.iter().filter(|(client, by, _)| client == application && by == user);
        let organizations = consents.filter_map(|(.., id)| Some(self.organizations.get(id)?.record(id)));
        Ok(Found::Wrapped("organizations", organizations.collect()))
    }

    fn global_roles(&self, ids: &[String]) -> Found {
        let roles = ids.iter().filter_map(|id| self.role_by_id(id));
        Found::Pages(roles.map(Role::record).collect(), Paging::Always)
    }
}

fn member_roles(roles: Option<Vec<&OrganizationRole>>) -> Result<Vec<Value>, Refused> {
    let roles = roles.ok_or_else(|| {
        let message = "The user must be a member of the organization to proceed.";
        Refused::api(StatusCode::UNPROCESSABLE_ENTITY, "organization.require_membership", message)
    })?;
    Ok(roles.into_iter().map(OrganizationRole::record).collect())
}

fn not_found() -> Refused {
    Refused::api(StatusCode::NOT_FOUND, "entity.not_found", "The resource does not exist.")
}

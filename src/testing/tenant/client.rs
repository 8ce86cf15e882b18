//! The endpoints that clients speak to: tokens, introspection, revocation.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde_json::{Value, json};

use super::form::{Form, field};
use super::state::{Store, Tenant};
use super::{Refused, TokenRequest};
use crate::testing::answers;
use crate::testing::answers::Right;
use crate::testing::release::LogtoRelease;
use crate::testing::state::State;
use crate::time::Clock as _;

impl Tenant {
    /// `POST /oidc/token`.
    pub(super) fn token_endpoint(&self, state: &Arc<State>, asked: &Request<Bytes>) -> Right {
        let form = read_form(asked);
        let issued = self.authenticate(asked.headers(), &form).and_then(|client| {
            let wanted = TokenRequest {
                resource: form.get("resource").map(str::to_owned),
                organization: form.get("organization_id").map(str::to_owned),
                scopes: form.get("scope").map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect()),
            };
            let required = |name| {
                form.get(name)
                    .ok_or_else(|| Refused::invalid_request(&format!("missing required parameter(s) '{name}'")))
            };
            match required("grant_type")? {
                "client_credentials" if !self.is_machine(&client) => Err(Refused::unauthorized_client()),
                "client_credentials" => self.machine(state, &client, &wanted),
                "refresh_token" => self.refresh(state, &client, required("refresh_token")?, &wanted),
                "urn:ietf:params:oauth:grant-type:token-exchange" => {
                    self.exchange(state, &client, required("subject_token")?, &wanted)
                }
                _ => Err(Refused::unsupported_grant_type()),
            }
        });
        no_store(issued.map_or_else(Right::from, |issued| answers::answer(StatusCode::OK, &issued.body())))
    }

    /// `POST /oidc/token/introspection` (RFC 7662): opaque tokens and refresh tokens, of any client.
    pub(super) fn introspection(&self, state: &State, asked: &Request<Bytes>) -> Right {
        let form = read_form(asked);
        let found = self.authenticate(asked.headers(), &form).and_then(|_| {
            let token =
                form.get("token").ok_or_else(|| Refused::invalid_request("missing required parameter(s) 'token'"))?;
            if token.split('.').count() == 3 && self.release >= LogtoRelease::V1_42 {
                return Err(Refused::unsupported_token_type());
            }
            let told = self.store().introspect(token, state.clock.now().unix.as_secs(), &state.url);
            Ok(told.unwrap_or_else(|| json!({ "active": false })))
        });
        no_store(found.map_or_else(Right::from, |told| answers::answer(StatusCode::OK, &told)))
    }

    /// `POST /oidc/token/revocation` (RFC 7009). A JWT cannot be revoked, and is answered alike.
    pub(super) fn revocation(&self, asked: &Request<Bytes>) -> Right {
        let form = read_form(asked);
        if let Err(refused) = self.authenticate(asked.headers(), &form) {
            return refused.into();
        }
        let Some(token) = form.get("token") else {
            return Refused::invalid_request("missing required parameter(s) 'token'").into();
        };
        let mut store = self.store();
        store.opaque.remove(token);
        if store.grants.remove(token).is_some() {
            store.opaque.retain(|_, opaque| opaque.grant.as_deref() != Some(token));
        }
        Right::new(Bytes::new())
    }

    /// The client that asks: by HTTP Basic or by the form (RFC 6749 section 2.3.1).
    fn authenticate(&self, headers: &HeaderMap, form: &Form) -> Result<String, Refused> {
        let given = basic(headers).or_else(|| Some((form.get("client_id")?.into(), form.get("client_secret")?.into())));
        let (id, secret) = given.ok_or_else(Refused::invalid_client)?;
        let store = self.store();
        let known = store.directory.applications.get(&id).filter(|application| application.secret == secret);
        known.map(|_| id).ok_or_else(Refused::invalid_client)
    }

    fn is_machine(&self, id: &str) -> bool {
        self.store().directory.applications.get(id).is_some_and(|application| application.machine)
    }
}

impl Store {
    fn introspect(&self, token: &str, now: u64, issuer: &str) -> Option<Value> {
        if let Some(opaque) = self.opaque.get(token) {
            let told = json!({
                "active": true, "sub": opaque.user, "client_id": opaque.client, "exp": opaque.expires_at(),
                "iat": opaque.issued_at, "iss": issuer, "scope": opaque.scope, "token_type": "Bearer",
            });
            return (now < opaque.expires_at()).then_some(told);
        }
        let grant = self.grants.get(token)?;
        let told = json!({
            "active": true, "sub": grant.user, "client_id": grant.client, "exp": grant.expires_at(),
            "iat": grant.issued_at, "iss": issuer, "scope": grant.requested.join(" "),
        });
        (now < grant.expires_at()).then_some(told)
    }
}

fn read_form(asked: &Request<Bytes>) -> Form {
    Form::parse(&String::from_utf8_lossy(asked.body()))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(credentials.trim()))?;
    let credentials = String::from_utf8(credentials.ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((field(id), field(secret)))
}

fn no_store(mut answer: Right) -> Right {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

//! The tenant of the recordings, made anew, and how it is asked.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use orgate::testing::{Grant, LogtoRelease, RoleType, TestTenant};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

pub(crate) const API: &str = "https://api.example.com/orders";
pub(crate) const SHORT: &str = "https://api.example.com/short-lived";
const ORDERS: [&str; 3] = ["read:orders", "write:orders", "delete:orders"];
const MEMBERS: [&str; 3] = ["read:members", "manage:members", "invite:members"];

/// The ids of the recordings.
#[derive(Deserialize)]
pub(crate) struct Names {
    pub(crate) orgs: BTreeMap<String, String>,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) apps: BTreeMap<String, App>,
}

#[derive(Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
}

pub(crate) struct Scenario {
    pub(crate) tenant: TestTenant,
    pub(crate) names: Names,
    http: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Scenario {
    pub(crate) async fn start() -> Self {
        Self::of(TestTenant::builder().release(LogtoRelease::V1_37).start().await)
    }

    pub(crate) fn of(tenant: TestTenant) -> Self {
        let names: Names = serde_json::from_value(recorded!("scenario.json")).unwrap();
        let scenario = Self { tenant, names, http: reqwest::Client::builder().no_proxy().build().unwrap() };
        scenario.populate();
        scenario
    }

    fn populate(&self) {
        let tenant = &self.tenant;
        tenant.add_resource(API, &ORDERS);
        tenant.add_resource(SHORT, &["read:short"]);
        tenant.set_token_lifetime(SHORT, std::time::Duration::from_secs(5));
        for scope in MEMBERS {
            tenant.add_organization_scope(scope);
        }
        for (role, kind, members, orders) in [
            ("admin", RoleType::User, &MEMBERS[..], &ORDERS[..]),
            ("member", RoleType::User, &MEMBERS[..1], &ORDERS[..1]),
            ("machine", RoleType::MachineToMachine, &MEMBERS[..2], &ORDERS[..2]),
        ] {
            tenant.add_organization_role(role, kind, members);
            for scope in orders {
                tenant.add_resource_scope_to_organization_role(role, API, scope);
            }
        }
        tenant.add_role("orders-user", RoleType::User, API, &ORDERS[..2]);
        tenant.add_role("orders-machine", RoleType::MachineToMachine, API, &ORDERS);
        tenant.add_scope_to_role("orders-machine", SHORT, "read:short");

        for user in ["alice", "bob", "carol"] {
            tenant.add_user(self.user(user));
        }
        tenant.add_application(self.app("orders-web"));
        tenant.add_machine(self.app("orders-worker"));
        tenant.add_machine(self.app("orders-worker-bare"));
        let (acme, globex) = (self.org("acme"), self.org("globex"));
        tenant.add_organization(acme);
        tenant.add_organization(globex);
        for (organization, member, role) in [
            (acme, self.user("alice"), Some("admin")),
            (acme, self.user("bob"), Some("member")),
            (globex, self.user("alice"), Some("member")),
            (globex, self.user("carol"), None),
            (acme, self.app("orders-worker"), Some("machine")),
            (acme, self.app("orders-worker-bare"), None),
        ] {
            tenant.add_member(organization, member);
            if let Some(role) = role {
                tenant.give_organization_role(organization, member, role);
            }
        }
        tenant.give_role(self.user("alice"), "orders-user");
        tenant.give_role(self.app("orders-worker"), "orders-machine");
        let _ = tenant.take_deliveries();
    }

    pub(crate) fn user(&self, name: &str) -> &str {
        &self.names.users[name]
    }

    pub(crate) fn org(&self, name: &str) -> &str {
        &self.names.orgs[name]
    }

    pub(crate) fn app(&self, name: &str) -> &str {
        &self.names.apps[name].id
    }

    /// Through the web application, which asks for all there is.
    pub(crate) fn sign_in(&self, user: &str) -> Grant {
        let scopes = [&ORDERS[..], &MEMBERS[..]].concat();
        self.tenant.sign_in(self.user(user), self.app("orders-web"), &scopes).unwrap()
    }

    /// A form, by a client that authenticates with HTTP Basic.
    pub(crate) async fn post(&self, path: &str, client: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.tenant.origin())).form(form);
        read(request.basic_auth(client, Some(self.tenant.secret(client)))).await
    }

    /// What a recorded `request` says, at the token endpoint, with this grant's refresh token.
    pub(crate) async fn refresh(&self, grant: &Grant, request: &Value) -> Answer {
        let mut form: Vec<(&str, &str)> =
            request.as_object().unwrap().iter().map(|(name, value)| (&**name, value.as_str().unwrap())).collect();
        form.push(("refresh_token", grant.refresh_token()));
        self.post("/oidc/token", grant.client(), &form).await
    }

    pub(crate) async fn introspect(&self, token: &str) -> Answer {
        self.post("/oidc/token/introspection", self.app("orders-worker"), &[("token", token)]).await
    }

    /// The Management API, asked by the management client.
    pub(crate) async fn manage(&self, path: &str) -> Answer {
        let token = self.management_token(&[("scope", "all")]).await;
        self.get(path, Some(token["access_token"].as_str().unwrap())).await
    }

    pub(crate) async fn management_token(&self, more: &[(&str, &str)]) -> Value {
        let (client, _) = self.tenant.management_client();
        let resource = self.tenant.management_resource();
        let form = [&[("grant_type", "client_credentials"), ("resource", resource)], more].concat();
        self.post("/oidc/token", &client, &form).await.json()
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = self.http.get(format!("{}{path}", self.tenant.origin()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        read(request).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("not a JWT: {token}"));
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The scopes of a token, sorted; `None` where the claim is absent.
pub(crate) fn scopes(token: &str) -> Option<Vec<String>> {
    let claims = claims(token);
    let mut scopes: Vec<String> =
        claims.get("scope")?.as_str().unwrap().split_whitespace().map(str::to_owned).collect();
    scopes.sort_unstable();
    Some(scopes)
}

/// The same member names and types all the way down; lists of the same length.
pub(crate) fn same_shape(recorded: &Value, ours: &Value) -> Result<(), String> {
    let named = |at: &str, result: Result<(), String>| result.map_err(|what| format!("{at}.{what}"));
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            let (a, b): (Vec<_>, Vec<_>) = (recorded.keys().collect(), ours.keys().collect());
            if a != b {
                return Err(format!("members: {a:?}, here {b:?}"));
            }
            recorded.iter().try_for_each(|(name, value)| named(name, same_shape(value, &ours[name])))
        }
        (Value::Array(recorded), Value::Array(ours)) if recorded.len() == ours.len() => {
            recorded.iter().zip(ours).try_for_each(|(a, b)| named("[]", same_shape(a, b)))
        }
        _ if std::mem::discriminant(recorded) == std::mem::discriminant(ours) && !recorded.is_array() => Ok(()),
        _ => Err(format!(" {recorded}, here {ours}")),
    }
}

#[track_caller]
pub(crate) fn assert_same_shape(recorded: &Value, ours: &Value, what: &str) {
    if let Err(difference) = same_shape(recorded, ours) {
        panic!("{what}: {difference}");
    }
}

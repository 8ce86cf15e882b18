//! The recorded documents.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One request to the token endpoint: a token, or the error that came instead.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) issued: bool,
    pub(crate) token: Option<String>,
    pub(crate) format: Option<String>,
    /// The claims as the recorder decoded them, without this crate.
    pub(crate) claims: Option<Value>,
    /// The key set that was published when the token was issued.
    pub(crate) keys: Option<String>,
    /// The time of issue, in seconds since the epoch.
    pub(crate) now: Option<u64>,
    pub(crate) status: Option<u16>,
}

#[derive(Deserialize)]
pub(crate) struct Rotation {
    pub(crate) first_token: FirstToken,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct FirstToken {
    pub(crate) token: String,
    pub(crate) claims: Value,
}

/// One change of the signing key, by the tenant's administrator.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) tag: String,
    pub(crate) jwks_before: Value,
    pub(crate) jwks_after: Value,
    /// What another implementation said of the first token after this step.
    pub(crate) first_token_still_verifies: String,
}

#[derive(Deserialize)]
pub(crate) struct Scenario {
    pub(crate) issuer: String,
    pub(crate) resource: String,
    pub(crate) resource_short: String,
    pub(crate) orgs: BTreeMap<String, String>,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) apps: BTreeMap<String, App>,
}

#[derive(Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
}

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!("../golden/logto-1.37/", $name))).expect($name)
    };
}

pub(crate) fn rows() -> Vec<Row> {
    recorded!("tokens.json")
}

pub(crate) fn row(name: &str) -> Row {
    rows().into_iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no token {name}"))
}

pub(crate) fn key_sets() -> BTreeMap<String, Value> {
    recorded!("keys.json")
}

pub(crate) fn key_set(name: &str) -> String {
    key_sets()[name].to_string()
}

pub(crate) fn rotation() -> Rotation {
    recorded!("key_rotation.json")
}

pub(crate) fn scenario() -> Scenario {
    recorded!("scenario.json")
}

pub(crate) fn permission_change() -> Value {
    recorded!("permission_change.json")
}

pub(crate) fn member_removed() -> Value {
    recorded!("member_removed.json")
}

pub(crate) fn suspended_user() -> Value {
    recorded!("suspended_user.json")
}

pub(crate) fn webhooks() -> Value {
    recorded!("webhooks.json")
}

/// The body of the discovery document.
pub(crate) fn discovery() -> String {
    let answer: Value = recorded!("discovery.json");
    answer["body"].to_string()
}

impl Row {
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_else(|| panic!("{} was not issued", self.name))
    }

    pub(crate) fn keys(&self) -> &str {
        self.keys.as_deref().unwrap_or_else(|| panic!("{} has no key set", self.name))
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.unwrap_or_else(|| panic!("{} has no time", self.name))
    }

    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.as_ref()?[claim].as_str()
    }

    pub(crate) fn number(&self, claim: &str) -> u64 {
        let claims = self.claims.as_ref().unwrap_or_else(|| panic!("{} has no claims", self.name));
        claims[claim].as_u64().unwrap_or_else(|| panic!("{} has no {claim}", self.name))
    }
}

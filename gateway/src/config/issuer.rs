//! The tables of an issuer, as they are written.

use serde::Deserialize;

use super::{Secret, Text};

/// Keys beyond the first three carry the names of the library's settings.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [[issuer]]")]
pub(crate) struct Issuer {
    pub(crate) name: Option<Text>,
    pub(crate) url: Text,
    #[serde(default)]
    pub(crate) alias: Vec<Text>,
    pub(crate) jwks_uri: Option<Text>,
    pub(crate) jwks_json: Option<Text>,
    pub(crate) seed_keys: Option<Text>,
    #[serde(default)]
    pub(crate) keys_without_kid: bool,
    pub(crate) algorithms: Option<Vec<Text>>,
    pub(crate) default_rsa_algorithm: Option<Text>,
    pub(crate) profile: Option<Text>,
    #[serde(default)]
    pub(crate) organization_tokens: bool,
    pub(crate) organization_audience_prefix: Option<Text>,
    pub(crate) organization_claim: Option<ClaimPath>,
    pub(crate) scope_claim: Option<ScopeClaim>,
    pub(crate) acr_claim: Option<ClaimPath>,
    pub(crate) auth_time_claim: Option<ClaimPath>,
    pub(crate) machine_mark: Option<MachineMark>,
    #[serde(default)]
    pub(crate) client_audience: Vec<Text>,
    #[serde(default)]
    pub(crate) resource: Vec<Text>,
    pub(crate) logto_management: Option<LogtoManagement>,
    pub(crate) introspection: Option<Introspection>,
}

/// The name of a claim, or the names that lead to one inside of others.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged, expecting = "expected the name of a claim, or an array of the names that lead to it")]
pub(crate) enum ClaimPath {
    Name(String),
    Path(Vec<String>),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table such as { name = \"scp\", array = true }")]
pub(crate) struct ScopeClaim {
    pub(crate) name: ClaimPath,
    /// Whether the scopes are an array of strings.
    #[serde(default)]
    pub(crate) array: bool,
}

/// What tells a machine's token; exactly one of the three.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table with one of the keys claim, present and subject_is_client_plus")]
pub(crate) struct MachineMark {
    /// A claim and its value.
    pub(crate) claim: Option<(Text, Text)>,
    pub(crate) present: Option<Text>,
    pub(crate) subject_is_client_plus: Option<Text>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [issuer.logto_management]")]
pub(crate) struct LogtoManagement {
    pub(crate) endpoint: Text,
    pub(crate) client_id: Text,
    pub(crate) client_secret: Secret,
    pub(crate) management_resource: Option<Text>,
    #[serde(default)]
    pub(crate) self_hosted: bool,
    pub(crate) calls_in_flight: Option<usize>,
    pub(crate) calls_per_10_seconds: Option<usize>,
    #[serde(default)]
    pub(crate) dangerous_allow_http: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [issuer.introspection]")]
pub(crate) struct Introspection {
    pub(crate) endpoint: Text,
    pub(crate) client_id: Text,
    pub(crate) client_secret: Secret,
}

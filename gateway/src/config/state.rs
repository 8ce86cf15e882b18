//! The tables of what outlives a process or is shared by several, as they are written.

use serde::Deserialize;

use super::{Secret, Text};

/// Where changes are kept; absent means this process alone.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [state]")]
pub(crate) struct State {
    pub(crate) redis: Option<Secret>,
    /// Replicas of one name share their changes.
    pub(crate) name: Option<Text>,
    pub(crate) when_behind: Option<Text>,
    pub(crate) after_loss: Option<Text>,
    #[serde(default)]
    pub(crate) mac_keys: Vec<Secret>,
    pub(crate) sentinel: Option<Sentinel>,
    pub(crate) bound: Option<Text>,
    pub(crate) beat: Option<Text>,
    pub(crate) copies: Option<u32>,
    pub(crate) reconcile_every: Option<Text>,
    pub(crate) root_certificate: Option<Text>,
    pub(crate) client_certificate: Option<Text>,
    pub(crate) client_key: Option<Secret>,
    pub(crate) file: Option<Text>,
    /// `each_batch`, `never`, or an interval.
    pub(crate) file_sync: Option<Text>,
}

/// `redis` and `others` are sentinels of the primary of this name.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table with primary, credentials and others")]
pub(crate) struct Sentinel {
    pub(crate) primary: Text,
    /// User, password and database of the primary, as a URL.
    pub(crate) credentials: Secret,
    #[serde(default)]
    pub(crate) others: Vec<Secret>,
}

/// Whether tokens that are bound to a key are accepted, and how their proofs are judged.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [dpop]")]
pub(crate) struct Dpop {
    /// Further URLs that clients call, beside `public_url` of `[api]`.
    #[serde(default)]
    pub(crate) public_url: Vec<Text>,
    pub(crate) algorithms: Option<Vec<Text>>,
    pub(crate) window: Option<Text>,
    /// `none`, `on_demand` or `required`.
    pub(crate) nonces: Option<Text>,
    /// The first makes nonces, all of them are accepted; replicas share them.
    #[serde(default)]
    pub(crate) nonce_secrets: Vec<Secret>,
    pub(crate) nonce_lifetime: Option<Text>,
    pub(crate) replay_capacity: Option<usize>,
    pub(crate) replay_timeout: Option<Text>,
}

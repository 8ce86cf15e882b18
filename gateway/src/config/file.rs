//! The tables of the file, as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Dpop, Issuer, Secret, State, Text};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a configuration file")]
pub(crate) struct File {
    pub(crate) api: Api,
    #[serde(default)]
    pub(crate) issuer: Vec<Issuer>,
    pub(crate) decision_point: Option<DecisionPoint>,
    #[serde(default)]
    pub(crate) listen: Listen,
    pub(crate) forward_auth: Option<ForwardAuth>,
    #[serde(default)]
    pub(crate) ext_authz: ExtAuthz,
    pub(crate) tls: Option<Tls>,
    #[serde(default)]
    pub(crate) webhooks: Vec<Webhook>,
    #[serde(default)]
    pub(crate) identity: Identity,
    #[serde(default)]
    pub(crate) upstream: BTreeMap<String, Upstream>,
    #[serde(default)]
    pub(crate) route: Vec<Route>,
    #[serde(default)]
    pub(crate) path: Paths,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) log: Log,
    pub(crate) dpop: Option<Dpop>,
    pub(crate) state: Option<State>,
}

/// Keys beyond the first three carry the names of the library's settings.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [api]")]
#[allow(clippy::struct_excessive_bools, reason = "switches of a file")]
pub(crate) struct Api {
    pub(crate) resource: Text,
    pub(crate) public_url: Text,
    /// Further resource indicators.
    #[serde(default)]
    pub(crate) resources: Vec<Text>,
    pub(crate) leeway: Option<Text>,
    pub(crate) realm: Option<Text>,
    pub(crate) resource_metadata: Option<Text>,
    pub(crate) serve_stale_keys_for: Option<Text>,
    pub(crate) max_token_bytes: Option<usize>,
    pub(crate) token_cache_bytes: Option<u64>,
    pub(crate) max_concurrent_verifications: Option<usize>,
    pub(crate) verification_queue: Option<(usize, Text)>,
    pub(crate) max_wait: Option<Text>,
    pub(crate) shadow_wait: Option<Text>,
    pub(crate) live_permissions: Option<u64>,
    pub(crate) max_token_life: Option<Text>,
    pub(crate) max_revocations: Option<usize>,
    pub(crate) max_suspensions: Option<usize>,
    pub(crate) max_issuers: Option<usize>,
    /// In all, and of each subject.
    pub(crate) max_leases: Option<(usize, usize)>,
    #[serde(default)]
    pub(crate) require_sender_constrained: bool,
    #[serde(default)]
    pub(crate) disable_grpc_responses: bool,
    #[serde(default)]
    pub(crate) disable_trace_context: bool,
    #[serde(default)]
    pub(crate) dangerous_allow_http: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [decision_point]")]
pub(crate) struct DecisionPoint {
    pub(crate) kind: Text,
    pub(crate) url: Text,
    pub(crate) token: Option<Secret>,
    pub(crate) issuer: Option<Text>,
    pub(crate) sync_role: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [listen]")]
pub(crate) struct Listen {
    pub(crate) proxy: Option<Text>,
    pub(crate) forward_auth: Option<Text>,
    pub(crate) ext_authz: Option<Text>,
    pub(crate) admin: Option<Text>,
    pub(crate) webhooks: Option<Text>,
    pub(crate) jwks: Option<Text>,
    /// The faces that may listen where other machines can connect.
    #[serde(default)]
    pub(crate) dangerous_public: Vec<Text>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [forward_auth]")]
pub(crate) struct ForwardAuth {
    pub(crate) preset: Text,
    pub(crate) path: Option<Text>,
    /// The header in which the proxy tells the client's certificate, as percent-encoded PEM.
    pub(crate) client_certificate_header: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [ext_authz]")]
pub(crate) struct ExtAuthz {
    /// Whether Envoy tells the certificates of its clients (`include_peer_certificate`).
    #[serde(default)]
    pub(crate) client_certificates: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [tls]")]
pub(crate) struct Tls {
    pub(crate) cert: Text,
    pub(crate) key: Secret,
    pub(crate) client_ca: Option<Text>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [[webhooks]]")]
pub(crate) struct Webhook {
    pub(crate) path: Text,
    pub(crate) issuer: Text,
    pub(crate) signing_keys: Vec<Secret>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [identity]")]
pub(crate) struct Identity {
    pub(crate) header: Option<Text>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Text>,
    pub(crate) assertion: Option<Text>,
    pub(crate) assertion_key: Option<Secret>,
    pub(crate) token: Option<Text>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [upstream.NAME]")]
pub(crate) struct Upstream {
    pub(crate) url: Text,
    pub(crate) timeout: Option<Text>,
    /// Whether it speaks HTTP/2, as gRPC servers do: with TLS or without, as the URL says.
    #[serde(default)]
    pub(crate) http2: bool,
    /// How many streams of HTTP/2 may be open in all, and over one connection.
    pub(crate) max_streams: Option<(usize, usize)>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [[route]]")]
pub(crate) struct Route {
    pub(crate) path: Text,
    pub(crate) methods: Option<Vec<Text>>,
    pub(crate) policy: Option<Text>,
    #[serde(default)]
    pub(crate) public: bool,
    pub(crate) upstream: Option<Text>,
    pub(crate) token: Option<Text>,
    /// The pages that may open a WebSocket with the token among its protocols.
    pub(crate) browser_origins: Option<Vec<Text>>,
}

/// How paths are read; each list names the `path` of routes.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [path]")]
pub(crate) struct Paths {
    pub(crate) trailing_slash: Option<Text>,
    #[serde(default)]
    pub(crate) dangerous_encoded_slash: Vec<Text>,
    #[serde(default)]
    pub(crate) dangerous_encoded_backslash: Vec<Text>,
    #[serde(default)]
    pub(crate) dangerous_empty_segments: Vec<Text>,
}

/// Limits of the proxy face.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [limits]")]
pub(crate) struct Limits {
    pub(crate) max_header_bytes: Option<usize>,
    pub(crate) max_body_bytes: Option<u64>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) header_timeout: Option<Text>,
    pub(crate) idle_timeout: Option<Text>,
    pub(crate) stall_timeout: Option<Text>,
    pub(crate) drain: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "a table [log]")]
pub(crate) struct Log {
    pub(crate) format: Option<Text>,
    /// `stdout`, or the path of a file.
    pub(crate) decisions: Option<Text>,
    pub(crate) subject: Option<Text>,
    pub(crate) subject_key: Option<Secret>,
}

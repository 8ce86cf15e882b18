//! The targets by name.

mod authzen;
mod bearer;
mod certificates;
mod challenge;
mod change_file;
mod change_redis;
mod gateway_config;
mod gateway_path;
mod introspection;
mod jwt;
mod keys;
mod mcp;
mod metadata;
mod permit;
mod policy;
mod proofs;
mod webhooks;

/// Runs one input. A finding is a panic.
pub(crate) type Target = fn(&[u8]);

pub(crate) const TARGETS: [(&str, Target); 17] = [
    ("authzen", authzen::run),
    ("bearer", bearer::run),
    ("certificates", certificates::run),
    ("challenge", challenge::run),
    ("change_file", change_file::run),
    ("change_redis", change_redis::run),
    ("gateway_config", gateway_config::run),
    ("gateway_path", gateway_path::run),
    ("introspection", introspection::run),
    ("jwt", jwt::run),
    ("keys", keys::run),
    ("mcp", mcp::run),
    ("metadata", metadata::run),
    ("permit", permit::run),
    ("policy", policy::run),
    ("proofs", proofs::run),
    ("webhooks", webhooks::run),
];

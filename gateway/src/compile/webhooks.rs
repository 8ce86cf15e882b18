use std::collections::BTreeMap;

use orgate::ResourceServer;
use orgate::logto::webhooks::SigningKeys;
use orgate::permit::PermitBridge;

use super::issuer::name;
use super::server::permit;
use crate::config::{Address, Fault, File, Secret, Source};
use crate::gateway::{Face, Route};
use crate::path::Table;

/// Makes what tells Permit.io about users and members.
pub(super) fn bridge(source: &Source, file: &File) -> Result<Option<PermitBridge>, Fault> {
    let Some(table) = &file.decision_point else { return Ok(None) };
    let Some(role) = &table.sync_role else { return Ok(None) };
    if !source.word(&table.kind, &[("permit", true), ("authzen", false)])? {
        return Err(source.fault_of(role.span(), "only a decision point of the kind permit learns about users"));
    }
    let bridge = permit(table).and_then(|permit| PermitBridge::builder(permit, role.as_str()).build());
    bridge.map(Some).map_err(|error| source.fault_of(role.span(), error.to_string()))
}

/// The proxy takes deliveries before it looks at a route: a route for the same path would never answer there. A path that a
/// catch-all would answer otherwise is the webhook's.
pub(super) fn check_paths(
    source: &Source,
    file: &File,
    routes: &Table<Route>,
    listen: &BTreeMap<Face, Address>,
) -> Result<(), Fault> {
    if listen.contains_key(&Face::Webhooks) {
        return Ok(());
    }
    if !listen.contains_key(&Face::Proxy) {
        return file.webhooks.first().map_or(Ok(()), |table| {
            let message = "no face takes deliveries: set `webhooks` in [listen], an address that the issuer reaches";
            Err(source.fault_of(table.path.span(), message))
        });
    }
    for table in &file.webhooks {
        if let Some(pattern) = routes.pattern_at(&table.path).filter(|pattern| !pattern.contains("{*")) {
            let message = format!("the route {pattern} has this path too, and the face proxy takes it for the webhook");
            return Err(source.fault_of(table.path.span(), message));
        }
    }
    Ok(())
}

pub(super) fn webhooks(
    source: &Source,
    file: &File,
    server: &ResourceServer,
    bridge: Option<&PermitBridge>,
) -> Result<Option<axum::Router>, Fault> {
    let mut router = axum::Router::new();
    let mut paths: Vec<&str> = Vec::new();
    for table in &file.webhooks {
        let path = table.path.as_str();
        let is_plain = path.starts_with('/') && !path.contains(['{', '}', '*', ':', '%', '?', '#']);
        if !is_plain || paths.contains(&path) {
            return Err(
                source.fault_of(table.path.span(), "expected a path without parameters that no other webhook has")
            );
        }
        paths.push(path);
        if !file.issuer.iter().any(|issuer| name(issuer) == table.issuer.as_str()) {
            return Err(source.fault_of(table.issuer.span(), "there is no [[issuer]] of this name"));
        }
        let keys = SigningKeys::new(table.signing_keys.iter().map(Secret::expose));
        let keys = keys.map_err(|error| source.fault_at(table.path.span(), error.to_string()))?;
        let handle = server.issuer(&table.issuer);
        let handle = handle.map_err(|error| source.fault_of(table.issuer.span(), error.to_string()))?;
        let webhooks = handle.webhooks(keys);
        let told = file.decision_point.as_ref().and_then(|point| point.issuer.as_ref());
        let webhooks = match bridge.filter(|_| told.is_none_or(|told| *told == table.issuer)) {
            Some(bridge) => {
                let bridge = bridge.clone();
                webhooks.on_event(move |event| bridge.take(event))
            }
            None => webhooks,
        };
        router = router.route(path, webhooks.endpoint());
    }
    Ok((!paths.is_empty()).then_some(router))
}

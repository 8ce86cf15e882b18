use orgate::authzen::AuthZen;
use orgate::change::redis::Redis;
use orgate::decision::Decider;
use orgate::permit::Permit;
use orgate::server::Builder;
use orgate::{ConfigError, Issuer, ResourceServer};

use super::Lasting;
use super::binding::bindings;
use super::issuer::issuer;
use crate::config::{Api, DecisionPoint, Fault, File, Issuer as IssuerTable, Secret, Source};
use crate::gateway::Gateway;

/// Makes the issuers of a file. What `before` made of a table that is still the same is used again, so that the server
/// takes it for the entry that it has.
pub(super) fn issuers(
    source: &Source,
    file: &File,
    redis: Option<&Redis>,
    before: Option<&Gateway>,
) -> Result<Vec<Issuer>, Fault> {
    let made = |table: &IssuerTable| {
        let before = before?;
        let mut known = before.file.issuer.iter().zip(&before.issuers);
        known.find(|(old, _)| *old == table).map(|(_, issuer)| issuer.clone())
    };
    file.issuer.iter().map(|table| made(table).map_or_else(|| issuer(source, table, redis), Ok)).collect()
}

/// Makes the resource server. Unless it `opens` what lasts, it is good for looking at alone.
pub(super) fn server(
    source: &Source,
    file: &File,
    issuers: Vec<Issuer>,
    lasting: &Lasting,
    opens: bool,
    adapt: impl Fn(Builder) -> Builder,
) -> Result<ResourceServer, Fault> {
    // Each issuer by itself, so that a fault names its line.
    for (table, issuer) in file.issuer.iter().zip(&issuers) {
        let built = builder(source, file, vec![issuer.clone()])?.build();
        built.map_err(|error| source.fault_at(table.url.span(), error.to_string()))?;
    }
    let redis = lasting.redis.as_ref().filter(|_| opens);
    let builder = builder(source, file, issuers)?;
    let mut builder = bindings(source, file, builder, redis)?;
    if let Some(point) = &file.decision_point {
        let decider = decision_point(source, point)?;
        let decider = decider.map_err(|error| source.fault_at(point.url.span(), error.to_string()))?;
        builder = builder.decision_point(decider);
    }
    if opens {
        builder = builder.observer(lasting.decisions.clone()).metrics();
        if let Some(redis) = redis {
            builder = builder.change_log(redis.clone());
        }
        if let Some(changes) = &lasting.file {
            builder = builder.change_file(changes.clone());
        }
    }
    adapt(builder).build().map_err(|error| source.fault_at(file.api.resource.span(), error.to_string()))
}

/// Brings the issuers of a server that serves to what the file says now, all of them or none. What is known about those that
/// do not change stays: keys, verified tokens, revocations.
pub(super) fn update(source: &Source, file: &File, issuers: &[Issuer], before: &Gateway) -> Result<(), Fault> {
    before.server.set_issuers(issuers.iter().cloned()).map_err(|error| {
        let message = error.to_string();
        let changed = file.issuer.iter().filter(|table| !before.file.issuer.contains(table));
        let named = |table: &&IssuerTable| {
            [&table.url].into_iter().chain(&table.name).any(|word| message.contains(word.as_str()))
        };
        let table = changed.clone().find(named).or_else(|| changed.clone().next());
        let span = table.map_or(file.api.resource.span(), |table| table.url.span());
        // A file that a start would not accept was rejected before.
        source.fault_at(span, format!("{message}: restart orgate to use this file"))
    })
}

fn builder(source: &Source, file: &File, issuers: Vec<Issuer>) -> Result<Builder, Fault> {
    let api = &file.api;
    let mut issuers = issuers.into_iter();
    let first = issuers.next().ok_or_else(|| source.fault("expected at least one [[issuer]]"))?;
    let mut builder = ResourceServer::builder(first, api.resource.as_str());
    for issuer in issuers {
        builder = builder.issuer(issuer);
    }
    for indicator in &api.resources {
        builder = builder.resource(indicator.as_str());
    }
    if let Some(text) = &api.leeway {
        builder = builder.leeway(source.duration(text)?);
    }
    if let Some(text) = &api.serve_stale_keys_for {
        builder = builder.serve_stale_keys_for(source.duration(text)?);
    }
    if let Some(realm) = &api.realm {
        builder = builder.realm(realm.as_str());
    }
    if let Some(url) = &api.resource_metadata {
        builder = builder.resource_metadata(url.as_str());
    }
    if let Some(bytes) = api.max_token_bytes {
        builder = builder.max_token_bytes(bytes);
    }
    if let Some(bytes) = api.token_cache_bytes {
        builder = builder.token_cache_bytes(bytes);
    }
    if let Some(at_once) = api.max_concurrent_verifications {
        builder = builder.max_concurrent_verifications(at_once);
    }
    if let Some((length, wait)) = &api.verification_queue {
        builder = builder.verification_queue(*length, source.duration(wait)?);
    }
    limits(source, api, builder)
}

/// Sets what bounds waits and memory, and the switches.
fn limits(source: &Source, api: &Api, mut builder: Builder) -> Result<Builder, Fault> {
    if let Some(text) = &api.max_wait {
        builder = builder.max_wait(source.duration(text)?);
    }
    if let Some(text) = &api.shadow_wait {
        builder = builder.shadow_wait(source.duration(text)?);
    }
    if let Some(most) = api.live_permissions {
        builder = builder.live_permissions(most);
    }
    if let Some(text) = &api.max_token_life {
        builder = builder.max_token_life(source.duration(text)?);
    }
    if let Some(most) = api.max_revocations {
        builder = builder.max_revocations(most);
    }
    if let Some(most) = api.max_suspensions {
        builder = builder.max_suspensions(most);
    }
    if let Some(most) = api.max_issuers {
        builder = builder.max_issuers(most);
    }
    if let Some((all, each)) = api.max_leases {
        builder = builder.max_leases(all, each);
    }
    if api.disable_grpc_responses {
        builder = builder.disable_grpc_responses();
    }
    if api.disable_trace_context {
        builder = builder.disable_trace_context();
    }
    Ok(if api.dangerous_allow_http { builder.dangerous_allow_http() } else { builder })
}

fn decision_point(source: &Source, table: &DecisionPoint) -> Result<Result<Decider, ConfigError>, Fault> {
    #[derive(Clone, Copy)]
    enum Kind {
        AuthZen,
        Permit,
    }
    let token = table.token.as_ref().map(Secret::expose);
    Ok(match source.word(&table.kind, &[("permit", Kind::Permit), ("authzen", Kind::AuthZen)])? {
        Kind::AuthZen => {
            let builder = AuthZen::builder(table.url.as_str());
            let builder = match token {
                Some(token) => builder.bearer_token(token),
                None => builder,
            };
            builder.build().and_then(|point| Decider::builder(point).build())
        }
        Kind::Permit => permit(table).and_then(|point| Decider::builder(point).build()),
    })
}

/// Makes the client that also tells Permit.io about users.
pub(super) fn permit(table: &DecisionPoint) -> Result<Permit, ConfigError> {
    let token = table.token.as_ref().map_or("", Secret::expose);
    let builder = Permit::builder(table.url.as_str(), token);
    match &table.issuer {
        Some(issuer) => builder.issued_by(issuer.as_str()).build(),
        None => builder.build(),
    }
}

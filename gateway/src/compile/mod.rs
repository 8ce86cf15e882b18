//! From tables of the file to a gateway that is ready to serve, or to the first fault.

mod identity;
mod issuer;
mod listen;
mod log;
mod read;
mod routes;
mod server;
mod upstream;
mod webhooks;

pub(crate) use issuer::{management, name as issuer_name};
pub(crate) use log::log_format;
use orgate::ResourceServer;
use orgate::observe::JsonLines;
use orgate::permit::PermitBridge;
use orgate::server::Builder;

use crate::config::{Fault, File, Loaded, Source};
use crate::gateway::Gateway;

/// Makes a gateway of a file. Does no network I/O.
///
/// What the file does not change is taken over from the gateway before: keys, verified tokens, revocations.
///
/// # Errors
///
/// Returns the first setting that cannot be right.
pub(crate) fn compile(loaded: Loaded, before: Option<&Gateway>) -> Result<Gateway, Fault> {
    compile_with(loaded, before, |builder| builder)
}

/// As [`compile`], with a last word about the server's settings.
///
/// # Errors
///
/// Returns the first setting that cannot be right.
pub(crate) fn compile_with(
    loaded: Loaded,
    before: Option<&Gateway>,
    adapt: impl Fn(Builder) -> Builder,
) -> Result<Gateway, Fault> {
    let Loaded { source, mut file, .. } = loaded;
    let mut warnings = Vec::new();
    if let Some(before) = before {
        keep(&mut file, before, &mut warnings);
    }
    let decisions = match before {
        Some(before) => before.decisions.clone(),
        None => log::decisions(&source, &file)?,
    };
    let bridge = match before {
        Some(before) => before.bridge.clone(),
        None => webhooks::bridge(&source, &file)?,
    };
    let known = (decisions, bridge, warnings);
    if let Some(before) = before.filter(|before| before.file.issuer == file.issuer) {
        return assemble(&source, file, before.server.clone(), known);
    }
    let server = server::server(&source, &file, known.0.as_ref(), adapt)?;
    let gateway = assemble(&source, file, server, known)?;
    let Some(before) = before else { return Ok(gateway) };
    // Everything is sound: now the server that serves may change.
    let Gateway { file, decisions, bridge, warnings, .. } = gateway;
    server::update(&source, &file, before)?;
    assemble(&source, file, before.server.clone(), (decisions, bridge, warnings))
}

/// Keeps what cannot change while requests are served.
fn keep(file: &mut File, before: &Gateway, warnings: &mut Vec<String>) {
    let old = &before.file;
    let changed = [
        ("[api]", file.api != old.api),
        ("[decision_point]", file.decision_point != old.decision_point),
        ("[listen]", file.listen != old.listen),
        ("[log]", file.log != old.log),
    ];
    let changed = changed.iter().filter(|(_, changed)| *changed);
    warnings.extend(changed.map(|(table, _)| format!("{table} was changed: that takes effect after a restart")));
    file.api = old.api.clone();
    file.decision_point.clone_from(&old.decision_point);
    file.listen = old.listen.clone();
    file.log = old.log.clone();
}

type Known = (Option<JsonLines>, Option<PermitBridge>, Vec<String>);

fn assemble(source: &Source, file: File, server: ResourceServer, known: Known) -> Result<Gateway, Fault> {
    let (decisions, bridge, mut warnings) = known;
    let upstreams = upstream::upstreams(source, &file)?;
    let routes = routes::routes(source, &file, &server, &upstreams)?;
    let identity = identity::identity(source, &file, &mut warnings)?;
    let listen = listen::addresses(source, &file)?;
    upstream::check_loops(source, &file, &upstreams, &listen)?;
    warnings.dedup();
    Ok(Gateway {
        webhooks: webhooks::webhooks(source, &file, &server, bridge.as_ref())?,
        bridge,
        decisions,
        forward_auth: listen::forward_auth(source, &file)?,
        tls: listen::tls(source, &file)?,
        serve: listen::serve_settings(source, &file)?,
        max_body_bytes: file.limits.max_body_bytes,
        server,
        routes,
        identity,
        listen,
        file,
        warnings,
    })
}

#[cfg(test)]
mod tests;

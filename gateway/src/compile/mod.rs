//! From tables of the file to a gateway that is ready to serve, or to the first fault.

mod binding;
mod identity;
mod issuer;
mod lasting;
mod listen;
mod log;
mod read;
mod routes;
mod server;
mod state;
mod tls;
mod upstream;
mod webhooks;

pub(crate) use issuer::{management, name as issuer_name};
pub(crate) use lasting::Lasting;
pub(crate) use log::log_format;
use orgate::ResourceServer;
use orgate::server::Builder;

use crate::config::{Fault, File, Loaded, Source};
use crate::gateway::Gateway;

/// What a configuration is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// To look at it. Nothing is opened that another process may hold.
    Inspect,
    Serve,
    /// To take over from the gateway that serves: keys, verified tokens and revocations of what the file does not change.
    Replace(&'a Gateway),
}

/// Makes a gateway of a file. Does no network I/O.
///
/// # Errors
///
/// Returns the first setting that cannot be right.
pub(crate) fn compile(loaded: Loaded, purpose: Purpose<'_>) -> Result<Gateway, Fault> {
    compile_with(loaded, purpose, |builder| builder)
}

/// As [`compile`], with a last word about the server's settings.
///
/// # Errors
///
/// Returns the first setting that cannot be right.
pub(crate) fn compile_with(
    loaded: Loaded,
    purpose: Purpose<'_>,
    adapt: impl Fn(Builder) -> Builder,
) -> Result<Gateway, Fault> {
    let Loaded { source, file, .. } = loaded;
    if let Purpose::Replace(before) = purpose {
        return replace(&source, file, before, adapt);
    }
    let opens = matches!(purpose, Purpose::Serve);
    let lasting = Lasting::new(&source, &file)?;
    let decisions = log::decisions(&source, &file, opens)?;
    let server = server::server(&source, &file, &lasting, opens, adapt)?;
    lasting.decisions.replace(decisions);
    assemble(&source, file, server, lasting, Vec::new(), None)
}

fn replace(
    source: &Source,
    mut file: File,
    before: &Gateway,
    adapt: impl Fn(Builder) -> Builder,
) -> Result<Gateway, Fault> {
    let mut warnings = Vec::new();
    keep(&mut file, before, &mut warnings);
    let lasting = before.lasting.clone();
    let decisions = log::decisions(source, &file, true)?;
    if before.file.issuer != file.issuer {
        // Everything must be sound before the server that serves may change.
        let trial = server::server(source, &file, &lasting, false, adapt)?;
        let Gateway { file: checked, .. } = assemble(source, file, trial, lasting.clone(), Vec::new(), Some(before))?;
        file = checked;
        server::update(source, &file, before)?;
    }
    let gateway = assemble(source, file, before.server.clone(), lasting, warnings, Some(before))?;
    for gone in before.retired.iter().filter(|mark| !gateway.retired.iter().any(|kept| kept.is_same(mark))) {
        gone.retire();
    }
    // A log that was moved away is opened anew.
    gateway.lasting.decisions.replace(decisions);
    Ok(gateway)
}

/// Keeps what cannot change while requests are served.
fn keep(file: &mut File, before: &Gateway, warnings: &mut Vec<String>) {
    let old = &before.file;
    let knows_certificates = binding::knows_certificates(file) && !binding::knows_certificates(old);
    let changed = [
        ("[api]", file.api != old.api),
        ("[decision_point]", file.decision_point != old.decision_point),
        ("[dpop]", file.dpop != old.dpop),
        ("[listen]", file.listen != old.listen),
        ("[log] format", file.log.format != old.log.format),
        ("[state]", file.state != old.state),
        ("certificates of clients: a setting", knows_certificates),
    ];
    let changed = changed.iter().filter(|(_, changed)| *changed);
    warnings.extend(changed.map(|(table, _)| format!("{table} was changed: that takes effect after a restart")));
    file.api = old.api.clone();
    file.decision_point.clone_from(&old.decision_point);
    file.dpop.clone_from(&old.dpop);
    file.listen = old.listen.clone();
    file.log.format.clone_from(&old.log.format);
    file.state.clone_from(&old.state);
}

fn assemble(
    source: &Source,
    file: File,
    server: ResourceServer,
    lasting: Lasting,
    mut warnings: Vec<String>,
    before: Option<&Gateway>,
) -> Result<Gateway, Fault> {
    let upstreams = upstream::upstreams(source, &file)?;
    let retired = routes::marks(&file, before);
    let routes = routes::routes(source, &file, &server, &upstreams, &retired)?;
    let identity = identity::identity(source, &file, &mut warnings)?;
    let listen = listen::addresses(source, &file)?;
    upstream::check_loops(source, &file, &upstreams, &listen)?;
    let forward_auth = listen::forward_auth(source, &file)?;
    if let Some((preset, _)) = &forward_auth {
        identity::warn_of_others(&identity.names, *preset, &mut warnings);
    }
    warnings.dedup();
    Ok(Gateway {
        webhooks: webhooks::webhooks(source, &file, &server, lasting.bridge.as_ref())?,
        lasting,
        forward_auth,
        certificate_header: listen::certificate_header(source, &file)?,
        tls: tls::tls(source, &file)?,
        serve: listen::serve_settings(source, &file)?,
        max_body_bytes: file.limits.max_body_bytes,
        server,
        asks_others: file.decision_point.is_some() || file.issuer.iter().any(|issuer| issuer.introspection.is_some()),
        routes,
        retired,
        identity,
        listen,
        file,
        warnings,
    })
}

#[cfg(test)]
mod tests;

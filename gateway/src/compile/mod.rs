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
use orgate::server::Builder;
use orgate::{Issuer, ResourceServer};

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
    let log = log::settings(&source, &file.log)?;
    let issuers = server::issuers(&source, &file, lasting.redis.as_ref().filter(|_| opens), None)?;
    let server = server::server(&source, &file, issuers.clone(), &lasting, opens, adapt)?;
    let gateway = assemble(&source, file, (server, issuers), lasting, Vec::new(), None)?;
    if opens {
        let log = log.open(&source)?.keep(gateway.lasting.decisions.counts());
        gateway.lasting.decisions.replace(log);
    }
    Ok(gateway)
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
    let log = log::settings(source, &file.log)?;
    let issuers = server::issuers(source, &file, lasting.redis.as_ref(), Some(before))?;
    let server = before.server.clone();
    let (gateway, opened) = if before.file.issuer == file.issuer {
        let gateway = assemble(source, file, (server, issuers), lasting, warnings, Some(before))?;
        (gateway, log.open(source)?)
    } else {
        // Everything must be sound before the server that serves may change.
        let tried = server::issuers(source, &file, None, None)?;
        let trial = server::server(source, &file, tried.clone(), &lasting, false, adapt)?;
        let Gateway { file, .. } = assemble(source, file, (trial, tried), lasting.clone(), Vec::new(), Some(before))?;
        let opened = log.open(source)?;
        server::update(source, &file, &issuers, before)?;
        (assemble(source, file, (server, issuers), lasting, warnings, Some(before))?, opened)
    };
    for gone in before.retired.iter().filter(|mark| !gateway.retired.iter().any(|kept| kept.is_same(mark))) {
        gone.retire();
    }
    // A log that was moved away is opened anew.
    gateway.lasting.decisions.replace(opened.keep(gateway.lasting.decisions.counts()));
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
    (server, issuers): (ResourceServer, Vec<Issuer>),
    lasting: Lasting,
    mut warnings: Vec<String>,
    before: Option<&Gateway>,
) -> Result<Gateway, Fault> {
    let upstreams = upstream::upstreams(source, &file)?;
    let retired = routes::marks(&file, before);
    let routes = routes::routes(source, &file, &server, &upstreams, &retired)?;
    let identity = identity::identity(source, &file, &mut warnings)?;
    let listen = listen::addresses(source, &file)?;
    webhooks::check_paths(source, &file, &routes, &listen)?;
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
        issuers,
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

use std::sync::Arc;

use http::Method;
use orgate::engine::Requirement;
use orgate::websocket::BrowserTokens;
use orgate::{Policy, ResourceServer};
use serde_json::Value;

use super::upstream::Upstreams;
use crate::config::{Fault, File, Route as RouteTable, Source, Text};
use crate::gateway::{Access, Gateway, Route, Upstream};
use crate::identity::same_variable;
use crate::path::{Oddities, Table, TrailingSlash, names};
use crate::retired::Retired;

pub(super) fn routes(
    source: &Source,
    file: &File,
    server: &ResourceServer,
    upstreams: &Upstreams,
    retired: &[Retired],
) -> Result<Table<Route>, Fault> {
    let words = [("distinct", TrailingSlash::Distinct), ("same", TrailingSlash::Same)];
    let trailing_slash = match &file.path.trailing_slash {
        Some(text) => source.word(text, &words)?,
        None => TrailingSlash::Distinct,
    };
    check_relaxed(source, file)?;
    let mut table = Table::new(trailing_slash);
    for (written, retired) in file.route.iter().zip(retired) {
        let methods = match &written.methods {
            Some(methods) => Some(methods.iter().map(|text| method(source, text)).collect::<Result<Vec<_>, _>>()?),
            None => None,
        };
        if methods.as_ref().is_some_and(Vec::is_empty) {
            return Err(source.fault_of(written.path.span(), "expected at least one method, or no `methods` for all"));
        }
        let route = Route {
            access: access(source, file, written, server)?,
            upstream: upstream(source, file, written, upstreams)?,
            forwards_token: forwards_token(source, file, written)?,
            retired: retired.clone(),
        };
        table
            .insert(&written.path, methods, allowed(file, &written.path), route)
            .map_err(|error| source.fault_of(written.path.span(), error.to_string()))?;
    }
    Ok(table)
}

/// Returns one mark for each route of the file: that of the route before, where nothing of it was changed.
pub(super) fn marks(file: &File, before: Option<&Gateway>) -> Vec<Retired> {
    let upstream = |file: &File, route: &RouteTable| {
        let name = route.upstream.as_ref()?;
        Some(file.upstream.get(name.as_str())?.clone())
    };
    let same = |route: &RouteTable| {
        let before = before?;
        let mut known = before.file.route.iter().zip(&before.retired);
        let is_same = |old: &RouteTable| old == route && upstream(&before.file, old) == upstream(file, route);
        known.find(|(old, _)| is_same(old)).map(|(_, mark)| mark.clone())
    };
    file.route.iter().map(|route| same(route).unwrap_or_else(Retired::new)).collect()
}

fn method(source: &Source, text: &Text) -> Result<Method, Fault> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ];
    let method: Method = source.read(text)?;
    // Methods are case-sensitive, and CONNECT is never forwarded.
    let looks_standard = Method::from_bytes(text.to_ascii_uppercase().as_bytes())
        .is_ok_and(|upper| upper != method && known.contains(&upper) || upper == Method::CONNECT);
    if looks_standard {
        return Err(source.fault_of(text.span(), "expected a method in upper case, other than CONNECT"));
    }
    Ok(method)
}

fn access(source: &Source, file: &File, written: &RouteTable, server: &ResourceServer) -> Result<Access, Fault> {
    match (&written.policy, written.public) {
        (None, _) if written.browser_origins.is_some() => {
            Err(source.fault_of(written.path.span(), "`browser_origins` needs a `policy`"))
        }
        (None, true) => Ok(Access::Public),
        (Some(text), false) => {
            let policy: Policy = source.read(text)?;
            check_sources(source, file, written, text, &policy)?;
            let requirement = server.requirement(policy);
            let requirement = requirement.map_err(|error| source.fault_of(text.span(), error.to_string()))?;
            browser_tokens(source, file, written, requirement).map(Access::Policy)
        }
        _ => Err(source.fault_of(written.path.span(), "a route has either a `policy` or `public = true`")),
    }
}

/// Accepts tokens among the protocols of a WebSocket, where the route names the pages that may send them.
fn browser_tokens(
    source: &Source,
    file: &File,
    written: &RouteTable,
    requirement: Requirement,
) -> Result<Requirement, Fault> {
    let Some(origins) = &written.browser_origins else { return Ok(requirement) };
    let fault = |message: &str| source.fault_of(written.path.span(), message);
    if written.methods.as_ref().is_none_or(|methods| methods.iter().any(|method| method.as_str() != "GET")) {
        return Err(fault("`browser_origins` is for routes that accept WebSockets: expected methods = [\"GET\"]"));
    }
    if forwards_token(source, file, written)? {
        return Err(fault("`browser_origins` and `token = \"forward\"`: the token of a page is never forwarded"));
    }
    for origin in origins {
        let one = requirement.with_browser_tokens(&BrowserTokens::new([origin.as_str()]));
        one.map_err(|error| source.fault_of(origin.span(), error.to_string()))?;
    }
    let tokens = BrowserTokens::new(origins.iter().map(Text::as_str));
    requirement.with_browser_tokens(&tokens).map_err(|error| fault(&error.to_string()))
}

/// Rejects a policy that reads what its route does not have, or what no request brings along.
fn check_sources(
    source: &Source,
    file: &File,
    written: &RouteTable,
    text: &Text,
    policy: &Policy,
) -> Result<(), Fault> {
    let description = serde_json::to_value(policy.describe()).map_err(|error| source.fault(error.to_string()))?;
    let mut sources = Vec::new();
    collect_sources(&description, &mut sources);
    let identity = &file.identity;
    let headers = identity.headers.values().chain(&identity.header).chain(&identity.assertion);
    let identity: Vec<&str> = headers.map(Text::as_str).collect();
    for (kind, name) in sources {
        let message = match kind {
            "path" if !names(&written.path).any(|known| known == name) => {
                format!("the route's path has no parameter {{{name}}}")
            }
            "header" if identity.iter().any(|own| same_variable(own.as_bytes(), name.as_bytes())) => {
                format!("no client can send {name}, which is an identity header")
            }
            _ => continue,
        };
        return Err(source.fault_of(text.span(), message));
    }
    Ok(())
}

/// Finds every source in a description: an object of one member, `path` or `header`.
fn collect_sources<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if members.len() == 1 => found.push((name, text)),
                    _ => collect_sources(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_sources(item, found)),
        _ => {}
    }
}

fn upstream(
    source: &Source,
    file: &File,
    written: &RouteTable,
    upstreams: &Upstreams,
) -> Result<Option<Arc<Upstream>>, Fault> {
    match &written.upstream {
        Some(name) => match upstreams.get(name.as_str()) {
            Some(upstream) => Ok(Some(upstream.clone())),
            None => Err(source.fault_of(name.span(), "there is no [upstream.…] of this name")),
        },
        None if file.listen.proxy.is_some() => {
            Err(source.fault_of(written.path.span(), "the proxy face needs an `upstream` on every route"))
        }
        None => Ok(None),
    }
}

fn forwards_token(source: &Source, file: &File, written: &RouteTable) -> Result<bool, Fault> {
    match written.token.as_ref().or(file.identity.token.as_ref()) {
        Some(text) => source.word(text, &[("strip", false), ("forward", true)]),
        None => Ok(false),
    }
}

fn allowed(file: &File, path: &Text) -> Oddities {
    let named = |list: &[Text]| list.iter().any(|named| named == path);
    Oddities {
        encoded_slash: named(&file.path.dangerous_encoded_slash),
        encoded_backslash: named(&file.path.dangerous_encoded_backslash),
        empty_segment: named(&file.path.dangerous_empty_segments),
    }
}

fn check_relaxed(source: &Source, file: &File) -> Result<(), Fault> {
    let path = &file.path;
    let lists = [&path.dangerous_encoded_slash, &path.dangerous_encoded_backslash, &path.dangerous_empty_segments];
    match lists.into_iter().flatten().find(|named| !file.route.iter().any(|route| route.path == **named)) {
        Some(named) => Err(source.fault_of(named.span(), "no route has this path")),
        None => Ok(()),
    }
}

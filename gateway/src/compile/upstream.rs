use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

use crate::config::{Address, Fault, File, Source, Upstream as Table};
use crate::gateway::{Face, Streams, Upstream};

const TIMEOUT: Duration = Duration::from_secs(30);
/// A server allows a hundred streams on a connection at least, if it follows RFC 9113 section 6.5.2.
const STREAMS: Streams = Streams { all: 10_000, each: 100 };
const MOST_STREAMS: usize = 100_000;
const MOST_CONNECTIONS: usize = 1000;

pub(super) type Upstreams = BTreeMap<String, Arc<Upstream>>;

pub(super) fn upstreams(source: &Source, file: &File) -> Result<Upstreams, Fault> {
    let mut upstreams = Upstreams::new();
    for (name, table) in &file.upstream {
        let fault = |message: &str| source.fault_of(table.url.span(), message);
        let uri: Uri = table.url.parse().map_err(|_| fault("expected a URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let (Some(scheme), Some(authority)) = (scheme, parts.authority) else {
            return Err(fault("expected http:// or https:// and a host"));
        };
        if authority.as_str().contains('@') {
            return Err(fault("an upstream's URL has no user"));
        }
        // The path that is judged is the path that is forwarded.
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return Err(fault("an upstream's URL has no path"));
        }
        let timeout = source.duration_or(table.timeout.as_ref(), TIMEOUT)?;
        let http2 = streams(table).map_err(fault)?;
        let upstream = Upstream { name: name.clone(), scheme, authority, timeout, http2 };
        upstreams.insert(name.clone(), Arc::new(upstream));
    }
    Ok(upstreams)
}

fn streams(table: &Table) -> Result<Option<Streams>, &'static str> {
    match table.max_streams {
        Some(_) if !table.http2 => Err("`max_streams` needs `http2 = true`"),
        Some((all, each)) if each == 0 || all < each || all > MOST_STREAMS || all.div_ceil(each) > MOST_CONNECTIONS => {
            Err(
                "expected max_streams = [ALL, EACH]: 1 to 100000 streams, of at most 1000 connections with EACH streams",
            )
        }
        Some((all, each)) => Ok(Some(Streams { all, each })),
        None => Ok(table.http2.then_some(STREAMS)),
    }
}

/// Rejects an upstream that is a face of this gateway.
pub(super) fn check_loops(
    source: &Source,
    file: &File,
    upstreams: &Upstreams,
    listen: &BTreeMap<Face, Address>,
) -> Result<(), Fault> {
    for (name, upstream) in upstreams {
        let default_port = if upstream.scheme == Scheme::HTTPS { 443 } else { 80 };
        let port = upstream.authority.port_u16().unwrap_or(default_port);
        let host = upstream.authority.host().trim_matches(['[', ']']);
        let is_here = listen.values().any(|address| match address {
            Address::Tcp(own) if own.port() == port => match host.parse::<IpAddr>() {
                Ok(ip) => ip == own.ip() || (own.ip().is_unspecified() && ip.is_loopback()) || ip.is_unspecified(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
            _ => false,
        });
        if is_here && let Some(table) = file.upstream.get(name) {
            return Err(source.fault_of(table.url.span(), "the upstream is the gateway itself"));
        }
    }
    Ok(())
}

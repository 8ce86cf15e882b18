use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, HOST};

use crate::config::{Address, Fault, File, Source, Text};
use crate::gateway::Face;
use crate::net::ServeSettings;
use crate::request::{Preset, is_steering};

const LARGEST_HEADER: usize = 64 * 1024;
const CONNECTIONS: usize = 10_000;
const IDLE: Duration = Duration::from_secs(60);
const STALL: Duration = Duration::from_secs(60);

pub(super) fn addresses(source: &Source, file: &File) -> Result<BTreeMap<Face, Address>, Fault> {
    let table = &file.listen;
    let mut addresses: BTreeMap<Face, Address> = BTreeMap::new();
    let mut public = Vec::new();
    for text in &table.dangerous_public {
        public.push(source.word(text, &Face::ALL.map(|face| (face.as_str(), face)))?);
    }
    for face in Face::ALL {
        let text = match face {
            Face::Proxy => &table.proxy,
            Face::ForwardAuth => &table.forward_auth,
            Face::ExtAuthz => &table.ext_authz,
            Face::Admin => &table.admin,
            Face::Webhooks => &table.webhooks,
            Face::Jwks => &table.jwks,
        };
        let Some(text) = text else { continue };
        let address: Address = source.read(text)?;
        if face.is_internal() && !address.is_local() && !public.contains(&face) {
            let message = format!(
                "other machines could connect to {face}: listen on loopback or a Unix socket, or name it in \
                 `dangerous_public`",
                face = face.as_str()
            );
            return Err(source.fault_of(text.span(), message));
        }
        let is_taken = addresses
            .values()
            .any(|other| *other == address && !matches!(address, Address::Tcp(tcp) if tcp.port() == 0));
        if is_taken {
            return Err(source.fault_of(text.span(), "each face listens on an address of its own"));
        }
        addresses.insert(face, address);
    }
    if addresses.is_empty() {
        return Err(source.fault("expected at least one face in [listen]"));
    }
    Ok(addresses)
}

pub(super) fn forward_auth(source: &Source, file: &File) -> Result<Option<(Preset, String)>, Fault> {
    let Some(table) = &file.forward_auth else {
        return match &file.listen.forward_auth {
            Some(text) => {
                Err(source.fault_of(text.span(), "the face forward_auth needs [forward_auth] with a `preset`"))
            }
            None => Ok(None),
        };
    };
    let preset = source.read(&table.preset)?;
    let path = table.path.as_ref().map_or("/auth", |path| path.as_str());
    let is_plain = path.starts_with('/')
        && !path.ends_with('/')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_'));
    match &table.path {
        Some(text) if !is_plain => Err(source.fault_of(
            text.span(),
            "expected a path that begins with `/` and does not end with it, of letters, digits, `-` and `_`",
        )),
        _ => Ok(Some((preset, path.to_owned()))),
    }
}

pub(super) fn serve_settings(source: &Source, file: &File) -> Result<ServeSettings, Fault> {
    let limits = &file.limits;
    let longer_than_zero = |text: Option<&Text>, default| match text {
        Some(text) if source.duration(text)?.is_zero() => {
            Err(source.fault_of(text.span(), "expected a time longer than zero"))
        }
        text => source.duration_or(text, default),
    };
    Ok(ServeSettings {
        max_header_bytes: limits.max_header_bytes.unwrap_or(LARGEST_HEADER).clamp(8 * 1024, 1024 * 1024),
        max_connections: limits.max_connections.unwrap_or(CONNECTIONS).clamp(1, 1_000_000),
        header_timeout: source.duration_or(limits.header_timeout.as_ref(), Duration::from_secs(10))?,
        idle_timeout: longer_than_zero(limits.idle_timeout.as_ref(), IDLE)?,
        stall_timeout: longer_than_zero(limits.stall_timeout.as_ref(), STALL)?,
        drain: source.duration_or(limits.drain.as_ref(), Duration::from_secs(30))?,
    })
}

/// Returns the header in which a proxy that asks tells the certificate of its client.
pub(super) fn certificate_header(source: &Source, file: &File) -> Result<Option<HeaderName>, Fault> {
    let Some(text) = file.forward_auth.as_ref().and_then(|table| table.client_certificate_header.as_ref()) else {
        return Ok(None);
    };
    let name: HeaderName = source.read(text)?;
    if name == AUTHORIZATION || name == HOST || name.as_str().starts_with("x-forwarded-") || is_steering(&name) {
        return Err(source.fault_of(text.span(), "this header has a meaning of its own"));
    }
    Ok(Some(name))
}

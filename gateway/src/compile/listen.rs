use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::{ConfigBuilder, ServerConfig, WantsVerifier};

use crate::config::{Address, Fault, File, Source};
use crate::gateway::Face;
use crate::net::ServeSettings;
use crate::request::Preset;

const LARGEST_HEADER: usize = 64 * 1024;
const CONNECTIONS: usize = 10_000;

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
    Ok(ServeSettings {
        max_header_bytes: limits.max_header_bytes.unwrap_or(LARGEST_HEADER).clamp(8 * 1024, 1024 * 1024),
        max_connections: limits.max_connections.unwrap_or(CONNECTIONS).clamp(1, 1_000_000),
        header_timeout: source.duration_or(limits.header_timeout.as_ref(), Duration::from_secs(10))?,
        drain: source.duration_or(limits.drain.as_ref(), Duration::from_secs(30))?,
    })
}

pub(super) fn tls(source: &Source, file: &File) -> Result<Option<Arc<ServerConfig>>, Fault> {
    let Some(table) = &file.tls else { return Ok(None) };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(table.cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| source.fault_of(table.cert.span(), "expected certificates in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(table.key.expose().as_bytes())
        .map_err(|_| source.fault_at(table.key.span(), "expected a private key in PEM"))?;
    if let Some(text) = &table.client_ca {
        source.word(text, &[("none", ())])?;
    }
    let with_key = |builder: ConfigBuilder<ServerConfig, WantsVerifier>| {
        builder.with_no_client_auth().with_single_cert(certificates, key)
    };
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(with_key);
    let mut config = config.map_err(|error| source.fault_of(table.cert.span(), error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

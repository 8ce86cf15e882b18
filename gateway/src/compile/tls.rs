use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::config::{Fault, File, Source, Text};
use crate::net::AnyCertificate;

/// Makes the TLS settings of the proxy face.
pub(super) fn tls(source: &Source, file: &File) -> Result<Option<Arc<ServerConfig>>, Fault> {
    let Some(table) = &file.tls else { return Ok(None) };
    let certificates = certificates(source, &table.cert)?;
    let key = PrivateKeyDer::from_pem_slice(table.key.expose().as_bytes())
        .map_err(|_| source.fault_at(table.key.span(), "expected a private key in PEM"))?;
    let fault = |error: String| source.fault_of(table.cert.span(), error);
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?;
    let builder = match clients(source, table.client_ca.as_ref())? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| fault(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

/// Returns who judges the certificates of clients: none is requested, any is accepted, or one of these authorities must have signed it.
fn clients(source: &Source, text: Option<&Text>) -> Result<Option<Arc<dyn ClientCertVerifier>>, Fault> {
    let Some(text) = text else { return Ok(None) };
    match text.as_str() {
        "none" => Ok(None),
        "any" => Ok(Some(Arc::new(AnyCertificate::new()))),
        _ => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(source, text)? {
                roots.add(certificate).map_err(|error| source.fault_of(text.span(), error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
            let verifier = verifier.build().map_err(|error| source.fault_of(text.span(), error.to_string()))?;
            Ok(Some(verifier))
        }
    }
}

/// Reads one certificate at least.
fn certificates(source: &Source, text: &Text) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = || source.fault_of(text.span(), "expected certificates in PEM");
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    read.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(fault)
}

//! TLS with the crate's one provider, whichever features other crates switch on.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use crate::error::ConfigError;

/// Reads the certificates of some PEM texts, each of which holds one or more.
pub(super) fn certificates(pems: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut certificates = Vec::new();
    for pem in pems {
        let held = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let held = held.ok().filter(|held| !held.is_empty());
        certificates.extend(held.ok_or_else(|| ConfigError::new("HTTP client: root_certificate: not PEM"))?);
    }
    Ok(certificates)
}

/// Trusts the platform's root certificates and these.
pub(super) fn verifying(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(faulty)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(faulty)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn faulty(error: rustls::Error) -> ConfigError {
    let error = error.to_string();
    let remedy = if error.contains("No CA certificates") {
        ": install the platform's root certificates (package ca-certificates in most images), or give some by HttpClient::root_certificate(..)"
    } else {
        ""
    };
    ConfigError::new(format_args!("HTTP client: TLS: {error}{remedy}"))
}

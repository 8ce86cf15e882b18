//! TLS with the crate's one provider, whichever features other crates switch on.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::cause::{Fault, FaultKind};
use crate::error::ConfigError;

/// Which certificates.
#[derive(Default)]
pub(super) struct TlsSettings {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Opens TLS over a connection.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl TlsSettings {
    pub(super) fn build(&self) -> Result<Tls, ConfigError> {
        let faulty = |what: &str, why: &dyn std::fmt::Display| ConfigError::new(format_args!("redis: {what}: {why}"));
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| faulty("root_certificate_pem", &error))?;
                    roots.add(certificate).map_err(|error| faulty("root_certificate_pem", &error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(faulty("rediss://", &"no root certificate: add root_certificate_pem(..)"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| faulty("rediss://", &error))?
            .with_root_certificates(roots);
        let config = match &self.client {
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain)
                    .collect::<Result<_, _>>()
                    .map_err(|error| faulty("client_certificate_pem", &error))?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| faulty("client_certificate_pem", &"no private key"))?;
                config.with_client_auth_cert(chain, key).map_err(|error| faulty("client_certificate_pem", &error))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Tls(TlsConnector::from(Arc::new(config))))
    }
}

impl Tls {
    pub(super) async fn open(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::new(FaultKind::Tls, format!("{host:?} is not a server name")))?;
        self.0.connect(name, stream).await.map_err(|error| Fault::new(FaultKind::Tls, format!("TLS: {error}")))
    }
}

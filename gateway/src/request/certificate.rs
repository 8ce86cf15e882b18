use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::RequestFault;

/// The longest encoded certificate that is looked at.
const LONGEST: usize = 32 * 1024;
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The certificate that a client showed, to the gateway itself or to the proxy that asks.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate(Arc<[u8]>);

impl ClientCertificate {
    pub(crate) fn new(der: &[u8]) -> Self {
        Self(der.into())
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.0
    }

    /// Reads percent-encoded PEM, as NGINX and Envoy write it. An empty value is no certificate.
    ///
    /// # Errors
    ///
    /// Returns a fault if it is anything else.
    pub(crate) fn read(encoded: &[u8]) -> Result<Option<Self>, RequestFault> {
        if encoded.is_empty() {
            return Ok(None);
        }
        if encoded.len() > LONGEST {
            return Err(RequestFault::Certificate);
        }
        let pem: Vec<u8> = percent_decode(encoded).collect();
        // The reader would skip what stands in front.
        if !pem.starts_with(BEGIN) {
            return Err(RequestFault::Certificate);
        }
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| RequestFault::Certificate)?;
        Ok(Some(Self::new(&certificate)))
    }

    /// Reads the one header of this name, if it is there.
    ///
    /// # Errors
    ///
    /// Returns a fault if it is there twice or is no certificate.
    pub(crate) fn of_header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, RequestFault> {
        let mut fields = headers.get_all(name).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Ok(None),
            (Some(field), None) => Self::read(HeaderValue::as_bytes(field)),
            (Some(_), Some(_)) => Err(RequestFault::Certificate),
        }
    }
}

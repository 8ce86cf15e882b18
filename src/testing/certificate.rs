//! Client certificates, and the headers in which proxies name them (RFC 8705, RFC 9440).

#![allow(clippy::expect_used, reason = "the crypto library fails to make a key only in a broken environment")]

use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{CertificateParams, KeyPair};

use super::keys::encode;
use crate::http::percent;

/// A self-signed client certificate with its private key.
///
/// ```
/// use orgate::testing::TestCertificate;
///
/// let certificate = TestCertificate::generate();
/// assert!(certificate.client_cert_header().starts_with(":MII"));
/// ```
#[derive(Clone, Debug)]
pub struct TestCertificate {
    der: Vec<u8>,
    pem: String,
    private_key_pem: String,
}

impl TestCertificate {
    /// Makes a certificate that no other one equals.
    ///
    /// # Panics
    ///
    /// Panics if the system has no random octets.
    #[must_use]
    pub fn generate() -> Self {
        let key = KeyPair::generate().expect("an EC key");
        let params = CertificateParams::new(vec!["client.example".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { der: certificate.der().to_vec(), pem: certificate.pem(), private_key_pem: key.serialize_pem() }
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the private key, PKCS #8 in PEM.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.private_key_pem
    }

    /// Returns the thumbprint: the `x5t#S256` of tokens that are bound to the certificate.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        encode(digest::digest(&digest::SHA256, &self.der).as_ref())
    }

    /// Returns the value of `Client-Cert` (RFC 9440).
    #[must_use]
    pub fn client_cert_header(&self) -> String {
        format!(":{}:", BASE64_STANDARD.encode(&self.der))
    }

    /// Returns a value of `X-Forwarded-Client-Cert` as Envoy writes it.
    #[must_use]
    pub fn xfcc_header(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.der);
        let hash = digest.as_ref().iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"));
        format!("By=spiffe://api.example/orders;Hash={hash};Subject=\"CN=rcgen self signed cert\"")
    }

    /// Returns the certificate as NGINX writes `$ssl_client_escaped_cert`.
    #[must_use]
    pub fn escaped_pem(&self) -> String {
        percent::encode(&self.pem)
    }
}

//! Where the certificate of a client comes from.

use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName};

use super::peers::{PeerRules, TrustedPeers};
use super::{client_cert, pem, xfcc};
use crate::error::ConfigError;
use crate::token::binding::thumbprint::Thumbprint;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// A longer header is not read: a certificate and those that vouch for it have less.
const MAX_BYTES: usize = 64 * 1024;

/// Accepts access tokens that are bound to a client certificate (RFC 8705). For
/// [`Builder::mutual_tls`](crate::server::Builder::mutual_tls).
///
/// The certificate is compared with the token, and need not be issued by anybody: a self-signed one binds as well. There is
/// one source. A certificate that is missing, repeated, empty or unreadable there is none, and a bound token without its
/// certificate is rejected.
///
/// ```
/// use orgate::token::binding::MutualTls;
///
/// // Put into the extensions of each request where this server's own TLS connection is accepted.
/// #[derive(Clone)]
/// struct ClientCertificate(Vec<u8>);
///
/// let certificates = MutualTls::connection(|extensions| Some(&extensions.get::<ClientCertificate>()?.0));
/// # _ = certificates;
/// ```
#[derive(Clone)]
#[must_use]
pub struct MutualTls(Source);

#[derive(Clone)]
enum Source {
    Connection(Arc<CertificateOf>),
    Header { name: String, form: Form, peers: TrustedPeers },
}

type CertificateOf = dyn Fn(&Extensions) -> Option<&[u8]> + Send + Sync;

#[derive(Clone, Copy, Debug)]
enum Form {
    ClientCert,
    Xfcc,
    Pem,
}

impl MutualTls {
    /// Reads the certificate, in DER, from the extensions of a request: this server ends the TLS connection itself.
    pub fn connection(certificate: impl Fn(&Extensions) -> Option<&[u8]> + Send + Sync + 'static) -> Self {
        Self(Source::Connection(Arc::new(certificate)))
    }

    /// Reads `Client-Cert` (RFC 9440), which a proxy sets.
    pub fn client_cert_header(peers: TrustedPeers) -> Self {
        Self::header(CLIENT_CERT.as_str(), Form::ClientCert, peers)
    }

    /// Reads the `Hash` of `X-Forwarded-Client-Cert`, which Envoy sets (`forward_client_cert_details: SANITIZE_SET`).
    ///
    /// A header with several elements, or with `Hash=` more than once, is no certificate: Envoy writes names from the client's
    /// certificate without escapes, so a client can write elements of its own. `APPEND_FORWARD` is not supported for the same
    /// reason. Leave `uri` and `dns` of `set_current_client_cert_details` off: a certificate whose names contain `,`, `;` or
    /// `"` is rejected with them.
    pub fn xfcc_header(peers: TrustedPeers) -> Self {
        Self::header(XFCC.as_str(), Form::Xfcc, peers)
    }

    /// Reads a header of this name with the certificate in percent-encoded PEM, as NGINX writes `$ssl_client_escaped_cert`.
    pub fn pem_header(name: impl Into<String>, peers: TrustedPeers) -> Self {
        Self::header(name, Form::Pem, peers)
    }

    fn header(name: impl Into<String>, form: Form, peers: TrustedPeers) -> Self {
        Self(Source::Header { name: name.into(), form, peers })
    }

    pub(crate) fn build(&self) -> Result<Certificates, ConfigError> {
        Ok(Certificates(match &self.0 {
            Source::Connection(certificate) => Checked::Connection(certificate.clone()),
            Source::Header { name, form, peers } => {
                let checked = HeaderName::try_from(name).map_err(|_| {
                    ConfigError::new(format_args!("client certificates: {name:?} is not the name of a header"))
                })?;
                Checked::Header { name: checked, form: *form, peers: peers.build()? }
            }
        }))
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MutualTls");
        match &self.0 {
            Source::Connection(_) => debug.finish_non_exhaustive(),
            Source::Header { name, form, peers } => {
                debug.field("header", name).field("form", form).field("peers", peers).finish()
            }
        }
    }
}

/// What finds the certificate of a request.
pub(crate) struct Certificates(Checked);

enum Checked {
    Connection(Arc<CertificateOf>),
    Header { name: HeaderName, form: Form, peers: PeerRules },
}

impl Certificates {
    /// The thumbprint of the client's certificate.
    ///
    /// # Errors
    ///
    /// Returns why there is none.
    pub(crate) fn thumbprint(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Thumbprint, &'static str> {
        let (name, form, peers) = match &self.0 {
            Checked::Connection(certificate) => {
                let der = certificate(extensions).filter(|der| !der.is_empty());
                return der.map(Thumbprint::of).ok_or("the connection has no client certificate");
            }
            Checked::Header { name, form, peers } => (name, form, peers),
        };
        let mut values = headers.get_all(name).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Err("the header with the client's certificate is missing"),
            (Some(_), Some(_)) => return Err("the header with the client's certificate occurs more than once"),
            (Some(value), None) => value,
        };
        if !peers.trust(extensions) {
            return Err("the header with the client's certificate comes from a peer that is not trusted");
        }
        let text = value.to_str().ok().filter(|text| text.len() <= MAX_BYTES);
        let read = match form {
            Form::ClientCert => client_cert::thumbprint,
            Form::Xfcc => xfcc::thumbprint,
            Form::Pem => pem::thumbprint,
        };
        text.and_then(read).ok_or("the header with the client's certificate cannot be read")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn anybody() -> TrustedPeers {
        TrustedPeers::dangerous_proxy_always_sets_it()
    }

    fn found(source: &MutualTls, headers: &[(&str, &str)]) -> Result<Thumbprint, &'static str> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()))
            .collect();
        source.build().unwrap().thumbprint(&headers, &Extensions::new())
    }

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn each_form_names_the_certificate() {
        let certificate = Ok(Thumbprint::of(b"abc"));
        assert_eq!(found(&MutualTls::client_cert_header(anybody()), &[("client-cert", ":YWJj:")]), certificate);
        let xfcc = format!("By=x;Hash={HEX}");
        assert_eq!(found(&MutualTls::xfcc_header(anybody()), &[("x-forwarded-client-cert", &xfcc)]), certificate);
        let pem = "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(found(&MutualTls::pem_header("X-Client-Cert", anybody()), &[("x-client-cert", pem)]), certificate);
    }

    #[test]
    fn a_header_that_is_missing_repeated_or_of_another_form_is_no_certificate() {
        let source = MutualTls::client_cert_header(anybody());
        for bad in [
            &[][..],
            &[("client-cert", "")],
            &[("client-cert", ":YWJj:"), ("client-cert", ":YWJj:")],
            &[("client-cert", ":YWJj:, :YWJj:")],
            &[("x-client-cert", ":YWJj:")],
            &[("client-cert-chain", ":YWJj:")],
            &[("client-cert", &format!("By=x;Hash={HEX}"))],
            &[("client-cert", &format!(":{}:", "YWJj".repeat(20_000)))],
        ] {
            assert!(found(&source, bad).is_err(), "{bad:.60?}");
        }
    }

    #[test]
    fn a_header_of_an_untrusted_peer_is_no_certificate() {
        let peers = TrustedPeers::new(|extensions| extensions.get().copied()).network("10.0.0.0/8");
        let source = MutualTls::client_cert_header(peers).build().unwrap();
        let headers: HeaderMap = [(CLIENT_CERT, HeaderValue::from_static(":YWJj:"))].into_iter().collect();
        let mut extensions = Extensions::new();
        assert!(source.thumbprint(&headers, &extensions).unwrap_err().contains("not trusted"));
        for (peer, is_trusted) in [("192.0.2.1", false), ("10.0.0.1", true)] {
            extensions.insert(super::super::Peer::Ip(peer.parse().unwrap()));
            assert_eq!(source.thumbprint(&headers, &extensions).is_ok(), is_trusted, "{peer}");
        }
    }

    #[test]
    fn the_connection_names_the_certificate_and_headers_do_not() {
        let source =
            MutualTls::connection(|extensions| extensions.get::<Vec<u8>>().map(Vec::as_slice)).build().unwrap();
        let headers: HeaderMap = [(CLIENT_CERT, HeaderValue::from_static(":YWJj:"))].into_iter().collect();
        let mut extensions = Extensions::new();
        assert!(source.thumbprint(&headers, &extensions).is_err());
        extensions.insert(Vec::<u8>::new());
        assert!(source.thumbprint(&headers, &extensions).is_err(), "an empty one");
        extensions.insert(b"def".to_vec());
        assert_eq!(source.thumbprint(&headers, &extensions), Ok(Thumbprint::of(b"def")));
    }

    #[test]
    fn a_source_that_must_not_run_is_a_config_error() {
        let nobody = TrustedPeers::new(|_| None);
        assert!(MutualTls::client_cert_header(nobody.clone()).build().is_err());
        assert!(MutualTls::xfcc_header(nobody).build().is_err());
        let fault = MutualTls::pem_header("a b", anybody()).build().err().unwrap().to_string();
        assert!(fault.contains("\"a b\""), "{fault}");
    }
}

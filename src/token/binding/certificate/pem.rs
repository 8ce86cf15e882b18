//! A certificate in percent-encoded PEM (RFC 7468): NGINX's `$ssl_client_escaped_cert`, and what other proxies made of it.

use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::token::binding::thumbprint::Thumbprint;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The thumbprint of the first certificate. Others behind it are those that vouch for it.
pub(super) fn thumbprint(value: &str) -> Option<Thumbprint> {
    let text = percent_decode_str(value).decode_utf8().ok()?;
    // The reader would skip what stands in front, and would begin anew at another mark of a beginning.
    let (body, _) = text.strip_prefix(BEGIN)?.split_once(END)?;
    if body.contains('-') {
        return None;
    }
    let der = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    (!der.is_empty()).then(|| Thumbprint::of(&der))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESCAPED: &str = "-----BEGIN%20CERTIFICATE-----%0AY2VydGlmaWNh%0AdGU%3D%0A-----END%20CERTIFICATE-----%0A";

    #[test]
    fn reads_the_first_certificate() {
        let expected = Some(Thumbprint::of(b"certificate"));
        assert_eq!(thumbprint(ESCAPED), expected);
        assert_eq!(thumbprint(&ESCAPED.replace("%0A", "%0d%0a")), expected);
        assert_eq!(thumbprint(&ESCAPED.replace("%20", " ").replace("%3D", "=")), expected, "as ALB leaves them");
        assert_eq!(thumbprint(&format!("{ESCAPED}{}", ESCAPED.replace("Y2Vy", "AAAA"))), expected, "a chain");
    }

    #[test]
    fn what_is_no_certificate_is_rejected() {
        for bad in [
            "",
            "Y2VydGlmaWNhdGU=",
            "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A",
            &ESCAPED.replace("CERTIFICATE", "PRIVATE%20KEY"),
            &ESCAPED.replace("Y2Vy", "Y2V~"),
            &ESCAPED[..ESCAPED.len() - 30],
            &format!("x{ESCAPED}"),
            &format!("%0A{ESCAPED}"),
            &format!("-----BEGIN%20CERTIFICATE-----%0A{ESCAPED}"),
            &format!("-----BEGIN%20CERTIFICATE-----%0AAAAA%0A{ESCAPED}"),
            "{http.request.tls.client.certificate_pem}",
        ] {
            assert_eq!(thumbprint(bad), None, "{bad}");
        }
    }
}

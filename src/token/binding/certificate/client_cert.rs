//! `Client-Cert` (RFC 9440): one byte sequence of structured fields (RFC 9651 section 3.3.5), the certificate in DER.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::token::binding::thumbprint::Thumbprint;

/// The thumbprint of the certificate in `:BASE64(DER):`. No parameter is defined, so none is accepted.
pub(super) fn thumbprint(value: &str) -> Option<Thumbprint> {
    let encoded = value.strip_prefix(':')?.strip_suffix(':')?;
    let der = STANDARD.decode(encoded).ok().filter(|der| !der.is_empty())?;
    Some(Thumbprint::of(&der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_byte_sequence() {
        // "certificate"
        assert_eq!(thumbprint(":Y2VydGlmaWNhdGU=:"), Some(Thumbprint::of(b"certificate")));
        for bad in [
            "",
            ":",
            "::",
            "Y2VydGlmaWNhdGU=",
            ":Y2VydGlmaWNhdGU=",
            "Y2VydGlmaWNhdGU=:",
            ":Y2VydGlmaWNhdGU:",
            ":Y2VydGlmaWNhdGU=:;a=b",
            ":Y2VydGlmaWNhdGU=:, :Y2VydGlmaWNhdGU=:",
            ":Y2Vy dGlmaWNhdGU=:",
            ":Y2VydGlmaWNhdGV=:",
            ":{http.request.tls.client.certificate_der_base64}:",
            "\"Y2VydGlmaWNhdGU=\"",
        ] {
            assert_eq!(thumbprint(bad), None, "{bad}");
        }
    }
}

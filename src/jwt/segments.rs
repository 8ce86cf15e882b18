//! The shape of a token: a JWS in compact form (RFC 7515 section 7.1), decoded but not read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// The three parts of a compact JWS.
pub(super) struct Segments<'t> {
    /// What the signature is over: the first two parts as they were sent.
    pub(super) signing_input: &'t str,
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'t> Segments<'t> {
    pub(super) fn decode(token: &'t str) -> Result<Self, Rejection> {
        let Some((signing_input, signature)) = token.rsplit_once('.') else {
            return Err(Rejection::new(RejectionKind::OpaqueToken, Remediation::ResourceToken, "an opaque token"));
        };
        let Some((header, payload)) = signing_input.split_once('.') else {
            return Err(Rejection::invalid_token("two parts instead of three"));
        };
        if payload.contains('.') {
            return Err(Rejection::invalid_token("more than three parts: not a JWS in compact form"));
        }
        Ok(Self {
            signing_input,
            header: decode(header, "the header is not base64url")?,
            payload: decode(payload, "the payload is not base64url")?,
            signature: decode(signature, "the signature is not base64url")?,
        })
    }
}

/// Strict: no padding, no whitespace, no unused bits, so that one token has one spelling.
fn decode(part: &str, wrong: &'static str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::invalid_token(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(token: &str) -> Option<RejectionKind> {
        Segments::decode(token).err().map(|rejection| rejection.kind())
    }

    #[test]
    fn three_strict_parts() {
        let segments = Segments::decode("AA.AAA.AAAA").unwrap();
        assert_eq!((segments.signing_input, segments.signature.len()), ("AA.AAA", 3));
        assert_eq!(kind("opaque-token"), Some(RejectionKind::OpaqueToken));
        for bad in [
            "a.b",
            "AA.AA.AA.AA",
            "AA.AA.AA.AA.AA",
            "A.AA.AA",
            "AA.AA.AA==",
            "AA.AB.AA",
            "A+.AA.AA",
            "A/.AA.AA",
            "AA.A A.AA",
            "AA.AA.A~",
            "AAAAA.AA.AA",
        ] {
            assert_eq!(kind(bad), Some(RejectionKind::InvalidToken), "{bad}");
        }
        assert_eq!(kind(".."), None, "empty parts are base64url: the JSON reader refuses them");
    }
}

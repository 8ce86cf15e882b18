//! The shape of a token: a JWS in compact form (RFC 7515 section 7.1), decoded but not read.

use base64_simd::URL_SAFE_NO_PAD;

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// The three parts of a compact JWS.
pub(in crate::token) struct Segments<'t> {
    /// What the signature is over: the first two parts as they were sent.
    pub(in crate::token) signing_input: &'t str,
    /// All three, decoded, one after the other.
    decoded: Vec<u8>,
    header: usize,
    payload: usize,
}

impl<'t> Segments<'t> {
    pub(in crate::token) fn decode(token: &'t str) -> Result<Self, Rejection> {
        let Some((signing_input, signature)) = token.rsplit_once('.') else {
            return Err(Rejection::new(RejectionKind::OpaqueToken, Remediation::ResourceToken, "an opaque token"));
        };
        let Some((header, payload)) = signing_input.split_once('.') else {
            return Err(Rejection::invalid_token("two parts instead of three"));
        };
        let mut decoded = Vec::with_capacity(token.len());
        // Strict: no padding, no whitespace, no unused bits, so that one token has one spelling.
        let mut append = |part: &str, wrong| match URL_SAFE_NO_PAD.decode_append(part, &mut decoded) {
            Ok(()) => Ok(decoded.len()),
            // Of more parts than three, those in the middle are no base64url: a dot is between them.
            Err(_) => Err(more_parts(payload).unwrap_or_else(|| Rejection::invalid_token(wrong))),
        };
        let header = append(header, "the header is not base64url")?;
        let payload = append(payload, "the payload is not base64url")?;
        append(signature, "the signature is not base64url")?;
        Ok(Self { signing_input, decoded, header, payload })
    }

    pub(in crate::token) fn header(&self) -> &[u8] {
        self.decoded.get(..self.header).unwrap_or_default()
    }

    pub(in crate::token) fn payload(&self) -> &[u8] {
        self.decoded.get(self.header..self.payload).unwrap_or_default()
    }

    pub(in crate::token) fn signature(&self) -> &[u8] {
        self.decoded.get(self.payload..).unwrap_or_default()
    }
}

/// Why a token of more than three parts is rejected. `middle` is what is between its first dot and its last; `None` if there is
/// no dot in it.
fn more_parts(middle: &str) -> Option<Rejection> {
    let (_, rest) = middle.split_once('.')?;
    // RFC 7516 section 3.1: five parts. Issuers encrypt tokens that name no resource for themselves.
    Some(if rest.split('.').count() == 2 {
        let detail = "an encrypted token (a JWE): only its issuer can read it";
        Rejection::new(RejectionKind::OpaqueToken, Remediation::ResourceToken, detail)
    } else {
        Rejection::invalid_token("more than three parts: not a JWS in compact form")
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL_SAFE_NO_PAD_ELSEWHERE;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    fn kind(token: &str) -> Option<RejectionKind> {
        Segments::decode(token).err().map(|rejection| rejection.kind())
    }

    #[test]
    fn three_strict_parts() {
        let segments = Segments::decode("AA.AAA.AAAA").unwrap();
        assert_eq!((segments.signing_input, segments.signature().len()), ("AA.AAA", 3));
        assert_eq!(kind("opaque-token"), Some(RejectionKind::OpaqueToken));
        for bad in [
            "a.b",
            "AA.AA.AA.AA",
            "AA.AA.AA.AA.AA.AA",
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
        for encrypted in ["AA.AA.AA.AA.AA", "AA..AA.AA.AA", "A.A.A.A.A", "?.AA.AA.AA.AA"] {
            assert_eq!(kind(encrypted), Some(RejectionKind::OpaqueToken), "{encrypted}");
        }
        assert_eq!(kind(".."), None, "empty parts are base64url: the JSON reader refuses them");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Another decoder, of which it is known that it is strict.
        #[test]
        fn decodes_what_a_strict_decoder_does(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            strange in prop::option::of((any::<Index>(), select(&b"=+/_- \n.AZ~\x7f"[..]))),
            cut in 0..3_usize,
        ) {
            let mut part = URL_SAFE_NO_PAD_ELSEWHERE.encode(&bytes);
            part.truncate(part.len().saturating_sub(cut));
            if let Some((at, byte)) = strange.filter(|_| !part.is_empty()) {
                let at = at.index(part.len());
                part.replace_range(at..=at, char::from(byte).encode_utf8(&mut [0]));
            }
            prop_assume!(!part.contains('.'));
            let expected = URL_SAFE_NO_PAD_ELSEWHERE.decode(&part).ok();
            for token in [format!("{part}.AA.AA"), format!("AA.{part}.AA"), format!("AA.AA.{part}")] {
                let segments = Segments::decode(&token).ok();
                let decoded = segments.map(|segments| [segments.header(), segments.payload(), segments.signature()].concat());
                let expected = expected.as_ref().map(|expected| {
                    let parts = token.split('.').map(|other| if other == part { &**expected } else { &[0][..] });
                    parts.collect::<Vec<_>>().concat()
                });
                prop_assert_eq!(decoded, expected, "{}", token);
            }
        }
    }
}

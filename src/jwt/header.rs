//! The unverified header: it chooses a key and is compared with it, never believed.

use std::borrow::Cow;

use crate::json::{JsonError, Object};
use crate::rejection::Rejection;
use crate::signature::Algorithm;

/// What of a token's header is looked at. `jwk`, `jku`, `x5u` and `x5c` are not (RFC 8725 section 3.10).
pub(super) struct UnverifiedHeader<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) typ: Option<Cow<'a, str>>,
}

impl<'a> UnverifiedHeader<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Rejection> {
        let wrong = |error: JsonError| Rejection::invalid_token(format!("header: {error}"));
        let object = Object::parse(bytes).map_err(wrong)?;
        // No extension is understood here, so any list of critical ones names one that is not (RFC 7515 section 4.1.11).
        if object.has("crit") {
            return Err(Rejection::invalid_token("header: crit names an extension that is not understood"));
        }
        if object.has("enc") || object.has("zip") || object.has("b64") {
            return Err(Rejection::invalid_token("header: enc, zip or b64 in a signed token"));
        }
        let algorithm = object.string("alg").map_err(wrong)?.and_then(|name| Algorithm::from_name(&name));
        Ok(Self {
            algorithm: algorithm
                .ok_or_else(|| Rejection::invalid_token("header: alg is not an asymmetric signature algorithm"))?,
            kid: object.string("kid").map_err(wrong)?,
            typ: object.string("typ").map_err(wrong)?,
        })
    }

    /// `typ`, lower case and without the `application/` that RFC 7515 section 4.1.9 lets it drop.
    pub(super) fn media_type(&self) -> Option<String> {
        let typ = self.typ.as_ref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").unwrap_or(&typ).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<(Algorithm, Option<String>, Option<String>)> {
        let header = UnverifiedHeader::read(json.as_bytes()).ok()?;
        Some((header.algorithm, header.media_type(), header.kid.map(Cow::into_owned)))
    }

    #[test]
    fn reads_what_it_needs() {
        let header =
            read(r#"{"alg":"ES384","typ":"application/AT+jwt","kid":"k","jku":"https://evil.example","x5c":[1]}"#);
        assert_eq!(header, Some((Algorithm::Es384, Some("at+jwt".into()), Some("k".into()))));
        assert_eq!(read(r#"{"alg":"Ed25519"}"#), Some((Algorithm::EdDsa, None, None)));
    }

    #[test]
    fn refuses_the_rest() {
        for bad in [
            "{}",
            "[]",
            r#"{"alg":"none"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","typ":null}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","enc":"A256GCM"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

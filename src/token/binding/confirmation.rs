//! The `cnf` claim (RFC 7800): what the sender of a token must prove to hold.

use super::dpop::BoundKey;
use super::thumbprint::Thumbprint;
use crate::json::Object;

/// What a token is bound to: a key, a certificate, or both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    key: Option<BoundKey>,
    certificate: Option<Thumbprint>,
}

/// Keys in forms for which no proof is defined here (RFC 7800 section 3.2 to 3.5).
const OTHER_KEYS: [&str; 4] = ["jwk", "jwe", "jku", "kid"];

impl Confirmation {
    /// Reads the raw JSON of the claim.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if no proof known here can satisfy the claim.
    pub(crate) fn read(raw: &str) -> Result<Self, &'static str> {
        let object =
            Object::parse(raw.as_bytes()).map_err(|_| "cnf is not one JSON object with unique member names")?;
        if OTHER_KEYS.iter().any(|name| object.has(name)) {
            return Err("cnf names a key in a form for which no proof is defined: jwk, jwe, jku or kid");
        }
        let key = thumbprint(&object, "jkt").map_err(|()| "cnf.jkt is not a SHA-256 thumbprint in base64url")?;
        let certificate =
            thumbprint(&object, "x5t#S256").map_err(|()| "cnf.x5t#S256 is not a SHA-256 thumbprint in base64url")?;
        if key.is_none() && certificate.is_none() {
            return Err("cnf has neither jkt nor x5t#S256: nothing here can check it");
        }
        Ok(Self { key: key.map(BoundKey::new), certificate })
    }

    /// The key that signs DPoP proofs.
    pub(crate) const fn key(&self) -> Option<&BoundKey> {
        self.key.as_ref()
    }

    /// The thumbprint of the client's certificate.
    pub(crate) const fn certificate(&self) -> Option<&Thumbprint> {
        self.certificate.as_ref()
    }
}

fn thumbprint(object: &Object<'_>, name: &'static str) -> Result<Option<Thumbprint>, ()> {
    let text = object.string(name).map_err(|_| ())?;
    text.map(|text| Thumbprint::from_base64url(&text).ok_or(())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

    #[test]
    fn reads_key_certificate_or_both() {
        let digest = Thumbprint::from_base64url(DIGEST);
        let read = |json: &str| {
            let confirmation = Confirmation::read(&json.replace('D', DIGEST)).unwrap();
            (confirmation.key().map(BoundKey::thumbprint).copied(), confirmation.certificate().copied())
        };
        assert_eq!(read(r#"{"jkt":"D"}"#), (digest, None));
        assert_eq!(read(r#"{"x5t#S256":"D"}"#), (None, digest));
        assert_eq!(read(r#"{"x5t#S256":"D","jkt":"D"}"#), (digest, digest));
        // RFC 7800 section 3.1: members that are not understood are ignored.
        assert_eq!(read(r#"{"jkt":"D","osc":{}}"#), (digest, None));
    }

    #[test]
    fn a_claim_that_nothing_can_check_is_rejected() {
        for bad in [
            "null",
            "true",
            "[]",
            "\"D\"",
            "{}",
            r#"{"osc":{}}"#,
            r#"{"jkt":null}"#,
            r#"{"jkt":""}"#,
            r#"{"jkt":["D"]}"#,
            r#"{"jkt":"D="}"#,
            r#"{"jkt":"D","jkt":"D"}"#,
            r#"{"JKT":"D"}"#,
            r#"{"x5t":"D"}"#,
            r#"{"x5t#S256":1,"jkt":"D"}"#,
            r#"{"x5t#S256":"D","jkt":null}"#,
            r#"{"jwk":{"kty":"OKP"}}"#,
            r#"{"jkt":"D","jwk":{"kty":"OKP"}}"#,
            r#"{"jkt":"D","kid":"1"}"#,
        ] {
            assert!(Confirmation::read(&bad.replace('D', DIGEST)).is_err(), "{bad}");
        }
    }
}

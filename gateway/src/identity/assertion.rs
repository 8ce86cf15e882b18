use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::Claims;

/// How long an assertion is valid.
const LIFETIME: Duration = Duration::from_secs(60);

/// Signs assertions: short-lived JWTs that tell an upstream who the caller is.
pub(crate) struct AssertionKey {
    key: EcdsaKeyPair,
    kid: String,
    x: String,
    y: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    sub: &'a str,
    sub_id: SubjectId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

/// `sub` names somebody within one issuer alone: both together, as RFC 9493 section 3.2.4 writes them.
#[derive(Serialize)]
struct SubjectId<'a> {
    format: &'static str,
    iss: &'a str,
    sub: &'a str,
}

impl AssertionKey {
    /// Reads a P-256 private key in PEM, PKCS #8 or SEC 1.
    ///
    /// # Errors
    ///
    /// Returns what was expected; never a part of the key.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a P-256 private key in PEM";
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| EXPECTED)?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der())
            .map_err(|_| EXPECTED)?;
        // Uncompressed: a tag, then two coordinates of 32 bytes.
        let point = key.public_key().as_ref();
        let (x, y) = point.get(1..).and_then(|point| point.split_at_checked(32)).ok_or(EXPECTED)?;
        let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the required members, sorted, without spaces.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Ok(Self { key, kid, x, y })
    }

    /// Returns the key set (RFC 7517) that upstreams verify assertions with.
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y,
            "kid": self.kid, "alg": "ES256", "use": "sig",
        }] })
    }

    /// Signs an assertion about a caller, or returns `None` if there is none.
    pub(crate) fn sign(&self, issuer: &str, audience: &str, claims: &Claims<'_>, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let header = Header { typ: "orgate-assertion+jwt", alg: "ES256", kid: &self.kid };
        let sub = claims.subject?;
        let payload = Payload {
            iss: issuer,
            aud: audience,
            iat: now,
            exp: now.checked_add(LIFETIME.as_secs())?,
            sub,
            sub_id: SubjectId { format: "iss_sub", iss: claims.iss?, sub },
            organization_id: claims.organization,
            scope: claims.scope,
            client_id: claims.client,
        };
        let mut jwt = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&payload).ok()?, &mut jwt);
        let signature = self.key.sign(&SystemRandom::new(), jwt.as_bytes()).ok()?;
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut jwt);
        Some(jwt)
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn pem() -> String {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = key.to_pkcs8v1().unwrap();
        let base64 = base64::prelude::BASE64_STANDARD.encode(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
    }

    fn part(jwt: &str, at: usize) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).unwrap()).unwrap()
    }

    #[test]
    fn assertion_is_signed_for_one_minute_and_one_upstream() {
        let key = AssertionKey::from_pem(&pem()).unwrap();
        let claims = Claims {
            subject: Some("u1"),
            organization: Some("acme"),
            iss: Some("https://tenant.logto.app/oidc"),
            ..Claims::default()
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let jwt = key.sign("https://api.example.com", "http://orders", &claims, now).unwrap();

        let payload: Value = serde_json::from_slice(&part(&jwt, 1)).unwrap();
        assert_eq!(
            payload,
            json!({
                "iss": "https://api.example.com", "aud": "http://orders", "iat": 1000, "exp": 1060,
                "sub": "u1", "organization_id": "acme",
                "sub_id": { "format": "iss_sub", "iss": "https://tenant.logto.app/oidc", "sub": "u1" },
            })
        );
        let header: Value = serde_json::from_slice(&part(&jwt, 0)).unwrap();
        let set = key.key_set();
        assert_eq!(header["typ"], "orgate-assertion+jwt");
        assert_eq!(header["kid"], set["keys"][0]["kid"]);
        assert!(set["keys"][0].get("d").is_none());

        let coordinate = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(set["keys"][0][name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let (signed, _) = jwt.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &part(&jwt, 2)).unwrap();
    }

    #[test]
    fn request_without_a_caller_has_no_assertion() {
        let key = AssertionKey::from_pem(&pem()).unwrap();
        assert_eq!(key.sign("https://i", "http://u", &Claims::default(), UNIX_EPOCH), None);
    }

    #[test]
    fn anything_but_a_p256_key_is_rejected() {
        for pem in ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(AssertionKey::from_pem(pem).is_err());
        }
    }
}

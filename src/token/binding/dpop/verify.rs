//! How a proof is judged, top to bottom (RFC 9449 section 4.3).

use std::borrow::Cow;
use std::time::Duration;

use super::claims::ProofClaims;
use super::key::{self, BoundKey};
use super::nonce::{NonceKeys, ValidNonce};
use super::replay::ProofKey;
use super::target::{PublicUrl, target};
use crate::json::Object;
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;
use crate::token::verify::{Segments, UnverifiedHeader};

/// Room for an RSA key and signature of 8192 bits, and for a long path.
const MAX_BYTES: usize = 8 * 1024;

/// What all proofs are judged by.
pub(super) struct ProofRules {
    pub(super) urls: Vec<PublicUrl>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) window: Duration,
    pub(super) leeway: Duration,
    pub(super) nonces: Option<NonceKeys>,
}

/// The request that a proof must be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) method: &'a str,
    /// The path as the client sent it, perhaps without the prefix that a proxy has removed.
    pub(crate) path: &'a str,
    /// SHA-256 of the access token, in base64url.
    pub(crate) token_hash: &'a str,
    /// What the access token is bound to.
    pub(crate) key: &'a BoundKey,
}

/// The key in the header of a proof: the one that the token is bound to.
enum SigningKey<'a> {
    Parsed(&'a VerifyingKey),
    Unparsed(Object<'a>),
}

/// A proof whose sender holds the key. It must still be recorded, so that it passes once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) proof: ProofKey,
    /// Unix time from which on the proof is rejected for its age, by every clock within the leeway.
    pub(crate) expires_at: Duration,
    /// Whether the response should hold a newer nonce.
    pub(crate) nonce_is_old: bool,
}

/// Why a proof does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProofError {
    /// Another proof must be made: `invalid_dpop_proof`.
    Invalid(Cow<'static, str>),
    /// A nonce of this server must be in the proof: `use_dpop_nonce`.
    Nonce(&'static str),
    /// No permit to check a signature is free.
    Busy,
}

impl From<&'static str> for ProofError {
    fn from(detail: &'static str) -> Self {
        Self::Invalid(detail.into())
    }
}

impl From<String> for ProofError {
    fn from(detail: String) -> Self {
        Self::Invalid(detail.into())
    }
}

impl ProofRules {
    /// Judges a proof. What costs nothing comes first; `permit` is asked before the key is parsed and the signature checked,
    /// and held meanwhile.
    pub(super) fn verify<P>(
        &self,
        proof: &str,
        presented: &Presented<'_>,
        now: &Now,
        permit: impl FnOnce() -> Option<P>,
    ) -> Result<Proven, ProofError> {
        if proof.len() > MAX_BYTES {
            return Err(format!("the proof has more than {MAX_BYTES} bytes").into());
        }
        let malformed = |_| ProofError::from("the proof is not a JWS in compact form");
        let segments = Segments::decode(proof).map_err(malformed)?;
        let object = |bytes, what| Object::parse(bytes).map_err(|error| ProofError::from(format!("{what}: {error}")));
        let header = object(segments.header(), "header")?;
        let (algorithm, raw) = self.read_header(&header)?;
        let key = match presented.key.parsed(raw, algorithm) {
            Some(key) => SigningKey::Parsed(key),
            None => SigningKey::Unparsed(object(raw.as_bytes(), "jwk")?),
        };
        if let SigningKey::Unparsed(jwk) = &key
            && key::thumbprint(jwk)? != *presented.key.thumbprint()
        {
            return Err("the proof is signed with another key than the token is bound to".into());
        }
        let payload = object(segments.payload(), "payload")?;
        let claims = ProofClaims::read(&payload)?;
        if claims.method != presented.method {
            return Err("htm is another method than that of the request".into());
        }
        let target = target(&claims.uri, &self.urls, presented.path)
            .ok_or("htu is not the public URL of this server with the path of the request")?;
        if *claims.token_hash != *presented.token_hash {
            return Err("ath is not the digest of the access token".into());
        }
        let (expires_at, nonce) = self.judge_time(&claims, now)?;

        let permit = permit().ok_or(ProofError::Busy)?;
        let is_signed = |key: &VerifyingKey| {
            let is_valid = key.verify(segments.signing_input.as_bytes(), segments.signature());
            if is_valid { Ok(()) } else { Err(ProofError::from("the signature of the proof is wrong")) }
        };
        match key {
            SigningKey::Parsed(key) => is_signed(key)?,
            SigningKey::Unparsed(jwk) => {
                let key = key::parse(&jwk, raw, algorithm).map_err(|error| format!("jwk: {error}"))?;
                is_signed(&key)?;
                presented.key.keep(raw, key);
            }
        }
        drop(permit);
        Ok(Proven {
            proof: ProofKey::new(presented.key.thumbprint(), &target, &claims.id),
            expires_at,
            nonce_is_old: self.nonces.is_some() && nonce.is_none_or(|nonce| nonce.is_old),
        })
    }

    /// The algorithm, and the raw JSON of the key.
    fn read_header<'a>(&self, object: &Object<'a>) -> Result<(Algorithm, &'a str), ProofError> {
        let header = UnverifiedHeader::of(object).map_err(|rejection| rejection.detail().to_owned())?;
        if !header.is_type("dpop+jwt") {
            return Err("typ is not dpop+jwt".into());
        }
        if !self.algorithms.contains(&header.algorithm) {
            return Err(format!("alg {} is not allowed for proofs", header.algorithm).into());
        }
        Ok((header.algorithm, object.raw("jwk").ok_or("jwk is missing")?))
    }

    /// Until when the proof must be remembered, and the nonce that it holds.
    ///
    /// A valid nonce says when the proof was made; without one, `iat` says it (RFC 9449 section 4.3, item 11).
    fn judge_time(&self, claims: &ProofClaims<'_>, now: &Now) -> Result<(Duration, Option<ValidNonce>), ProofError> {
        let seconds = now.unix.as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        if claims.expires_at.is_some_and(|end| seconds - end.seconds() >= leeway) {
            return Err("exp of the proof has passed".into());
        }
        if claims.not_before.is_some_and(|begin| begin.seconds() - seconds > leeway) {
            return Err("nbf of the proof is ahead".into());
        }
        let age = seconds - claims.issued_at.seconds();
        let window = self.window + self.leeway;
        let is_recent = age <= window.as_secs_f64() && -age <= leeway;
        let nonce = match (&self.nonces, &claims.nonce) {
            (Some(keys), Some(nonce)) => Some(
                keys.check(nonce, now).ok_or(ProofError::Nonce("the nonce is not one of this server, or too old"))?,
            ),
            (Some(keys), None) if keys.required => return Err(ProofError::Nonce("a nonce is required")),
            (Some(_), None) if !is_recent => {
                return Err(ProofError::Nonce("iat is outside the window: a nonce must tell the time"));
            }
            _ => None,
        };
        if nonce.is_none() && !is_recent {
            return Err(format!(
                "iat is {:.0} s {}, window {} s, leeway {} s",
                age.abs(),
                if age < 0.0 { "ahead" } else { "ago" },
                self.window.as_secs(),
                self.leeway.as_secs()
            )
            .into());
        }
        // Rounded up, so that no clock accepts a proof that was forgotten.
        let issued_at =
            Duration::try_from_secs_f64(claims.issued_at.seconds().max(0.0).ceil()).unwrap_or(Duration::MAX);
        let by_date = is_recent.then(|| issued_at.saturating_add(window));
        let by_nonce = nonce.map(|nonce| nonce.expires_at);
        let accepted_until = by_date.max(by_nonce).unwrap_or(now.unix);
        Ok((accepted_until.saturating_add(self.leeway), nonce))
    }
}

#[cfg(test)]
mod tests;

//! What a proof says of itself (RFC 9449 section 4.2), not yet verified.

use std::borrow::Cow;

use crate::json::Object;
use crate::token::NumericDate;

/// Longer ids are rejected: each is kept until its proof has expired.
const MAX_ID: usize = 128;

/// The claims that are judged. A proof may hold others.
pub(super) struct ProofClaims<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) method: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    pub(super) issued_at: NumericDate,
    pub(super) token_hash: Cow<'a, str>,
    pub(super) nonce: Option<Cow<'a, str>>,
    pub(super) expires_at: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
}

impl<'a> ProofClaims<'a> {
    /// # Errors
    ///
    /// Returns what is wrong if a claim is missing, or has another type or length than it must have.
    pub(super) fn read(claims: &Object<'a>) -> Result<Self, String> {
        let id = text(claims, "jti")?;
        if id.is_empty() || id.len() > MAX_ID {
            return Err(format!("jti has {} bytes; expected 1 to {MAX_ID}", id.len()));
        }
        Ok(Self {
            id,
            method: text(claims, "htm")?,
            uri: text(claims, "htu")?,
            issued_at: date(claims, "iat")?.ok_or("iat is missing")?,
            token_hash: text(claims, "ath")?,
            nonce: claims.string("nonce").map_err(|error| error.to_string())?,
            expires_at: date(claims, "exp")?,
            not_before: date(claims, "nbf")?,
        })
    }
}

fn text<'a>(claims: &Object<'a>, name: &'static str) -> Result<Cow<'a, str>, String> {
    let text = claims.string(name).map_err(|error| error.to_string())?;
    text.ok_or_else(|| format!("{name} is missing"))
}

fn date(claims: &Object<'_>, name: &'static str) -> Result<Option<NumericDate>, String> {
    let seconds = claims.get::<f64>(name).map_err(|error| error.to_string())?;
    seconds.map(|seconds| NumericDate::new(seconds).ok_or_else(|| format!("{name} is not a date"))).transpose()
}

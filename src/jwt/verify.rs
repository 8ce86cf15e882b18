//! How a token is judged, top to bottom.

use std::sync::Arc;

use super::claims;
use super::header::UnverifiedHeader;
use super::rules::{IssuerRules, Profile};
use super::segments::Segments;
use crate::json::Object;
use crate::rejection::Rejection;
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;
use crate::token::AccessToken;

/// Verifies a token: shape, header, issuer, profile, key, signature, claims.
///
/// `find_key` is asked for the key of one trusted entry (its index in `entries`), by `kid` and algorithm. It is the only
/// thing that may not know its answer yet, so its error is the caller's own type.
pub(crate) fn verify<E: From<Rejection>>(
    token: &str,
    entries: &[IssuerRules],
    now: Now,
    find_key: impl FnOnce(usize, Option<&str>, Algorithm) -> Result<Arc<VerifyingKey>, E>,
) -> Result<AccessToken, E> {
    let segments = Segments::decode(token)?;
    let header = UnverifiedHeader::read(&segments.header)?;
    let unverified =
        Object::parse(&segments.payload).map_err(|error| Rejection::invalid_token(format!("payload: {error}")))?;

    let (index, rules, issuer) = trusted_entry(&unverified, entries)?;
    let about = |rejection: Rejection| rejection.about(&rules.name, header.kid.as_deref());
    if !rules.algorithms.contains(&header.algorithm) {
        return Err(about(Rejection::invalid_token(format!(
            "alg {} is not allowed for this issuer",
            header.algorithm
        )))
        .into());
    }
    check_type(&header, rules.profile).map_err(about)?;

    let key = find_key(index, header.kid.as_deref(), header.algorithm)?;
    let signed =
        key.algorithm() == header.algorithm && key.verify(segments.signing_input.as_bytes(), &segments.signature);
    if !signed {
        return Err(about(Rejection::invalid_token("the signature is wrong")).into());
    }

    let mut verified = claims::judge(&unverified, issuer, rules, now).map_err(about)?;
    verified.payload = segments.payload.into();
    Ok(AccessToken::mint(verified))
}

/// The entry that trusts the unverified `iss`: it picks whose keys apply, and nothing else.
fn trusted_entry<'a>(
    claims: &Object<'_>,
    entries: &'a [IssuerRules],
) -> Result<(usize, &'a IssuerRules, &'a Arc<str>), Rejection> {
    let stated = claims.string("iss").map_err(|error| Rejection::invalid_token(error.to_string()))?;
    let stated = stated.ok_or_else(|| Rejection::invalid_token("iss is missing"))?;
    let trusted = entries.iter().enumerate().find_map(|(index, rules)| {
        let issuer = rules.issuers.iter().find(|issuer| ***issuer == *stated)?;
        Some((index, rules, issuer))
    });
    trusted.ok_or_else(|| Rejection::invalid_token("iss is not trusted here"))
}

/// RFC 9068 section 4, RFC 8725 section 3.11: what kind of JWT this is, by its own word.
fn check_type(header: &UnverifiedHeader<'_>, profile: Profile) -> Result<(), Rejection> {
    match (profile, header.media_type().as_deref()) {
        (_, Some("at+jwt")) | (Profile::UntypedJwt, None | Some("jwt")) => Ok(()),
        (Profile::Rfc9068, _) => Err(Rejection::invalid_token("typ is not at+jwt: not an access token by RFC 9068")),
        (Profile::UntypedJwt, _) => Err(Rejection::invalid_token("typ names another kind of JWT")),
    }
}

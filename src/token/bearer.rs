//! Where the token sits: exactly one `Authorization` header with the scheme `Bearer` (RFC 6750 section 2.1), or `DPoP` where
//! proofs are taken (RFC 9449 section 7.1).
//!
//! A token in the query or in a form is never read.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// What follows the scheme: not yet looked at character by character, since a token that is known need not be.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'h> {
    Bearer(&'h [u8]),
    Dpop(&'h [u8]),
}

/// How a token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    /// With a proof that its sender holds the key.
    Dpop,
}

/// The credentials of a request. `None` when the request carries none, or those of another scheme. They are marked as
/// sensitive: from here on a log of the headers does not show them.
pub(crate) fn find(
    headers: &mut HeaderMap,
    max_bytes: usize,
    takes_proofs: bool,
) -> Result<Option<Credentials<'_>>, Rejection> {
    // Two lengths tell that no name is there twice; else all headers are walked.
    if headers.len() > headers.keys_len() && mark_every(headers) > 1 {
        return Err(malformed("more than one Authorization header"));
    }
    let Some(value) = headers.get_mut(AUTHORIZATION) else { return Ok(None) };
    value.set_sensitive(true);
    let value = value.as_bytes();
    if let Some(rest) = after_scheme(value, BEARER) {
        one_token(rest, max_bytes).map(|token| Some(Credentials::Bearer(token)))
    } else if let Some(rest) = after_scheme(value, DPOP).filter(|_| takes_proofs) {
        one_token(rest, max_bytes).map(|token| Some(Credentials::Dpop(token)))
    } else {
        Ok(None)
    }
}

/// What stands behind the space that follows a scheme.
fn one_token(rest: &[u8], max_bytes: usize) -> Result<&[u8], Rejection> {
    if rest.len() > max_bytes {
        return Err(too_long("the credentials have", rest.len(), max_bytes));
    }
    let Some(mut token) = rest.strip_prefix(b" ") else { return Err(malformed(NOT_ONE_TOKEN)) };
    while let Some(rest) = token.strip_prefix(b" ") {
        token = rest;
    }
    Ok(token)
}

/// Whether the request tries the scheme `DPoP`.
pub(crate) fn tries_proof(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| after_scheme(value.as_bytes(), DPOP).is_some())
}

fn after_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    let continues = rest.first().is_some_and(|&byte| continues_a_scheme(byte));
    (found.eq_ignore_ascii_case(scheme) && !continues).then_some(rest)
}

/// How many there are.
fn mark_every(headers: &mut HeaderMap) -> usize {
    let mut count = 0;
    for (_, value) in headers.iter_mut().filter(|(name, _)| **name == AUTHORIZATION) {
        value.set_sensitive(true);
        count += 1;
    }
    count
}

const BEARER: &[u8] = b"Bearer";
const DPOP: &[u8] = b"DPoP";

/// Registered authentication schemes and common mistakes for one: the only words of the header that a log may show.
const SCHEMES: [&str; 16] = [
    "ApiKey",
    "AWS4-HMAC-SHA256",
    "Basic",
    "Concealed",
    "Digest",
    "DPoP",
    "GNAP",
    "HOBA",
    "JWT",
    "Mutual",
    "Negotiate",
    "NTLM",
    "OAuth",
    "PrivateToken",
    "Token",
    "vapid",
];

/// What clients send where they have no token: the words of their languages for that.
const PLACEHOLDERS: [&[u8]; 9] =
    [b"undefined", b"null", b"(null)", b"nil", b"none", b"NaN", b"true", b"false", b"[object Object]"];

const NOT_ONE_TOKEN: &str = "the Bearer credentials are not one b64token";

impl<'h> Credentials<'h> {
    /// A token that came some other way than in a header.
    pub(crate) fn of(token: &'h str, max_bytes: usize) -> Result<Self, Rejection> {
        if token.len() > max_bytes {
            return Err(too_long("the token has", token.len(), max_bytes));
        }
        Ok(Self::Bearer(token.as_bytes()))
    }

    pub(crate) const fn scheme(self) -> Scheme {
        match self {
            Self::Bearer(_) => Scheme::Bearer,
            Self::Dpop(_) => Scheme::Dpop,
        }
    }

    pub(crate) const fn as_bytes(self) -> &'h [u8] {
        match self {
            Self::Bearer(token) | Self::Dpop(token) => token,
        }
    }

    /// # Errors
    ///
    /// Returns an error if they are not one b64token.
    pub(crate) fn token(self) -> Result<&'h str, Rejection> {
        if let Some(word) = PLACEHOLDERS.into_iter().find(|word| self.as_bytes().eq_ignore_ascii_case(word)) {
            let detail = format!("the word {:?} instead of a token", String::from_utf8_lossy(word));
            return Err(Rejection::invalid_token(detail));
        }
        let token = std::str::from_utf8(self.as_bytes()).ok().filter(|token| is_b64token(token.as_bytes()));
        token.ok_or_else(|| malformed(NOT_ONE_TOKEN))
    }
}

/// Rejects a request for which [`find`] found no credentials. The log learns what was there instead.
pub(crate) fn missing(headers: &HeaderMap) -> Rejection {
    let detail = match headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) {
        None => Cow::Borrowed("no Authorization header"),
        Some(value) => other_credentials(value),
    };
    Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, detail)
}

/// Whether a rejection says that there were none.
pub(crate) fn is_missing(rejection: &Rejection) -> bool {
    rejection.kind() == RejectionKind::MissingToken
}

fn other_credentials(value: &[u8]) -> Cow<'static, str> {
    let mut words = value.splitn(2, |&byte| byte == b' ');
    let first = words.next().unwrap_or_default();
    let known = SCHEMES.into_iter().find(|scheme| first.eq_ignore_ascii_case(scheme.as_bytes()));
    match (known, words.next()) {
        (Some(scheme), _) => format!("the Authorization header has the scheme {scheme}, expected Bearer").into(),
        (None, Some(_)) => "the Authorization header has an unknown scheme, expected Bearer".into(),
        (None, None) if value.is_empty() => "the Authorization header is empty".into(),
        (None, None) if value.split(|&byte| byte == b'.').count() == 3 && is_b64token(value) => {
            "the Authorization header has a JWT without a scheme, expected \"Bearer \" in front of it".into()
        }
        (None, None) => "the Authorization header has one word, expected Bearer and a token".into(),
    }
}

fn too_long(what: &str, bytes: usize, max_bytes: usize) -> Rejection {
    let detail = format!("{what} {bytes} bytes, more than max_token_bytes ({max_bytes})");
    Rejection::new(RejectionKind::InvalidToken, Remediation::None, detail)
}

fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail)
}

/// `BearerX` and `Bearer=x` are other schemes, not malformed Bearer credentials.
fn continues_a_scheme(byte: u8) -> bool {
    byte != b' ' && (byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~=".contains(&byte))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    let (body, _) = bytes.split_at(bytes.len() - padding);
    // No early end and no branch: so the compiler looks at many bytes at once.
    let strange = body.iter().fold(0, |strange, &byte| strange | (is_b64_byte(byte) ^ 1));
    !body.is_empty() && strange == 0
}

/// 1 for one of the alphabet.
fn is_b64_byte(byte: u8) -> u8 {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits follow one another.
    let is_digit_or_near = byte.wrapping_sub(b'-') < 13;
    let others = u8::from(byte == b'_') | u8::from(byte == b'~') | u8::from(byte == b'+');
    u8::from(is_letter) | u8::from(is_digit_or_near) | others
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap())).collect()
    }

    fn kind(values: &[&[u8]]) -> Result<Option<String>, RejectionKind> {
        let token = |found: Option<Credentials<'_>>| found.map(|found| found.token().map(str::to_owned)).transpose();
        find(&mut headers(values), 100, false).and_then(token).map_err(|rejection| rejection.kind())
    }

    #[test]
    fn finds_the_token() {
        for value in ["Bearer abc.d_e-f~+/==", "bearer abc.d_e-f~+/==", "BEARER    abc.d_e-f~+/=="] {
            assert_eq!(kind(&[value.as_bytes()]), Ok(Some("abc.d_e-f~+/==".into())), "{value}");
        }
    }

    #[test]
    fn other_credentials_are_no_token() {
        for value in ["", "Basic abc", "DPoP abc", "abc.def.ghi", "Bearer=abc", "BearerX abc", "X-Bearer abc", "Bear"] {
            assert_eq!(kind(&[value.as_bytes()]), Ok(None), "{value}");
        }
        assert_eq!(kind(&[]), Ok(None));
    }

    #[test]
    fn the_log_says_what_was_there_instead() {
        for (value, expected) in [
            ("Basic dXNlcjpwYXNz", "the scheme Basic"),
            ("basic dXNlcjpwYXNz", "the scheme Basic"),
            ("token secret", "the scheme Token"),
            ("JWT eyJh.eyJi.c2ln", "the scheme JWT"),
            ("eyJh.eyJi.c2ln", "a JWT without a scheme"),
            ("", "is empty"),
            ("secret", "one word"),
            ("secret secret", "an unknown scheme"),
            ("BearerX secret", "an unknown scheme"),
        ] {
            let rejection = missing(&headers(&[value.as_bytes()]));
            assert_eq!(rejection.kind(), RejectionKind::MissingToken);
            let detail = rejection.detail();
            assert!(detail.contains(expected), "{value}: {detail}");
            for secret in ["dXNl", "secret", "eyJ"] {
                assert!(!detail.contains(secret), "{value}: {detail}");
            }
        }
        assert_eq!(missing(&HeaderMap::new()).detail(), "no Authorization header");
    }

    #[test]
    fn words_for_nothing_are_no_token() {
        for word in ["undefined", "null", "NULL", "None", "nil", "NaN", "false", "[object Object]"] {
            let mut headers = headers(&[format!("Bearer {word}").as_bytes()]);
            let rejection = find(&mut headers, 100, false).and_then(|found| found.unwrap().token()).unwrap_err();
            let found = (rejection.kind(), rejection.remediation());
            assert_eq!(found, (RejectionKind::InvalidToken, Remediation::Authenticate), "{word}");
        }
        assert_eq!(kind(&[b"Bearer undefined1"]), Ok(Some("undefined1".into())));
    }

    #[test]
    fn a_token_that_is_too_long_names_the_setting() {
        let mut headers = headers(&[format!("Bearer {}", "a".repeat(100)).as_bytes()]);
        let rejection = find(&mut headers, 100, false).err().unwrap();
        assert_eq!((rejection.kind(), rejection.remediation()), (RejectionKind::InvalidToken, Remediation::None));
        assert_eq!(rejection.detail(), "the credentials have 101 bytes, more than max_token_bytes (100)");

        let rejection = Credentials::of(&"a".repeat(101), 100).map(|_| ()).unwrap_err();
        assert_eq!((rejection.kind(), rejection.remediation()), (RejectionKind::InvalidToken, Remediation::None));
        assert_eq!(rejection.detail(), "the token has 101 bytes, more than max_token_bytes (100)");
        assert!(Credentials::of(&"a".repeat(100), 100).is_ok());
    }

    #[test]
    fn the_scheme_dpop_is_read_where_proofs_are_taken() {
        let read = |value: &str| {
            let mut headers = headers(&[value.as_bytes()]);
            let found = find(&mut headers, 100, true).map_err(|rejection| rejection.kind())?;
            found
                .map(|found| Ok((found.scheme(), found.token().map_err(|rejection| rejection.kind())?.to_owned())))
                .transpose()
        };
        for value in ["DPoP abc", "dpop abc", "DPOP   abc", "dPoP abc"] {
            assert_eq!(read(value), Ok(Some((Scheme::Dpop, "abc".into()))), "{value}");
        }
        assert_eq!(read("Bearer abc"), Ok(Some((Scheme::Bearer, "abc".into()))));
        for value in ["DPoPX abc", "DPoP=abc", "Basic abc", "DPo"] {
            assert_eq!(read(value), Ok(None), "{value}");
        }
        for value in ["DPoP", "DPoP ", "DPoP\tabc", "DPoP a b", "DPoP a,b"] {
            assert_eq!(read(value), Err(RejectionKind::InvalidRequest), "{value}");
        }
        assert!(tries_proof(&headers(&[b"dpop abc"])) && !tries_proof(&headers(&[b"Bearer abc"])));
        assert!(!tries_proof(&HeaderMap::new()) && !tries_proof(&headers(&[b"DPoPX abc"])));
    }

    #[test]
    fn malformed_credentials() {
        for value in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer\tabc",
            b"Bearer/abc",
            b"Bearer \tabc",
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer \"a\"",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer a\xff",
            b"Bearer ${TOKEN}",
            b"Bearer access_token=a",
        ] {
            assert_eq!(kind(&[value]), Err(RejectionKind::InvalidRequest), "{:?}", String::from_utf8_lossy(value));
        }
        assert_eq!(kind(&[b"Bearer abc", b"Bearer abc"]), Err(RejectionKind::InvalidRequest));
        assert_eq!(kind(&[b"Basic abc", b"Bearer abc"]), Err(RejectionKind::InvalidRequest));
        assert_eq!(kind(&[format!("Bearer {}", "a".repeat(100)).as_bytes()]), Err(RejectionKind::InvalidToken));
    }

    #[test]
    fn no_log_of_the_headers_shows_them() {
        for values in [&[&b"Bearer abc"[..]][..], &[b"Basic abc"], &[b"Bearer abc", b"Bearer def"]] {
            let mut headers = headers(values);
            let _ = find(&mut headers, 100, false);
            assert!(headers.get_all(AUTHORIZATION).iter().all(HeaderValue::is_sensitive), "{headers:?}");
        }
    }

    #[test]
    fn every_byte() {
        for byte in 0..=u8::MAX {
            let is_b64 = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64token(&[b'a', byte, b'a']), is_b64, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_was_sent(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let Ok(header) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let mut map: HeaderMap = [(AUTHORIZATION, header)].into_iter().collect();
            if let Ok(Some(credentials)) = find(&mut map, 100, true)
                && let Ok(token) = credentials.token()
            {
                prop_assert!(is_b64token(token.as_bytes()));
                prop_assert!(value.ends_with(token.as_bytes()) || value.trim_ascii_end().ends_with(token.as_bytes()));
            }
        }
    }
}

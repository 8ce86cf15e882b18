//! Where the token sits: exactly one `Authorization` header with the scheme `Bearer` (RFC 6750 section 2.1).
//!
//! A token in the query or in a form is never read.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// What follows the scheme: not yet looked at character by character, since a token that is known need not be.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'h>(&'h [u8]);

/// The Bearer credentials of a request. `None` when the request carries none, or those of another scheme. They are marked as
/// sensitive: from here on a log of the headers does not show them.
pub(crate) fn find(headers: &mut HeaderMap, max_bytes: usize) -> Result<Option<Credentials<'_>>, Rejection> {
    // Two lengths tell that no name is there twice; else all headers are walked.
    if headers.len() > headers.keys_len() && mark_every(headers) > 1 {
        return Err(malformed("more than one Authorization header"));
    }
    let Some(value) = headers.get_mut(AUTHORIZATION) else { return Ok(None) };
    value.set_sensitive(true);
    let Some((scheme, rest)) = value.as_bytes().split_at_checked(BEARER.len()) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(BEARER) || rest.first().is_some_and(|&byte| continues_a_scheme(byte)) {
        return Ok(None);
    }
    if rest.len() > max_bytes {
        return Err(Rejection::invalid_token(format!("the credentials have more than {max_bytes} bytes")));
    }
    let Some(mut token) = rest.strip_prefix(b" ") else { return Err(malformed(NOT_ONE_TOKEN)) };
    while let Some(rest) = token.strip_prefix(b" ") {
        token = rest;
    }
    Ok(Some(Credentials(token)))
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

const NOT_ONE_TOKEN: &str = "the Bearer credentials are not one b64token";

impl<'h> Credentials<'h> {
    /// A token that came some other way than in a header.
    pub(crate) fn of(token: &'h str, max_bytes: usize) -> Result<Self, Rejection> {
        if token.len() > max_bytes {
            return Err(Rejection::invalid_token(format!("the token has more than {max_bytes} bytes")));
        }
        Ok(Self(token.as_bytes()))
    }

    pub(crate) const fn as_bytes(self) -> &'h [u8] {
        self.0
    }

    /// # Errors
    ///
    /// When they are not one b64token.
    pub(crate) fn token(self) -> Result<&'h str, Rejection> {
        let token = std::str::from_utf8(self.0).ok().filter(|token| is_b64token(token.as_bytes()));
        token.ok_or_else(|| malformed(NOT_ONE_TOKEN))
    }
}

fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail)
}

/// `BearerX` and `Bearer=x` are other schemes, not malformed Bearer credentials.
fn continues_a_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~=".contains(&byte)
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
        find(&mut headers(values), 100).and_then(token).map_err(|rejection| rejection.kind())
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
            let _ = find(&mut headers, 100);
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
            if let Ok(Some(credentials)) = find(&mut map, 100)
                && let Ok(token) = credentials.token()
            {
                prop_assert!(is_b64token(token.as_bytes()));
                prop_assert!(value.ends_with(token.as_bytes()) || value.trim_ascii_end().ends_with(token.as_bytes()));
            }
        }
    }
}

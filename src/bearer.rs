//! Where the token sits: exactly one `Authorization` header with the scheme `Bearer` (RFC 6750 section 2.1).
//!
//! A token in the query or in a form is never read.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// What follows the scheme: not yet looked at character by character, since a token that is known need not be.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'h>(&'h [u8]);

/// The Bearer credentials of a request. `None` when the request carries none, or those of another scheme.
pub(crate) fn find(headers: &HeaderMap, max_bytes: usize) -> Result<Option<Credentials<'_>>, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("more than one Authorization header"));
    }
    let Some((scheme, rest)) = value.as_bytes().split_at_checked("Bearer".len()) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"Bearer") || rest.first().is_some_and(|&byte| continues_a_scheme(byte)) {
        return Ok(None);
    }
    if rest.len() > max_bytes {
        return Err(Rejection::invalid_token(format!("the credentials have more than {max_bytes} bytes")));
    }
    let token = rest.trim_ascii_start();
    let spaces = rest.len() - token.len();
    if spaces == 0 || !rest.iter().take(spaces).all(|&byte| byte == b' ') {
        return Err(malformed(NOT_ONE_TOKEN));
    }
    Ok(Some(Credentials(token)))
}

const NOT_ONE_TOKEN: &str = "the Bearer credentials are not one b64token";

impl<'h> Credentials<'h> {
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
    !body.is_empty() && body.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
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
        find(&headers(values), 100).and_then(token).map_err(|rejection| rejection.kind())
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

    proptest! {
        #[test]
        fn what_is_found_was_sent(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let Ok(header) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let map: HeaderMap = [(AUTHORIZATION, header)].into_iter().collect();
            if let Ok(Some(credentials)) = find(&map, 100)
                && let Ok(token) = credentials.token()
            {
                prop_assert!(is_b64token(token.as_bytes()));
                prop_assert!(value.ends_with(token.as_bytes()) || value.trim_ascii_end().ends_with(token.as_bytes()));
            }
        }
    }
}

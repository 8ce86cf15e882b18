//! What a log line shows of a token that was rejected: `iss`, `aud`, `typ`, `alg`, and no other claim.

use std::fmt;

/// Shows text of the caller's: quoted, escaped, and cut after 64 characters.
pub(crate) struct Received<'a>(pub(crate) &'a str);

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 64;
        let end = self.0.char_indices().nth(LONGEST).and_then(|(end, _)| self.0.get(..end));
        match end {
            Some(start) => write!(f, "{start:?}..."),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Shows the first of several values.
pub(crate) struct Several<'a, T>(pub(crate) &'a [T]);

impl<T: AsRef<str>> fmt::Display for Several<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 5;
        f.write_str("[")?;
        for (at, value) in self.0.iter().take(MOST).enumerate() {
            write!(f, "{}{}", if at > 0 { ", " } else { "" }, Received(value.as_ref()))?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => f.write_str("]"),
            more => write!(f, ", and {more} more]"),
        }
    }
}

/// Describes how a value differs from the value that was probably intended; empty if they are not alike.
pub(crate) fn difference<'a>(received: &str, expected: impl IntoIterator<Item = &'a str>) -> &'static str {
    /// More would be work that a stranger's token causes.
    const MOST: usize = 100;
    let without_scheme = |text: &'a str| text.split_once("://").map(|(_, rest)| rest);
    for expected in expected.into_iter().take(MOST) {
        if received.trim_end_matches('/') == expected.trim_end_matches('/') {
            return "; they differ only by a trailing slash";
        }
        if received.eq_ignore_ascii_case(expected) {
            return "; they differ only in letter case";
        }
        if received.trim() == expected {
            return "; they differ only by white space";
        }
        if without_scheme(expected).is_some_and(|rest| received.split_once("://").is_some_and(|(_, own)| own == rest)) {
            return "; they differ only in the scheme";
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(Received("a\"\n\u{1b}[31m").to_string(), r#""a\"\n\u{1b}[31m""#);
        assert_eq!(Received(&"é".repeat(64)).to_string(), format!("{:?}", "é".repeat(64)));
        assert_eq!(Received(&"é".repeat(65)).to_string(), format!("{:?}...", "é".repeat(64)));
        assert_eq!(Several(&["a", "b"]).to_string(), r#"["a", "b"]"#);
        assert_eq!(Several(&["a"; 7]).to_string(), r#"["a", "a", "a", "a", "a", and 2 more]"#);
        assert_eq!(Several::<&str>(&[]).to_string(), "[]");
    }

    #[test]
    fn near_misses_are_named() {
        let expected = ["https://other.example", "https://issuer.example/oidc"];
        for (received, named) in [
            ("https://issuer.example/oidc/", "a trailing slash"),
            ("https://Issuer.example/oidc", "letter case"),
            (" https://issuer.example/oidc", "white space"),
            ("http://issuer.example/oidc", "the scheme"),
        ] {
            assert!(difference(received, expected).ends_with(named), "{received}");
        }
        for received in ["", "https://issuer.example", "https://elsewhere.example/oidc"] {
            assert_eq!(difference(received, expected), "", "{received}");
        }
    }
}

//! What a token names its key or certificate by.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::signature::sha256;

/// A SHA-256 digest of a key (`jkt`, RFC 7638) or of a certificate (`x5t#S256`, RFC 8705 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Thumbprint([u8; 32]);

impl Thumbprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// From base64url without padding, 43 characters.
    pub(crate) fn from_base64url(text: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        octets.try_into().ok().map(Self)
    }

    /// From 64 hexadecimal digits, in any case.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        if rest.is_empty() { octets.try_into().ok().map(Self) } else { None }
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_digest() {
        let digest = Thumbprint::of(b"abc");
        assert_eq!(digest.to_string(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(Thumbprint::from_base64url(&digest.to_string()), Some(digest));
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Thumbprint::from_hex(hex), Some(digest));
        assert_eq!(Thumbprint::from_hex(&hex.to_uppercase()), Some(digest));
    }

    #[test]
    fn other_spellings_are_rejected() {
        let text = Thumbprint::of(b"abc").to_string();
        let hex = "b".repeat(64);
        for bad in
            ["", &text[1..], &format!("{text}="), &format!("{text}A"), &text.replace('-', "+"), &format!(" {text}")]
        {
            assert_eq!(Thumbprint::from_base64url(bad), None, "{bad}");
        }
        // The last character has two bits that belong to no octet.
        assert_eq!(Thumbprint::from_base64url(&text.replace("Fa0", "Fa1")), None);
        for bad in
            ["", &hex[1..], &hex[2..], &format!("{hex}bb"), &hex.replacen('b', "g", 1), &hex.replacen('b', "é", 1)]
        {
            assert_eq!(Thumbprint::from_hex(bad), None, "{bad}");
        }
    }
}

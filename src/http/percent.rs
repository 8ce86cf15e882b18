//! Percent-encoding: what is not unreserved (RFC 3986 section 2.3) is written as octets.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a segment of a path, or a value of a form.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// One segment of a path (RFC 3986 section 3.3): an id can lead nowhere else. `None` for what is no segment of its own.
#[cfg(feature = "logto")]
pub(crate) fn segment(id: &str) -> Option<String> {
    // What reads URLs takes dots for a way up, encoded or not.
    (!matches!(id, "" | "." | "..")).then(|| encode(id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> String {
        let mut parts = text.split('%');
        let mut octets = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            octets.push(u8::from_str_radix(&part[..2], 16).unwrap());
            octets.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn an_id_stays_in_its_segment() {
        assert_eq!(segment("p0pv4hoo40e2").as_deref(), Some("p0pv4hoo40e2"));
        assert_eq!(segment("../a?b#c%2F d+é").as_deref(), Some("..%2Fa%3Fb%23c%252F%20d%2B%C3%A9"));
        assert_eq!([segment(""), segment("."), segment("..")], [None, None, None]);
        assert_eq!(segment("...").as_deref(), Some("..."));
    }

    #[test]
    fn nothing_leaves_its_segment() {
        for (id, expected) in [
            ("user_1", "user_1"),
            ("a/../b", "a%2F..%2Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("%2e%2e", "%252e%252e"),
            ("é\n", "%C3%A9%0A"),
            ("...", "..."),
        ] {
            assert_eq!(segment(id).as_deref(), Some(expected));
        }
        for id in ["", ".", ".."] {
            assert_eq!(segment(id), None);
        }
    }

    proptest! {
        #[test]
        fn a_segment_is_a_segment(id in ".{1,20}") {
            if let Some(segment) = segment(&id) {
                prop_assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
                let url: http::Uri = format!("https://api.example/users/{segment}").parse().unwrap();
                prop_assert_eq!(url.path().split('/').count(), 3);
            }
        }

        #[test]
        fn no_octet_has_a_meaning(text in ".{0,40}") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(decode(&encoded), text);
        }
    }
}

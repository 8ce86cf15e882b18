//! Ids as part of a path.

/// One path segment (RFC 3986 section 3.3): all but unreserved characters percent-encoded.
///
/// `None` for what is no segment of its own: an empty id, and those that a URL parser takes for "here" and "above",
/// encoded or not.
pub(crate) fn path_segment(id: &str) -> Option<String> {
    if matches!(id, "" | "." | "..") {
        return None;
    }
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase();
            segment.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(path_segment(id).as_deref(), Some(expected));
        }
        for id in ["", ".", ".."] {
            assert_eq!(path_segment(id), None);
        }
    }

    proptest! {
        #[test]
        fn a_segment_is_a_segment(id in ".{1,20}") {
            if let Some(segment) = path_segment(&id) {
                prop_assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
                let url: http::Uri = format!("https://api.example/users/{segment}").parse().unwrap();
                prop_assert_eq!(url.path().split('/').count(), 3);
            }
        }
    }
}

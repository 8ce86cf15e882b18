//! `X-Forwarded-Client-Cert`, as Envoy writes it: elements separated by commas, of pairs separated by semicolons.

use crate::token::binding::thumbprint::Thumbprint;

/// The thumbprint in the last element, which is the one that the proxy itself has added (`SANITIZE_SET`,
/// `APPEND_FORWARD`): its `Hash`, SHA-256 of the certificate in DER.
///
/// `None` for whatever cannot be read in one way only: quotes that do not end, `Hash` twice, the JSON form.
pub(super) fn thumbprint(value: &str) -> Option<Thumbprint> {
    let last = split(value, b',')?.pop()?;
    let mut hash = None;
    for pair in split(last, b';')? {
        let (key, value) = pair.trim_ascii().split_once('=')?;
        if key.eq_ignore_ascii_case("hash") && hash.replace(value).is_some() {
            return None;
        }
    }
    let hash = hash?;
    let unquoted = hash.strip_prefix('"').and_then(|hash| hash.strip_suffix('"'));
    Thumbprint::from_hex(unquoted.unwrap_or(hash))
}

/// The parts between separators that are not quoted. `None` if a quote does not end.
fn split(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => _ = bytes.next(),
            byte if byte == separator && !is_quoted => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(of: &[u8]) -> String {
        Thumbprint::of(of).as_bytes().iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
    }

    #[test]
    fn reads_the_hash_of_the_last_element() {
        let (own, other) = (hash(b"own"), hash(b"other"));
        for value in [
            format!("Hash={own}"),
            format!("hash=\"{own}\""),
            format!("By=spiffe://a/b;Hash={own};Subject=\"/C=US/CN=a, b;c=\\\"d\\\"\";URI=spiffe://c"),
            format!("Subject=\"x\";HASH={}", own.to_uppercase()),
            format!("By=http://frontend;Hash={other};URI=x,By=http://backend;Hash={own};URI=y"),
            format!("Hash={other}, Hash={own}"),
            format!("Subject=\"Hash={other}\";Hash={own}"),
        ] {
            assert_eq!(thumbprint(&value), Some(Thumbprint::of(b"own")), "{value}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_rejected() {
        let (own, other) = (hash(b"own"), hash(b"other"));
        for value in [
            String::new(),
            "Hash=".to_owned(),
            format!("Hash={}", &own[1..]),
            format!("Hash={own};Hash={own}"),
            format!("Hash={other};hash={own}"),
            format!("Hash={own},"),
            format!("Hash={own},By=x"),
            format!("Hash={own};"),
            format!("Hash={own};x"),
            format!("By=x;Subject=\",Hash={own};Subject=\"/CN=a\""),
            format!("By=x;Subject=\"\\,Hash={own};Subject=\"/CN=a\""),
            format!("Hash=\"{own}"),
            format!("Hash={own}\""),
            format!("[{{\"hash\":\"{own}\"}}]"),
            format!("{{\"hash\":\"{own}\"}}"),
            "Hash=%REQ(x)%".to_owned(),
        ] {
            assert_eq!(thumbprint(&value), None, "{value}");
        }
    }

    proptest! {
        /// Whatever stands in front of the element that the proxy has added, its hash is read or none.
        #[test]
        fn no_other_element_is_taken_for_the_proxys(before in "[ -~]{0,60}", crafted in "[\",;=\\\\ aH]{0,20}") {
            let (own, other) = (hash(b"own"), hash(b"other"));
            let element = format!("By=x;Hash={own};Subject=\"/CN=a\"");
            for before in [before, format!("Hash={other}{crafted}"), format!("{crafted};Hash={other};Subject=\"{crafted}")] {
                let found = thumbprint(&format!("{before},{element}"));
                prop_assert!(found.is_none() || found == Some(Thumbprint::of(b"own")), "{}", before);
            }
        }
    }
}

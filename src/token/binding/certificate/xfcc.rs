//! `X-Forwarded-Client-Cert`, as Envoy writes it under `SANITIZE_SET`: one element, of pairs separated by semicolons.
//!
//! Envoy writes `URI` and `DNS` of the client's certificate without quotes or escapes. Whoever makes the certificate can
//! therefore write further pairs and elements, whose names and hashes look like Envoy's own.

use crate::token::binding::thumbprint::Thumbprint;

const HASH: &[u8] = b"hash=";

/// The `Hash` of the only element: SHA-256 of the certificate in DER.
///
/// `None` for whatever cannot be read in one way only: quotes that do not end, several elements, the JSON form, or `Hash=`
/// twice, wherever the second one stands. Envoy always writes its own, so a second one comes from the client.
pub(super) fn thumbprint(value: &str) -> Option<Thumbprint> {
    let hashes = value.as_bytes().windows(HASH.len()).filter(|part| part.eq_ignore_ascii_case(HASH));
    if hashes.count() != 1 || split(value, b',')?.len() != 1 {
        return None;
    }
    let mut hash = None;
    for pair in split(value, b';')? {
        let (key, value) = pair.trim_ascii().split_once('=')?;
        if key.eq_ignore_ascii_case("hash") {
            hash = Some(value);
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
    fn reads_the_hash_of_the_only_element() {
        let own = hash(b"own");
        for value in [
            format!("Hash={own}"),
            format!("hash=\"{own}\""),
            format!("By=spiffe://a/b;Hash={own};Subject=\"/C=US/CN=a, b;c=\\\"d\\\"\";URI=spiffe://c"),
            format!("Subject=\"x\";HASH={}", own.to_uppercase()),
            format!(
                "By=a;By=b;Hash={own};Cert=\"MIIB%3D\";Subject=\"\";URI=;URI=spiffe://c/d?e=f;DNS=a.example;DNS=*.b.example"
            ),
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
            format!("By=http://frontend;Hash={other};URI=x,By=http://backend;Hash={own};URI=y"),
            format!("Hash={other}, Hash={own}"),
            format!("URI=x,By=http://backend;Hash={own}"),
            format!("Subject=\"Hash={other}\";Hash={own}"),
            format!("Hash={own};Subject=\"CN=haSH=1\""),
            format!("By=\"Hash={own}\""),
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
            format!("[{{\"hash\":\"{other}\",\"uri\":\"x\\\";Hash={own};y=\\\"\"}}]"),
            "Hash=%REQ(x)%".to_owned(),
        ] {
            assert_eq!(thumbprint(&value), None, "{value}");
        }
    }

    /// What a name in a certificate, or a header that the client sends itself, may consist of.
    fn hostile() -> impl Strategy<Value = String> {
        let victim = hash(b"victim");
        let mut pieces: Vec<String> =
            ["\"", "\\", ",", ";", "=", " ", "x", "\\\"", ",By=p", ";X=\"", "Hash =", "Subject=\"", "\";"]
                .map(str::to_owned)
                .into();
        for around in [",Hash={}", ";Hash={}", "\";Hash={};", "Hash={};X=\"", ", hash=\"{}\"", "HASH={}", "Hash={},"] {
            pieces.push(around.replace("{}", &victim));
        }
        prop::collection::vec(prop::sample::select(pieces), 0..4).prop_map(|pieces| pieces.concat())
    }

    /// As Envoy writes it: only the subject is quoted, and only there it escapes.
    fn element(own: &str, subject: Option<&str>, uris: &[String], names: &[String]) -> String {
        let mut pairs = vec!["By=spiffe://p".to_owned(), format!("Hash={own}")];
        pairs.extend(subject.map(|name| {
            let escaped = name.chars().map(|c| if ",;=\"\\".contains(c) { format!("\\{c}") } else { c.to_string() });
            format!("Subject=\"CN={}\"", escaped.collect::<String>())
        }));
        pairs.extend(uris.iter().map(|uri| format!("URI={uri}")));
        pairs.extend(names.iter().map(|name| format!("DNS={name}")));
        pairs.join(";")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever names the client's certificate has, and whatever the client has sent before them.
        #[test]
        fn no_hash_but_the_proxys_is_read(
            sent in prop::option::of(hostile()),
            subject in prop::option::of(hostile()),
            uris in prop::collection::vec(hostile(), 0..3),
            names in prop::collection::vec(hostile(), 0..3),
        ) {
            let element = element(&hash(b"own"), subject.as_deref(), &uris, &names);
            let value = sent.map_or(element.clone(), |sent| format!("{sent},{element}"));
            let found = thumbprint(&value);
            prop_assert!(found.is_none() || found == Some(Thumbprint::of(b"own")), "{}", value);
        }

        #[test]
        fn a_certificate_with_ordinary_names_is_read(
            subject in prop::option::of("[ -~]{0,20}"),
            uris in prop::collection::vec("[a-z]{1,6}://[a-z/.?=:]{0,20}", 0..3),
            names in prop::collection::vec("[a-z*.-]{0,20}", 0..3),
        ) {
            let value = element(&hash(b"own"), subject.as_deref(), &uris, &names);
            prop_assert_eq!(thumbprint(&value), Some(Thumbprint::of(b"own")), "{}", value);
        }
    }
}

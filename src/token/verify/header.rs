//! The unverified header: it chooses a key and is compared with it, never believed.

use std::borrow::Cow;

use crate::explain::shown;
use crate::json::{JsonError, Object};
use crate::rejection::Rejection;
use crate::signature::Algorithm;
use crate::token::received::Received;

/// What of a token's header is looked at. `jwk`, `jku`, `x5u` and `x5c` are not (RFC 8725 section 3.10).
pub(in crate::token) struct UnverifiedHeader<'a> {
    pub(in crate::token) algorithm: Algorithm,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) typ: Option<Cow<'a, str>>,
}

impl<'a> UnverifiedHeader<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Rejection> {
        let wrong = |error: JsonError| Rejection::invalid_token(format!("header: {error}"));
        Self::of(&Object::parse(bytes).map_err(wrong)?)
    }

    /// Of one that was parsed already.
    pub(in crate::token) fn of(object: &Object<'a>) -> Result<Self, Rejection> {
        let wrong = |error: JsonError| Rejection::invalid_token(format!("header: {error}"));
        // No extension is understood here, so any list of critical ones names one that is not (RFC 7515 section 4.1.11).
        if object.has("crit") {
            return Err(Rejection::invalid_token("header: crit names an extension that is not understood"));
        }
        if object.has("enc") || object.has("zip") || object.has("b64") {
            return Err(Rejection::invalid_token("header: enc, zip or b64 in a signed token"));
        }
        let stated = object.string("alg").map_err(wrong)?;
        let stated = stated.ok_or_else(|| Rejection::invalid_token("header: alg is missing"))?;
        let algorithm = Algorithm::from_name(&stated).ok_or_else(|| {
            let detail = format!("header: alg {} is not an asymmetric signature algorithm", Received(&stated));
            Rejection::invalid_token(detail)
        })?;
        Ok(Self { algorithm, kid: object.string("kid").map_err(wrong)?, typ: object.string("typ").map_err(wrong)? })
    }

    /// For an explanation.
    pub(super) fn shown(&self) -> String {
        let or_none = |text: &Option<Cow<'_, str>>| text.as_deref().map_or_else(|| "none".to_owned(), shown);
        format!("alg {}, typ {}, kid {}", self.algorithm, or_none(&self.typ), or_none(&self.kid))
    }

    /// Whether `typ` is this, in any case, with or without the `application/` that RFC 7515 section 4.1.9 lets it drop.
    pub(in crate::token) fn is_type(&self, name: &str) -> bool {
        const PREFIX: &str = "application/";
        let typ = self.typ.as_deref().unwrap_or_default();
        let (prefix, rest) = typ.split_at_checked(PREFIX.len()).unwrap_or_default();
        typ.eq_ignore_ascii_case(name) || prefix.eq_ignore_ascii_case(PREFIX) && rest.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn read(json: &str) -> Option<(Algorithm, bool, Option<String>)> {
        let header = UnverifiedHeader::read(json.as_bytes()).ok()?;
        Some((header.algorithm, header.is_type("at+jwt"), header.kid.map(Cow::into_owned)))
    }

    #[test]
    fn reads_what_it_needs() {
        let header =
            read(r#"{"alg":"ES384","typ":"application/AT+jwt","kid":"k","jku":"https://evil.example","x5c":[1]}"#);
        assert_eq!(header, Some((Algorithm::Es384, true, Some("k".into()))));
        assert_eq!(read(r#"{"alg":"Ed25519"}"#), Some((Algorithm::EdDsa, false, None)));
    }

    #[test]
    fn types_are_compared_regardless_of_case_and_prefix() {
        let is_type = |typ: &str| read(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#)).unwrap().1;
        for same in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(is_type(same), "{same}");
        }
        for other in
            ["", "jwt", "at+jw", "at+jwtx", "application/", "applicationat+jwt", "application/application/at+jwt"]
        {
            assert!(!is_type(other), "{other}");
        }
    }

    #[test]
    fn rejects_the_rest() {
        for bad in [
            "{}",
            "[]",
            r#"{"alg":"none"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","typ":null}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","enc":"A256GCM"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    const NAMES: [&str; 13] =
        ["alg", "typ", "kid", "crit", "enc", "zip", "b64", "jku", "jwk", "x5c", "Alg", r"al\u0067", "cty"];
    const VALUES: [&str; 14] = [
        r#""ES256""#,
        r#""ES\u0032\u00356""#,
        r#""Ed25519""#,
        r#""es256""#,
        r#""HS256""#,
        r#""none""#,
        r#""at+jwt""#,
        r#""""#,
        "null",
        "1",
        "true",
        "[]",
        r#"["ES256"]"#,
        "{}",
    ];

    /// The rules, said in another way.
    fn expected(members: &[(&str, &str)]) -> Option<Algorithm> {
        let unescaped = |name: &str| name.replace(r"\u0067", "g");
        let all = |wanted: &str| -> Vec<serde_json::Value> {
            let named = members.iter().filter(|(name, _)| unescaped(name) == wanted);
            named.map(|(_, value)| serde_json::from_str(value).unwrap()).collect()
        };
        let mut names: Vec<String> = members.iter().map(|(name, _)| unescaped(name)).collect();
        names.sort();
        names.dedup();
        let critical = ["crit", "enc", "zip", "b64"].iter().any(|name| !all(name).is_empty());
        let strings = ["kid", "typ"].iter().all(|name| all(name).iter().all(serde_json::Value::is_string));
        match all("alg").first().and_then(serde_json::Value::as_str) {
            _ if names.len() != members.len() || critical || !strings => None,
            Some("ES256") => Some(Algorithm::Es256),
            Some("Ed25519") => Some(Algorithm::EdDsa),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn is_read_by_the_rules(
            alg in prop::option::weighted(0.8, select(&VALUES[..3])),
            others in prop::collection::vec((select(&NAMES[..]), select(&VALUES[..])), 0..4),
        ) {
            let members: Vec<(&str, &str)> = alg.map(|alg| ("alg", alg)).into_iter().chain(others).collect();
            let json: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let json = format!("{{{}}}", json.join(","));

            let expected = expected(&members);
            prop_assert_eq!(read(&json).map(|(algorithm, ..)| algorithm), expected, "{}", json);
        }

        #[test]
        fn never_panics(
            noise in prop::collection::vec(any::<u8>(), 0..120),
            at in any::<prop::sample::Index>(),
            octet in any::<u8>(),
        ) {
            let mut header = br#"{"alg":"ES384","typ":"application/at+jwt","kid":"\u006b"}"#.to_vec();
            let at = at.index(header.len());
            header[at] = octet;
            let read = UnverifiedHeader::read(&header).ok();
            let spelled = String::from_utf8_lossy(&header).contains("\"alg\":\"ES384\"");
            prop_assert!(read.is_none_or(|header| spelled || header.algorithm != Algorithm::Es384));
            prop_assert!(UnverifiedHeader::read(&noise).is_err(), "{:?}", noise);
        }
    }
}

//! One strict JSON object: member names are unique, and a member of the wrong type is an error, never "absent".
//!
//! Token headers, claims, discovery documents and key sets are all read through this. Values stay borrowed and
//! unparsed until they are asked for.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a JSON text is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not UTF-8, not JSON, not an object, or a member is named twice.
    NotAnObject,
    /// The named member has another type than it must have.
    WrongType(&'static str),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("not one JSON object with unique member names"),
            Self::WrongType(name) => write!(f, "{name} has the wrong type"),
        }
    }
}

/// What a text is that cannot be one JSON object, for messages.
fn describe(text: &[u8]) -> Option<&'static str> {
    match text.trim_ascii_start() {
        [] => Some("empty"),
        [b'<', ..] => Some("an HTML or XML page"),
        [b'[', ..] => Some("an array"),
        [b'{', ..] => None,
        [0x1F, 0x8B, ..] => Some("compressed, without a Content-Encoding"),
        _ => Some("no JSON object"),
    }
}

/// The members of one JSON object, sorted by the length of their names, then by the names: most comparisons are of two numbers.
pub(crate) struct Object<'a> {
    members: Vec<(Name<'a>, &'a RawValue)>,
}

/// A member name: borrowed unless it was written with escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Name<'_> {
    fn order(&self, other: &str) -> Ordering {
        self.0.len().cmp(&other.len()).then_with(|| (*self.0).cmp(other))
    }
}

impl<'a> Object<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotAnObject)?;
        let mut object: Self = serde_json::from_str(text).map_err(|_| JsonError::NotAnObject)?;
        object.members.sort_unstable_by(|(a, _), (b, _)| a.order(&b.0));
        let twice = object.members.iter().zip(object.members.iter().skip(1)).any(|((a, _), (b, _))| a.0 == b.0);
        if twice { Err(JsonError::NotAnObject) } else { Ok(object) }
    }

    /// Reads a document that another server wrote: a member that is `null` is absent there. The error says what came.
    ///
    /// `cnf` and `act` restrict a token, and stay: whatever stands in them must be understood.
    pub(crate) fn document(bytes: &'a [u8]) -> Result<Self, String> {
        let mut object = Self::parse(bytes).map_err(|error| match describe(bytes) {
            Some(what) => format!("{error}: it is {what}"),
            None => error.to_string(),
        })?;
        object.members.retain(|(name, value)| value.get() != "null" || matches!(&*name.0, "cnf" | "act"));
        Ok(object)
    }

    /// The raw text of a member.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        let at = self.members.binary_search_by(|(member, _)| member.order(name)).ok()?;
        self.members.get(at).map(|(_, value)| value.get())
    }

    /// The names of the members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| &*name.0)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Whether a member is exactly this string.
    pub(crate) fn is_text(&self, name: &str, value: &str) -> bool {
        self.raw(name).and_then(|raw| text(raw).ok()).is_some_and(|text| text == value)
    }

    /// A member of type `T`; absent is `None`, another type is an error.
    pub(crate) fn get<T: Deserialize<'a>>(&self, name: &'static str) -> Result<Option<T>, JsonError> {
        self.read(name).map_err(|()| JsonError::WrongType(name))
    }

    /// As [`get`](Self::get), for a name that is a setting.
    pub(crate) fn read<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, ()> {
        self.raw(name).map(serde_json::from_str).transpose().map_err(|_| ())
    }

    pub(crate) fn string(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, JsonError> {
        self.raw(name).map(text).transpose().map_err(|()| JsonError::WrongType(name))
    }
}

/// The string that the raw text of a member is. That text is JSON, so a string without an escape is what its quotes enclose.
pub(crate) fn text(raw: &str) -> Result<Cow<'_, str>, ()> {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(())?;
    if !quoted.contains('\\') {
        return Ok(Cow::Borrowed(quoted));
    }
    serde_json::from_str::<Text<'_>>(raw).map(|text| text.0).map_err(|_| ())
}

/// A JSON string, borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(|members| Self { members })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_typed_members() {
        let object = Object::parse(br#" {"a":"x","n":1.5,"e\u0078p":2,"l":["p","q"]} "#).unwrap();
        assert_eq!(object.string("a").unwrap().as_deref(), Some("x"));
        assert_eq!(object.get::<f64>("exp").unwrap(), Some(2.0));
        assert_eq!(object.string("absent").unwrap(), None);
        assert_eq!(object.string("n"), Err(JsonError::WrongType("n")));
        assert_eq!(object.get::<Vec<Text<'_>>>("l").unwrap().unwrap().len(), 2);
    }

    #[test]
    fn null_is_a_wrong_type_and_not_absent() {
        let object = Object::parse(br#"{"a":null}"#).unwrap();
        assert!(object.has("a"));
        assert_eq!(object.string("a"), Err(JsonError::WrongType("a")));
        assert!(object.get::<f64>("a").is_err());
    }

    #[test]
    fn null_in_a_document_is_absent_unless_it_restricts_a_token() {
        let object = Object::document(br#"{"a":null,"b":1,"cnf":null,"act":null,"n":{"x":null}}"#).unwrap();
        assert_eq!(["a", "b", "cnf", "act", "n"].map(|name| object.has(name)), [false, true, true, true, true]);
        assert_eq!(object.string("a"), Ok(None));
        assert!(Object::document(br#"{"a":null,"a":1}"#).is_err(), "named twice all the same");
    }

    #[test]
    fn error_of_a_document_says_what_came() {
        let said = [&b" "[..], b"\n<!doctype html>", b"[]", b"\x1F\x8B\x08", b"no", b"{\"a\":1,\"a\":1}"]
            .map(|text| Object::document(text).map(|_| ()).unwrap_err());
        assert_eq!(said.iter().collect::<std::collections::BTreeSet<_>>().len(), said.len(), "{said:?}");
        assert!(said.iter().all(|text| text.starts_with("not one JSON object")), "{said:?}");
    }

    #[test]
    fn rejects_what_is_not_one_object_with_unique_names() {
        for bad in [
            &b"[]"[..],
            b"1",
            b"\"x\"",
            b"null",
            b"",
            b" ",
            b"{",
            b"{}{}",
            b"{} x",
            b"{\"a\":1,}",
            b"{\"a\":1,\"a\":1}",
            b"{\"exp\":1,\"\\u0065xp\":2}",
            b"{\"a\":01}",
            b"{\"a\":Infinity}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{}\0",
            b"{/**/}",
        ] {
            assert!(Object::parse(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn depth_is_harmless() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
        let _ = Object::parse(deep.as_bytes());
        assert!(Object::parse(format!("{{\"x\":{}", "[".repeat(60_000)).as_bytes()).is_err());
    }

    /// SECURITY.md, "Dependencies": what `raw_value` changes, and for whom.
    #[test]
    fn a_magic_member_name_changes_untyped_values_and_not_what_is_read_here() {
        let text = br#"{"$serde_json::private::RawValue":"{\"sub\":\"other\"}"}"#;
        let object = Object::parse(text).unwrap();
        assert!(!object.has("sub"));
        assert_eq!(object.string("$serde_json::private::RawValue").unwrap().as_deref(), Some(r#"{"sub":"other"}"#));
        let untyped: serde_json::Value = serde_json::from_slice(text).unwrap();
        assert_eq!(untyped, serde_json::json!({ "sub": "other" }));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Object::parse(&bytes);
        }

        #[test]
        fn text_of_a_member_is_what_a_parser_reads(
            value in prop_oneof!["\\PC{0,12}".prop_map(serde_json::Value::from), any::<i32>().prop_map(serde_json::Value::from)],
            is_escaped in any::<bool>(),
        ) {
            let mut raw = value.to_string();
            if is_escaped {
                raw = raw.replace('a', "\\u0061").replace('/', "\\/");
            }
            let json = format!("{{\"x\":{raw}}}");
            let object = Object::parse(json.as_bytes()).unwrap();
            let expected = object.read::<String>("x").ok().flatten();
            prop_assert_eq!(object.string("x").ok().flatten().map(Cow::into_owned), expected.clone());
            prop_assert_eq!(expected.as_deref(), value.as_str());
            prop_assert!(value.as_str().is_none_or(|value| object.is_text("x", value)));
        }

        #[test]
        fn agrees_with_a_plain_reader(map in prop::collection::btree_map("[a-z\"\\\\é]{0,4}", any::<i32>(), 0..8)) {
            let text = serde_json::to_string(&map).unwrap();
            let object = Object::parse(text.as_bytes()).unwrap();
            for (name, value) in &map {
                prop_assert_eq!(object.read::<i32>(name).unwrap(), Some(*value));
            }
        }
    }
}

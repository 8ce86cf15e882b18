//! Another reading of JSON, to compare with.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The members of an object that names each of them once; `None` for anything else.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let members = serde_json::from_str::<Raws>(text).ok()?.0;
    let count = members.len();
    // What is JSON and no value, a number of a thousand digits for instance, equals nothing that is read.
    let read = |raw: &RawValue| {
        let is_text = raw.get().starts_with('"');
        let unreadable = |_| if is_text { "unreadable".into() } else { json!([null]) };
        serde_json::from_str(raw.get()).unwrap_or_else(unreadable)
    };
    let map: Map<String, Value> = members.into_iter().map(|(name, raw)| (name, read(&raw))).collect();
    (map.len() == count).then_some(map)
}

/// Each member in its order and as it was written, also those that are there twice.
pub(crate) struct Raws(pub(crate) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Raws {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Raws;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raws, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Raws(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// A string member.
pub(crate) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// A number member.
pub(crate) fn number(object: &Map<String, Value>, name: &str) -> Option<f64> {
    object.get(name)?.as_f64()
}

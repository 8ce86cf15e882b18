//! A response as tests over HTTP look at it.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use http::HeaderMap;
use serde_json::Value;

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    /// A field that is absent is empty.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate")
    }

    /// The scopes that the challenge names.
    pub(crate) fn scope(&self) -> &str {
        self.parameter("scope")
    }

    /// The address that the challenge names.
    pub(crate) fn metadata(&self) -> &str {
        self.parameter("resource_metadata")
    }

    /// As clients read it: the first match counts.
    fn parameter(&self, name: &str) -> &str {
        let start = format!("{name}=\"");
        let rest = self.challenge().split(&start).nth(1);
        rest.and_then(|rest| rest.split('"').next()).unwrap_or_default()
    }
}

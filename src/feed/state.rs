//! What is said about a token and its subject: the body of the polling form, and the data of an event.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::rejection::Remediation;
use crate::signature::sha256;
use crate::token::AccessToken;

/// How much of a digest tells two states of one token apart.
const ID_BYTES: usize = 12;

/// Where token and subject differ, of the scopes that the feed names: places in its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) lost: Vec<u8>,
    pub(super) gained: Vec<u8>,
}

/// What was found, and is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) difference: Difference,
    pub(super) remediation: Remediation,
    /// In the order in which the routes were asked about.
    pub(super) may: Vec<Option<bool>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    status: &'static str,
    token: Vec<&'a str>,
    held: Vec<&'a str>,
    lost: Vec<&'a str>,
    gained: Vec<&'a str>,
    remediation: &'static str,
    expires_at: u64,
    #[serde(skip_serializing_if = "Routes::is_empty")]
    may: Routes<'a>,
}

struct Routes<'a>(Vec<(&'a str, Option<bool>)>);

impl Routes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Routes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (route, passes) in &self.0 {
            map.serialize_entry(route, passes)?;
        }
        map.end()
    }
}

impl Known {
    /// As JSON, on one line. `scopes`: those that the feed names; `routes`: those that were asked about.
    pub(super) fn to_json<'a>(
        &self,
        token: &AccessToken,
        scopes: &[&'a str],
        routes: impl Iterator<Item = &'a str>,
    ) -> String {
        let Difference { lost, gained } = &self.difference;
        let named =
            |places: &[u8]| places.iter().filter_map(|place| scopes.get(usize::from(*place)).copied()).collect();
        let (lost, gained): (Vec<&str>, Vec<&str>) = (named(lost), named(gained));
        let of_token: Vec<&str> = scopes.iter().copied().filter(|scope| token.has_scope(scope)).collect();
        let held = scopes
            .iter()
            .copied()
            .filter(|scope| gained.contains(scope) || (of_token.contains(scope) && !lost.contains(scope)));
        let shown = Shown {
            status: "known",
            held: held.collect(),
            token: of_token,
            lost,
            gained,
            remediation: self.remediation.as_str(),
            expires_at: seconds(token),
            may: Routes(routes.zip(self.may.iter().copied()).collect()),
        };
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

/// When the token expires, since the Unix epoch.
pub(super) fn seconds(token: &AccessToken) -> u64 {
    token.expires_at().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What stands for one state of one token, in every process.
pub(super) fn id(token: &AccessToken, json: &str) -> String {
    let digest = sha256(&[&token.digest()[..], json.as_bytes()].concat());
    URL_SAFE_NO_PAD.encode(digest.split_at(ID_BYTES).0)
}

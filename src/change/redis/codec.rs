//! The values of the table and the feed, signed if there is a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::signature::SharedSecret;

/// How much of the HMAC is kept.
const MAC_BYTES: usize = 16;

/// Writes and reads values of one fleet.
pub(super) struct Codec {
    fleet: String,
    /// The first signs.
    keys: Vec<SharedSecret>,
}

/// What a value is about: a row of the table, or a change that is no fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Fact,
    Change,
}

/// Why a value is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unbelieved {
    Broken,
    Mac,
}

impl Codec {
    pub(super) fn new(fleet: &str, keys: Vec<SharedSecret>) -> Self {
        Self { fleet: fleet.to_owned(), keys }
    }

    /// `RANK` or `RANK MAC`.
    pub(super) fn write(&self, label: Label, about: &str, rank: u64) -> String {
        match self.keys.first() {
            Some(key) => format!("{rank} {}", self.mac(key, label, about, rank)),
            None => rank.to_string(),
        }
    }

    /// The rank of a value that can be believed, and whether the first key signed it, or would sign nothing.
    pub(super) fn read(&self, label: Label, about: &str, value: &str) -> Result<(u64, bool), Unbelieved> {
        let (rank, mac) = value.split_once(' ').map_or((value, None), |(rank, mac)| (rank, Some(mac)));
        let is_number = !rank.is_empty() && rank.len() <= 16 && rank.bytes().all(|byte| byte.is_ascii_digit());
        let rank =
            if is_number { rank.parse().map_err(|_| Unbelieved::Broken)? } else { return Err(Unbelieved::Broken) };
        if self.keys.is_empty() {
            return Ok((rank, true));
        }
        let mac = mac.ok_or(Unbelieved::Mac)?;
        let signer = self.keys.iter().position(|key| equal(&self.mac(key, label, about, rank), mac));
        signer.map(|signer| (rank, signer == 0)).ok_or(Unbelieved::Mac)
    }

    fn mac(&self, key: &SharedSecret, label: Label, about: &str, rank: u64) -> String {
        let label = match label {
            Label::Fact => "orgate-fact-1",
            Label::Change => "orgate-change-1",
        };
        // None of the parts but the last-but-one can hold a line break, and that one is JSON.
        let tag = key.tag(format!("{label}\n{}\n{about}\n{rank}", self.fleet).as_bytes());
        URL_SAFE_NO_PAD.encode(tag.get(..MAC_BYTES).unwrap_or_default())
    }
}

/// The rank of a value that is signed, by whomever.
pub(super) fn signed_rank(value: &str) -> Option<u64> {
    value.split_once(' ').and_then(|(rank, _)| rank.parse().ok())
}

/// Looks at every byte, whatever differs.
fn equal(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"["i","suspension","s"]"#;

    fn codec(fleet: &str, keys: &[&str]) -> Codec {
        Codec::new(fleet, keys.iter().map(|key| SharedSecret::new(key.as_bytes())).collect())
    }

    #[test]
    fn value_is_believed_of_its_row_rank_fleet_and_key_only() {
        let (new, old) = (codec("f", &["new", "old"]), codec("f", &["old"]));
        let value = old.write(Label::Fact, ROW, 7);
        assert_eq!(value.len(), "7 ".len() + 22);
        assert_eq!(old.read(Label::Fact, ROW, &value), Ok((7, true)));
        assert_eq!(new.read(Label::Fact, ROW, &value), Ok((7, false)), "an older key, to be signed anew");
        let unbelieved = Err(Unbelieved::Mac);
        assert_eq!(old.read(Label::Fact, r#"["i","suspension","t"]"#, &value), unbelieved);
        assert_eq!(old.read(Label::Change, ROW, &value), unbelieved);
        assert_eq!(old.read(Label::Fact, ROW, &value.replacen('7', "9", 1)), unbelieved);
        assert_eq!(codec("g", &["old"]).read(Label::Fact, ROW, &value), unbelieved);
        assert_eq!(old.read(Label::Fact, ROW, "7"), unbelieved);
        assert_eq!(old.read(Label::Fact, ROW, &new.write(Label::Fact, ROW, 7)), unbelieved);
    }

    #[test]
    fn without_a_key_the_rank_counts() {
        let plain = codec("f", &[]);
        assert_eq!(plain.write(Label::Fact, ROW, 7), "7");
        assert_eq!(plain.read(Label::Fact, ROW, "7 signed by somebody"), Ok((7, true)));
        for broken in ["", "x", "-1", "+1", "1e3", " 7", "99999999999999999999"] {
            assert_eq!(plain.read(Label::Fact, ROW, broken), Err(Unbelieved::Broken), "{broken:?}");
        }
    }
}

//! What is published, and what arrives: facts and changes as rows and entries.

use super::codec::{Codec, Label, Unbelieved};
use super::edit::{change_text, parse_change};
use super::session::RawEntry;
use crate::change::row::{key_text, parse_fact};
use crate::change::{Change, Fact, Rank, Update};

/// The field that says when everything was lost: a fact about all issuers, those that are added later among them.
pub(super) const LOST: &str = "#lost";

/// What a row of the table says.
pub(super) fn loaded(field: &str, rank: u64) -> Option<Update> {
    if field == LOST {
        return Some(Update::lost(Rank::from(rank).at()));
    }
    parse_fact(field, rank).map(Update::Fact)
}

/// A fact, or a change that is none, as it is published.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What the fact is about; empty for a change that is no fact.
    pub(super) field: String,
    pub(super) value: String,
}

impl Row {
    pub(super) fn of_fact(codec: &Codec, fact: &Fact) -> Self {
        let field = key_text(fact.issuer(), fact.key());
        let value = codec.write(Label::Fact, &field, fact.rank().into());
        Self { field, value }
    }

    pub(super) fn of_loss(codec: &Codec, before: Rank) -> Self {
        Self { field: LOST.to_owned(), value: codec.write(Label::Fact, LOST, before.into()) }
    }

    pub(super) fn of_change(codec: &Codec, change: &Change) -> Self {
        if let Some(fact) = change.fact() {
            return Self::of_fact(codec, &fact);
        }
        let (about, rank) = change_text(change);
        Self { field: String::new(), value: format!("{} {about}", codec.write(Label::Change, &about, rank)) }
    }
}

/// An entry of the feed, taken apart.
pub(super) struct Entry {
    pub(super) generation: String,
    pub(super) number: u64,
    pub(super) nonce: String,
    pub(super) before: String,
    field: String,
    value: String,
}

impl Entry {
    /// `None` if it is no entry that a replica has written.
    pub(super) fn of((id, words): RawEntry) -> Option<Self> {
        let (generation, number) = id.split_once('-')?;
        let mut words = words.into_iter().map(String::from_utf8);
        let mut named = |name: &str| (words.next()?.ok()? == name).then(|| words.next()?.ok()).flatten();
        let (field, value, nonce, before) = (named("f")?, named("v")?, named("x")?, named("p")?);
        Some(Self { generation: generation.to_owned(), number: number.parse().ok()?, nonce, before, field, value })
    }

    pub(super) fn field(&self) -> &str {
        &self.field
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What it says, if that can be believed.
    pub(super) fn update(&self, codec: &Codec) -> Result<Update, Unbelieved> {
        if !self.field.is_empty() {
            let (rank, _) = codec.read(Label::Fact, &self.field, &self.value)?;
            return Ok(match loaded(&self.field, rank).ok_or(Unbelieved::Broken)? {
                Update::Fact(fact) => Update::Change(fact.key().change(fact.issuer().into(), fact.rank())),
                update => update,
            });
        }
        let (value, about) = self.value.split_once(" [").ok_or(Unbelieved::Broken)?;
        let about = format!("[{about}");
        let (rank, _) = codec.read(Label::Change, &about, value)?;
        parse_change(&about, rank).map(Update::Change).ok_or(Unbelieved::Broken)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::change::About;
    use crate::signature::SharedSecret;

    fn entry(row: &Row) -> Entry {
        let words = ["f", &row.field, "v", &row.value, "x", "0a", "p", "-"].map(|word| word.as_bytes().to_vec());
        Entry::of(("7-3".to_owned(), words.to_vec())).unwrap()
    }

    #[test]
    fn facts_and_changes_arrive_as_they_were_published() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for secrets in [vec![], vec![SharedSecret::new(b"a")]] {
            let codec = Codec::new("f", secrets);
            for change in [
                Change::suspended("i", "s", at),
                Change::restored("i", "s", at),
                Change::not_before("i", About::member("o", "s \" ["), at),
                Change::edited("i", About::member("o", "s \" ["), at),
                Change::edited("i", About::OrganizationTemplate, at),
                Change::edited("i", About::Everything, at),
            ] {
                let row = Row::of_change(&codec, &change);
                let entry = entry(&row);
                assert_eq!(entry.field(), row.field);
                assert_eq!((entry.number, &*entry.generation, &*entry.nonce, &*entry.before), (3, "7", "0a", "-"));
                assert_eq!(entry.update(&codec), Ok(Update::Change(change)));
            }
            assert_eq!(entry(&Row::of_loss(&codec, Rank::new(at, true))).update(&codec), Ok(Update::lost(at)));
        }
    }

    #[test]
    fn entries_of_other_shapes_are_none() {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        for (id, entry) in [
            ("7", words(&["f", "", "v", "", "x", "", "p", ""])),
            ("7-x", words(&["f", "", "v", "", "x", "", "p", ""])),
            ("7-1", words(&["f", "", "v", "", "x", ""])),
            ("7-1", words(&["v", "", "f", "", "x", "", "p", ""])),
            ("7-1", vec![b"f".to_vec(), vec![0xff], b"v".to_vec(), vec![]]),
        ] {
            assert!(Entry::of((id.to_owned(), entry)).is_none(), "{id}");
        }
    }
}

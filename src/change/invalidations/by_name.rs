//! The marks of several issuer entries, by name: for a decision point, which knows no more of an entry than that.

use std::collections::HashMap;
use std::sync::RwLock;

use super::{Marks, Question};
use crate::change::{About, Epoch};
use crate::lock::{read, write};

/// More names than that, and everything counts as changed.
const MOST_NAMES: usize = 4096;

/// The marks of several issuer entries.
#[derive(Debug, Default)]
pub(crate) struct InvalidationsByName(RwLock<ByName>);

#[derive(Debug, Default)]
struct ByName {
    entries: HashMap<Box<str>, Marks>,
    /// Everything before it counts as changed.
    floor: Epoch,
}

impl InvalidationsByName {
    /// Notes a change in an issuer entry: answers to questions that were asked before this epoch serve no more.
    pub(crate) fn note(&self, issuer_name: &str, about: &About, at: Epoch) {
        let mut names = write(&self.0);
        if let Some(marks) = names.entries.get_mut(issuer_name) {
            marks.note(about, at, None);
            return;
        }
        if names.entries.len() >= MOST_NAMES {
            names.entries.clear();
            names.floor = names.floor.max(at);
        }
        names.entries.entry(issuer_name.into()).or_default().note(about, at, None);
    }

    /// Notes that everything changed everywhere.
    pub(crate) fn note_all(&self, at: Epoch) {
        let mut names = write(&self.0);
        names.entries.clear();
        names.floor = names.floor.max(at);
    }

    /// From when on an answer to this question is true: it must have been asked later than that.
    pub(crate) fn latest(&self, issuer_name: &str, question: Question<'_>) -> Epoch {
        let names = read(&self.0);
        names.entries.get(issuer_name).map_or(names.floor, |marks| names.floor.max(marks.latest(question)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_marked_apart_and_too_many_are_marked_together() {
        let marks = InvalidationsByName::default();
        let question = Question::Decision { subject: "alice", organization: None };
        marks.note("one", &About::subject("alice"), Epoch::numbered(3));
        assert_eq!(marks.latest("one", question), Epoch::numbered(3));
        assert_eq!(marks.latest("two", question), Epoch::ZERO);
        for number in 0..MOST_NAMES {
            marks.note(&number.to_string(), &About::subject("bob"), Epoch::numbered(4));
        }
        assert_eq!(marks.latest("two", question), Epoch::numbered(4));
        marks.note_all(Epoch::numbered(9));
        assert_eq!(marks.latest("one", question), Epoch::numbered(9));
    }
}

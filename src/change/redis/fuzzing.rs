use super::codec::{Codec, Label};
use super::feed::{Entry, Row};
use crate::change::row::parse_fact;
use crate::change::{Fact, Update};
use crate::signature::SharedSecret;

fn codec(secret: Option<&str>) -> Codec {
    Codec::new("fleet", secret.into_iter().map(|secret| SharedSecret::new(secret.as_bytes())).collect())
}

/// Reads a row of the table as a replica with this secret believes it.
#[must_use]
pub fn believed_fact(secret: Option<&str>, field: &str, value: &str) -> Option<Fact> {
    let (rank, _) = codec(secret).read(Label::Fact, field, value).ok()?;
    parse_fact(field, rank)
}

/// Reads an entry of the feed as a replica with this secret believes it.
#[must_use]
pub fn believed_entry(secret: Option<&str>, id: &str, field: &str, value: &str) -> Option<Update> {
    let words = ["f", field, "v", value, "x", "00", "p", "-"].map(|word| word.as_bytes().to_vec());
    Entry::of((id.to_owned(), words.to_vec()))?.update(&codec(secret)).ok()
}

/// Writes the row of a fact.
#[must_use]
pub fn written_fact(secret: Option<&str>, fact: &Fact) -> (String, String) {
    let Row { field, value } = Row::of_fact(&codec(secret), fact);
    (field, value)
}

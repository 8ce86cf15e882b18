//! The text form of facts and changes where they are kept: one line that can be read without this crate.

use std::borrow::Cow;
use std::sync::Arc;

use super::fact::{Fact, FactKey};

/// Whom and what a fact is about: `["issuer","kind","id",…]`. It holds no line break.
pub(super) fn key_text(issuer: &str, key: &FactKey) -> String {
    match key {
        FactKey::Everyone => array(&[issuer, "everyone"]),
        FactKey::Subject { subject } => array(&[issuer, "subject", subject]),
        FactKey::Member { organization, subject } => array(&[issuer, "member", organization, subject]),
        FactKey::Organization { organization } => array(&[issuer, "organization", organization]),
        FactKey::Client { client } => array(&[issuer, "client", client]),
        FactKey::Token { token_id } => array(&[issuer, "token", token_id]),
        FactKey::Suspension { subject } => array(&[issuer, "suspension", subject]),
        FactKey::Deletion { subject } => array(&[issuer, "deletion", subject]),
    }
}

/// Reads what [`key_text`] wrote; `None` for a kind that is not known here, and for what is none.
pub(super) fn parse_key(text: &str) -> Option<(Arc<str>, FactKey)> {
    let words = words(text)?;
    let (issuer, rest) = words.split_first()?;
    let rest: Vec<&str> = rest.iter().map(|word| &**word).collect();
    let key = match *rest.as_slice() {
        ["everyone"] => FactKey::Everyone,
        ["subject", subject] => FactKey::subject(subject),
        ["member", organization, subject] => FactKey::member(organization, subject),
        ["organization", organization] => FactKey::organization(organization),
        ["client", client] => FactKey::client(client),
        ["token", token_id] => FactKey::token(token_id),
        ["suspension", subject] => FactKey::suspension(subject),
        ["deletion", subject] => FactKey::deletion(subject),
        _ => return None,
    };
    Some((Arc::from(&**issuer), key))
}

/// A fact, of its text and its rank.
pub(super) fn parse_fact(text: &str, rank: u64) -> Option<Fact> {
    let (issuer, key) = parse_key(text)?;
    Some(Fact::new(issuer, key, rank.into()))
}

pub(super) fn array(words: &[&str]) -> String {
    serde_json::Value::from(words).to_string()
}

pub(super) fn words(text: &str) -> Option<Vec<Cow<'_, str>>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = FactKey> {
        let id = || any::<String>();
        prop_oneof![
            Just(FactKey::Everyone),
            id().prop_map(FactKey::subject),
            (id(), id()).prop_map(|(organization, subject)| FactKey::member(organization, subject)),
            id().prop_map(FactKey::organization),
            id().prop_map(FactKey::client),
            id().prop_map(FactKey::token),
            id().prop_map(FactKey::suspension),
            id().prop_map(FactKey::deletion),
        ]
    }

    proptest! {
        #[test]
        fn every_kind_survives_the_round_trip(issuer in any::<String>(), key in keys()) {
            let text = key_text(&issuer, &key);
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(parse_key(&text), Some((Arc::from(issuer), key)));
        }
    }

    #[test]
    fn text_that_is_no_key_of_a_known_kind_is_none() {
        for text in
            ["", "[]", r#"["i"]"#, r#"["i","planet","x"]"#, r#"["i","subject"]"#, r#"["i","subject","s","t"]"#, "{}"]
        {
            assert_eq!(parse_key(text), None, "{text}");
        }
        assert_eq!(key_text("i", &FactKey::member("o", "s")), r#"["i","member","o","s"]"#);
    }
}

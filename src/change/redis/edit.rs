//! Changes that are no facts, as text: they are in the feed and not in the table.

use std::sync::Arc;

use crate::change::row::{array, words};
use crate::change::{About, Change, Rank};

/// Whom and what a change is about that is no fact, and a rank of its moment.
pub(super) fn change_text(change: &Change) -> (String, u64) {
    let issuer = change.issuer();
    let about = match change.about() {
        About::Everything => array(&[issuer, "everything"]),
        About::Everyone => array(&[issuer, "everyone"]),
        About::Subject { subject } => array(&[issuer, "subject", subject]),
        About::Member { organization, subject } => array(&[issuer, "member", organization, subject]),
        About::Organization { organization } => array(&[issuer, "organization", organization]),
        About::Client { client } => array(&[issuer, "client", client]),
        About::Token { token_id } => array(&[issuer, "token", token_id]),
        About::OrganizationTemplate => array(&[issuer, "organization_template"]),
        About::ApiPermissions => array(&[issuer, "api_permissions"]),
    };
    (about, Rank::new(change.at(), true).into())
}

/// Reads what [`change_text`] wrote: something that was edited.
pub(super) fn parse_change(text: &str, rank: u64) -> Option<Change> {
    let words = words(text)?;
    let (issuer, rest) = words.split_first()?;
    let rest: Vec<&str> = rest.iter().map(|word| &**word).collect();
    let about = match *rest.as_slice() {
        ["everything"] => About::Everything,
        ["everyone"] => About::Everyone,
        ["subject", subject] => About::subject(subject),
        ["member", organization, subject] => About::member(organization, subject),
        ["organization", organization] => About::organization(organization),
        ["client", client] => About::client(client),
        ["token", token_id] => About::token(token_id),
        ["organization_template"] => About::OrganizationTemplate,
        ["api_permissions"] => About::ApiPermissions,
        _ => return None,
    };
    Some(Change::edited(Arc::<str>::from(&**issuer), about, Rank::from(rank).at()))
}

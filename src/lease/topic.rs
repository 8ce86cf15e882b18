//! What leases are found by.

use std::sync::Arc;

use crate::organization::Organization;
use crate::token::{AccessToken, IssuerId};

/// What leases are found by. Each has a list of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Entry(IssuerId),
    /// Those of an entry that are decided anew after an edit: decision points and opaque tokens.
    Deciding(IssuerId),
    /// Those of an entry with a listener.
    Listening(IssuerId),
    Subject(IssuerId, Arc<str>),
    /// Those in which a subject acts for another one: they do not count among its own.
    Actor(IssuerId, Arc<str>),
    Client(IssuerId, Arc<str>),
    Token(IssuerId, Arc<str>),
    Organization(IssuerId, Arc<str>),
    /// The address of the key that verified the token; it is not used again while a token rests on it.
    Key(usize),
    /// Those whose permissions are one question.
    Group(u32),
}

impl Topic {
    pub(super) const fn group(&self) -> Option<u32> {
        match self {
            Self::Group(group) => Some(*group),
            _ => None,
        }
    }
}

/// What a token and the request's organization are found by.
pub(super) fn topics(token: &AccessToken, organization: Option<&Organization>) -> Vec<Topic> {
    let issuer = token.entry().issuer;
    let mut topics = vec![Topic::Entry(issuer), own_subject(token)];
    let mut add = |topic: Topic| {
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    };
    for actor in token.actors().filter(|actor| *actor != token.subject().id()) {
        add(Topic::Actor(issuer, actor.into()));
    }
    if let Some(client) = token.client_id() {
        add(Topic::Client(issuer, client.into()));
    }
    if let Some(id) = token.token_id() {
        add(Topic::Token(issuer, id.into()));
    }
    for id in token.organizations() {
        add(Topic::Organization(issuer, id.into()));
    }
    if let Some(organization) = organization {
        add(Topic::Organization(issuer, organization.shared_id().clone()));
    }
    if let Some((_, provenance)) = token.jws() {
        add(Topic::Key(provenance.key.as_ptr().addr()));
    }
    topics
}

/// What is bounded for each subject.
pub(super) fn own_subject(token: &AccessToken) -> Topic {
    Topic::Subject(token.entry().issuer, token.subject().shared_id().clone())
}

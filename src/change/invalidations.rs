//! From when on answers are true: one mark for each thing that changed.
//!
//! Questions and changes are put into one order by a counter ([`Epoch`]), so no clock decides which of two came first. An
//! answer whose question was asked before the mark is as good as none, even one that arrives later. What a subject holds
//! now, what an issuer says of an opaque token, and what a decision point said are all judged by these marks.

mod by_name;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::about::About;
use super::epoch::Epoch;
use crate::lock::{read, write};

pub(crate) use by_name::InvalidationsByName;

/// More marks than that, and they become one.
const MOST_MARKS: usize = 10_000;

/// The clocks of an issuer's nodes, and ours, differ by no more than that: the default leeway.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// When something changed last: in our order, and by the issuer's clock, since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Epoch,
    changed: Option<Duration>,
}

impl Mark {
    /// Whether that is news. It is not if the latest report is repeated, or if one arrives that was overtaken for longer than
    /// clocks differ. Without a moment it always is.
    fn note(&mut self, at: Epoch, changed: Option<Duration>) -> bool {
        if let (Some(known), Some(changed)) = (self.changed, changed)
            && (changed == known || changed.saturating_add(CLOCKS_DIFFER) < known)
        {
            return false;
        }
        *self = Self { at, changed: changed.max(self.changed) };
        true
    }
}

#[derive(Debug, Default)]
struct SubjectMarks {
    own: Mark,
    /// The latest change of any membership.
    memberships: Epoch,
}

#[derive(Debug, Default)]
struct OrganizationMarks {
    own: Mark,
    members: HashMap<Arc<str>, Mark>,
}

/// The marks of one issuer entry.
#[derive(Debug, Default)]
struct Marks {
    everything: Mark,
    everyone: Mark,
    template: Mark,
    api: Mark,
    subjects: HashMap<Arc<str>, SubjectMarks>,
    organizations: HashMap<Arc<str>, OrganizationMarks>,
    clients: HashMap<Arc<str>, Mark>,
    tokens: HashMap<Arc<str>, Mark>,
    /// The latest change of any organization or of the template.
    any_organization: Epoch,
    /// What the maps held when they were full: everything before it counts as changed.
    floor: Epoch,
    count: usize,
    /// When something changed that concerns everybody, by the monotonic clock.
    wide: Option<Duration>,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    /// What a subject may do with an API as a whole. A user's permissions are also those of the roles in all of the user's
    /// organizations.
    Api { subject: &'a str, is_user: bool },
    /// What a subject may do in an organization; `api`: with an API there.
    Organization { subject: &'a str, organization: &'a str, api: bool },
    /// Whether a subject may do something, in an organization or none.
    Decision { subject: &'a str, organization: Option<&'a str> },
}

/// A token that an issuer answered about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Introspected<'a, O> {
    pub(crate) subject: &'a str,
    pub(crate) client: Option<&'a str>,
    pub(crate) token_id: Option<&'a str>,
    pub(crate) organizations: O,
}

impl Marks {
    fn note(&mut self, about: &About, at: Epoch, changed: Option<Duration>) -> bool {
        if self.count >= MOST_MARKS {
            self.subjects.clear();
            self.organizations.clear();
            self.clients.clear();
            self.tokens.clear();
            (self.floor, self.count) = (at, 0);
        }
        let mut added = 0;
        let mut single = |marks: &mut HashMap<Arc<str>, Mark>, id: &Arc<str>| {
            let mark = marks.entry(id.clone()).or_insert_with(|| {
                added = 1;
                Mark::default()
            });
            mark.note(at, changed)
        };
        let is_news = match about {
            About::Everything => self.everything.note(at, changed),
            About::Everyone => self.everyone.note(at, changed),
            About::ApiPermissions => self.api.note(at, changed),
            About::OrganizationTemplate => {
                let is_news = self.template.note(at, changed);
                if is_news {
                    self.any_organization = at;
                }
                is_news
            }
            About::Client { client } => single(&mut self.clients, client),
            About::Token { token_id } => single(&mut self.tokens, token_id),
            About::Subject { subject } => {
                let before = self.subjects.len();
                let is_news = self.subjects.entry(subject.clone()).or_default().own.note(at, changed);
                added = self.subjects.len() - before;
                is_news
            }
            About::Organization { organization } => {
                let before = self.organizations.len();
                let is_news = self.organizations.entry(organization.clone()).or_default().own.note(at, changed);
                added = self.organizations.len() - before;
                if is_news {
                    self.any_organization = at;
                }
                is_news
            }
            About::Member { organization, subject } => {
                let before = self.organizations.len() + self.subjects.len();
                let organization = self.organizations.entry(organization.clone()).or_default();
                let members = organization.members.len();
                let is_news = organization.members.entry(subject.clone()).or_default().note(at, changed);
                let members = organization.members.len() - members;
                if is_news {
                    self.subjects.entry(subject.clone()).or_default().memberships = at;
                }
                added = self.organizations.len() + self.subjects.len() - before + members;
                is_news
            }
        };
        self.count += added;
        is_news
    }

    /// Asked of changes that concern everybody only.
    fn is_news(&self, about: &About, changed: Option<Duration>) -> bool {
        let mut mark = match about {
            About::Everything => self.everything,
            About::Everyone => self.everyone,
            About::OrganizationTemplate => self.template,
            About::ApiPermissions => self.api,
            _ => return true,
        };
        mark.note(Epoch::ZERO, changed)
    }

    fn latest(&self, question: Question<'_>) -> Epoch {
        let of_all = self.floor.max(self.everything.at).max(self.everyone.at);
        let subject = |id: &str| self.subjects.get(id).map_or(Epoch::ZERO, |marks| marks.own.at);
        let memberships = |id: &str| self.subjects.get(id).map_or(Epoch::ZERO, |marks| marks.memberships);
        match question {
            Question::Api { subject: id, is_user } => {
                let latest = of_all.max(subject(id)).max(self.api.at);
                if is_user { latest.max(self.any_organization).max(memberships(id)) } else { latest }
            }
            Question::Organization { subject: id, organization, api } => {
                let latest = of_all.max(subject(id)).max(self.template.at).max(self.organization(organization));
                let latest = latest.max(self.member(organization, id));
                if api { latest.max(self.api.at) } else { latest }
            }
            Question::Decision { subject: id, organization } => {
                let latest = of_all.max(self.template.at).max(self.api.at).max(subject(id)).max(memberships(id));
                organization.map_or(latest, |organization| latest.max(self.organization(organization)))
            }
        }
    }

    fn latest_of_token<'a>(&self, token: Introspected<'_, impl Iterator<Item = &'a str>>) -> Epoch {
        let Introspected { subject, client, token_id, organizations } = token;
        let mark = |marks: &HashMap<Arc<str>, Mark>, id: Option<&str>| {
            id.and_then(|id| marks.get(id)).map_or(Epoch::ZERO, |mark| mark.at)
        };
        let mut latest = self.latest(Question::Decision { subject, organization: None });
        for organization in organizations {
            latest = latest.max(self.organization(organization));
        }
        latest.max(mark(&self.clients, client)).max(mark(&self.tokens, token_id))
    }

    /// The latest change that concerns everybody.
    fn latest_of_all(&self) -> Epoch {
        [self.everything.at, self.everyone.at, self.template.at, self.api.at].into_iter().fold(self.floor, Epoch::max)
    }

    fn organization(&self, id: &str) -> Epoch {
        self.organizations.get(id).map_or(Epoch::ZERO, |marks| marks.own.at)
    }

    fn member(&self, organization: &str, subject: &str) -> Epoch {
        let members = self.organizations.get(organization).map(|marks| &marks.members);
        members.and_then(|members| members.get(subject)).map_or(Epoch::ZERO, |mark| mark.at)
    }
}

/// The marks of one issuer entry, shared by all that ask about it. They go when the entry goes.
#[derive(Debug, Default)]
pub(crate) struct Invalidations(RwLock<Marks>);

impl Invalidations {
    /// Whether [`note`](Self::note) would return `true`.
    pub(crate) fn is_news(&self, about: &About, changed: Option<Duration>) -> bool {
        self.read(|marks| marks.is_news(about, changed))
    }

    /// Notes a change: answers to questions that were asked before this epoch serve no more. `changed` is when it happened
    /// by the issuer's clock, and `now` the monotonic time here. `false` if that was known.
    pub(crate) fn note(&self, about: &About, at: Epoch, changed: Option<Duration>, now: Duration) -> bool {
        let mut marks = write(&self.0);
        let is_news = marks.note(about, at, changed);
        if is_news && about.is_wide() {
            marks.wide = Some(now);
        }
        is_news
    }

    /// From when on an answer to this question is true: it must have been asked later than that.
    pub(crate) fn latest(&self, question: Question<'_>) -> Epoch {
        self.read(|marks| marks.latest(question))
    }

    /// The same for what an issuer says of a token.
    pub(crate) fn latest_of_token<'a>(&self, token: Introspected<'_, impl Iterator<Item = &'a str>>) -> Epoch {
        self.read(|marks| marks.latest_of_token(token))
    }

    /// The same for an answer that says nothing about a subject.
    pub(crate) fn latest_of_all(&self) -> Epoch {
        self.read(Marks::latest_of_all)
    }

    /// When something changed last that concerns everybody, by the monotonic clock.
    pub(crate) fn wide(&self) -> Option<Duration> {
        self.read(|marks| marks.wide)
    }

    fn read<T>(&self, see: impl FnOnce(&Marks) -> T) -> T {
        see(&read(&self.0))
    }
}

#[cfg(test)]
mod tests;

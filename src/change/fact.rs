//! What stays true of a change, and how two reports of it are joined.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::about::{About, Effect};
use super::change::{Change, LATEST, milliseconds};
use crate::name::stable_names;
use crate::time::Now;

/// A fact about one key of one issuer entry: the largest rank that was reported.
///
/// Facts form a lattice. Of two facts with the same issuer and key the larger rank wins, so repeated and reordered reports
/// change nothing and two memories merge by union.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use orgate::change::Change;
///
/// let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
/// let suspended = Change::suspended("https://issuer.example", "alice", at(10)).fact().unwrap();
/// let restored = Change::restored("https://issuer.example", "alice", at(20)).fact().unwrap();
/// assert_eq!(suspended.key(), restored.key());
/// assert!(restored.rank() > suspended.rank());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    #[serde(with = "super::text")]
    issuer: Arc<str>,
    key: FactKey,
    rank: Rank,
}

/// The key of a fact, within one issuer entry.
///
/// Serialized as an object with the member `kind` and the ids.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use orgate::change::{Fact, FactKey, Rank};
///
/// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
/// let fact = Fact::new("https://issuer.example", FactKey::suspension("alice"), Rank::new(at, true));
/// assert_eq!(fact.key(), &FactKey::suspension("alice"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FactKey {
    /// *Not before* of the whole issuer entry.
    Everyone,
    /// *Not before* of a subject.
    #[non_exhaustive]
    Subject {
        /// The `sub` of its tokens.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
    /// *Not before* of a member of an organization.
    #[non_exhaustive]
    Member {
        /// The organization's id.
        #[serde(with = "super::text")]
        organization: Arc<str>,
        /// The `sub` of the member's tokens.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
    /// *Not before* of an organization.
    #[non_exhaustive]
    Organization {
        /// The organization's id.
        #[serde(with = "super::text")]
        organization: Arc<str>,
    },
    /// *Not before* of a client.
    #[non_exhaustive]
    Client {
        /// The `client_id` of the tokens.
        #[serde(with = "super::text")]
        client: Arc<str>,
    },
    /// A token that was revoked.
    #[non_exhaustive]
    Token {
        /// Its `jti`.
        #[serde(with = "super::text")]
        token_id: Arc<str>,
    },
    /// Whether a subject is suspended: it is if the rank [is strict](Rank::is_strict).
    #[non_exhaustive]
    Suspension {
        /// The `sub` of its tokens.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
    /// A subject that was deleted.
    #[non_exhaustive]
    Deletion {
        /// The `sub` of its tokens.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
}

stable_names!(FactKey {
    Everyone => "everyone",
    Subject => "subject",
    Member => "member",
    Organization => "organization",
    Client => "client",
    Token => "token",
    Suspension => "suspension",
    Deletion => "deletion",
});

impl FactKey {
    /// Names the *not before* of a subject.
    #[must_use]
    pub fn subject(subject: impl Into<Arc<str>>) -> Self {
        Self::Subject { subject: subject.into() }
    }

    /// Names the *not before* of a member.
    #[must_use]
    pub fn member(organization: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::Member { organization: organization.into(), subject: subject.into() }
    }

    /// Names the *not before* of an organization.
    #[must_use]
    pub fn organization(organization: impl Into<Arc<str>>) -> Self {
        Self::Organization { organization: organization.into() }
    }

    /// Names the *not before* of a client.
    #[must_use]
    pub fn client(client: impl Into<Arc<str>>) -> Self {
        Self::Client { client: client.into() }
    }

    /// Names a revoked token.
    #[must_use]
    pub fn token(token_id: impl Into<Arc<str>>) -> Self {
        Self::Token { token_id: token_id.into() }
    }

    /// Names the suspension of a subject.
    #[must_use]
    pub fn suspension(subject: impl Into<Arc<str>>) -> Self {
        Self::Suspension { subject: subject.into() }
    }

    /// Names the deletion of a subject.
    #[must_use]
    pub fn deletion(subject: impl Into<Arc<str>>) -> Self {
        Self::Deletion { subject: subject.into() }
    }
}

impl FactKey {
    /// What a change of it is about.
    pub(super) fn about(&self) -> About {
        match self.clone() {
            Self::Everyone => About::Everyone,
            Self::Subject { subject } | Self::Suspension { subject } | Self::Deletion { subject } => {
                About::Subject { subject }
            }
            Self::Member { organization, subject } => About::Member { organization, subject },
            Self::Organization { organization } => About::Organization { organization },
            Self::Client { client } => About::Client { client },
            Self::Token { token_id } => About::Token { token_id },
        }
    }

    /// The change that states this fact.
    pub(super) fn change(&self, issuer: Arc<str>, rank: Rank) -> Change {
        let effect = match self {
            Self::Suspension { .. } if rank.is_strict() => Effect::Suspended,
            Self::Suspension { .. } => Effect::Restored,
            Self::Deletion { .. } => Effect::Deleted,
            _ => Effect::NotBefore,
        };
        Change::new(issuer, self.about(), effect, rank.at())
    }
}

/// The place of a report among all reports about one key: the moment by the issuer's clock, and of the same moment the
/// stricter report.
///
/// Serialized as one integer below 2^53: twice the milliseconds since the Unix epoch, plus one if it is strict.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use orgate::change::Rank;
///
/// let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
/// assert!(Rank::new(at(20), false) > Rank::new(at(10), true));
/// assert!(Rank::new(at(10), true) > Rank::new(at(10), false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Rank(u64);

impl Rank {
    /// Returns the rank of a report. Only the end of a suspension is not strict.
    #[must_use]
    pub fn new(at: SystemTime, strict: bool) -> Self {
        Self::of_milliseconds(milliseconds(at), strict)
    }

    pub(super) fn of_milliseconds(at: u64, strict: bool) -> Self {
        Self(2 * at.min(LATEST) + u64::from(strict))
    }

    /// Returns the moment, to the millisecond.
    #[must_use]
    pub fn at(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.since_epoch()
    }

    pub(crate) fn since_epoch(self) -> Duration {
        Duration::from_millis(self.0 / 2)
    }

    /// Returns whether the report takes something away.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        self.0 % 2 == 1
    }
}

impl From<u64> for Rank {
    /// Reads the serialized form. A moment after the year 9999 counts as its end.
    fn from(rank: u64) -> Self {
        Self::of_milliseconds(rank / 2, rank % 2 == 1)
    }
}

impl From<Rank> for u64 {
    fn from(rank: Rank) -> Self {
        rank.0
    }
}

impl Fact {
    /// Creates a fact about the issuer entry whose first `iss` value is `issuer`.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, key: FactKey, rank: Rank) -> Self {
        Self { issuer: issuer.into(), key, rank }
    }

    /// Returns the first `iss` value of the issuer entry.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns what the fact is about.
    #[must_use]
    pub fn key(&self) -> &FactKey {
        &self.key
    }

    /// Returns the rank of the latest report.
    #[must_use]
    pub fn rank(&self) -> Rank {
        self.rank
    }
}

/// The facts that a server knows, as a [`Log`](super::Log) sees them.
pub trait Facts: Send + Sync + 'static {
    /// Shows each fact that is held and still counts, in no particular order.
    ///
    /// Facts that lost their row to a coarser one for want of room are shown as that one.
    fn each(&self, look: &mut dyn FnMut(&Fact));

    /// Returns the time of the server's clock, which [`Update::Current`](super::Update::Current) is measured by.
    fn now(&self) -> Now;

    /// Returns the longest life of a token: other facts than suspensions have ended so long after their moment, and a leeway
    /// of at most five minutes. Default: they never end.
    fn token_life(&self) -> Duration {
        Duration::MAX
    }

    /// Returns the first `iss` values of the issuer entries. Default: none.
    fn issuers(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Returns the moment of the latest [`Update::Lost`](super::Update::Lost). Default: none was received.
    fn lost(&self) -> Option<SystemTime> {
        None
    }

    /// Returns whether it holds what a file of this process kept from before. Default: `false`.
    fn has_kept(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Memory = BTreeMap<(String, FactKey), Rank>;

    struct Nothing;

    impl Facts for Nothing {
        fn each(&self, _look: &mut dyn FnMut(&Fact)) {}

        fn now(&self) -> Now {
            Now::new(Duration::ZERO, Duration::ZERO)
        }
    }

    #[test]
    fn facts_that_say_nothing_else_never_end_and_come_from_no_file() {
        assert_eq!((Nothing.token_life(), Nothing.has_kept()), (Duration::MAX, false));
        assert!(Nothing.issuers().is_empty() && Nothing.lost().is_none());
    }

    fn join(memory: &mut Memory, fact: &Fact) {
        let rank = memory.entry((fact.issuer().to_owned(), fact.key().clone())).or_insert(fact.rank());
        *rank = fact.rank().max(*rank);
    }

    fn facts() -> impl Strategy<Value = Vec<Fact>> {
        let key = prop_oneof![
            Just(FactKey::Everyone),
            (0..2_u8).prop_map(|id| FactKey::suspension(id.to_string())),
            (0..2_u8).prop_map(|id| FactKey::subject(id.to_string())),
            (0..2_u8, 0..2_u8).prop_map(|(org, id)| FactKey::member(org.to_string(), id.to_string())),
        ];
        let fact =
            (0..2_u8, key, 0..6_u64).prop_map(|(issuer, key, rank)| Fact::new(issuer.to_string(), key, rank.into()));
        prop::collection::vec(fact, 0..30)
    }

    proptest! {
        #[test]
        fn memories_merge_by_union_in_any_order(
            (one, other, shuffled) in (facts(), facts()).prop_flat_map(|(one, other)| {
                let all = [one.clone(), other.clone(), other.clone()].concat();
                (Just(one), Just(other), Just(all).prop_shuffle())
            })
        ) {
            let memory = |facts: &[Fact]| facts.iter().fold(Memory::new(), |mut memory, fact| {
                join(&mut memory, fact);
                memory
            });
            let mut merged = memory(&one);
            for ((issuer, key), rank) in memory(&other) {
                join(&mut merged, &Fact::new(issuer, key, rank));
            }
            prop_assert_eq!(merged, memory(&shuffled));
        }

        #[test]
        fn ranks_survive_serialization(rank in 0..=2 * LATEST + 1) {
            let rank = Rank::from(rank);
            let text = serde_json::to_string(&rank).unwrap();
            prop_assert_eq!(serde_json::from_str::<Rank>(&text).unwrap(), rank);
            prop_assert!(u64::from(rank) < 1 << 53);
            prop_assert_eq!(Rank::new(rank.at(), rank.is_strict()), rank);
        }
    }

    #[test]
    fn the_serialized_form_is_stable() {
        let fact = Fact::new(
            "i",
            FactKey::member("o", "s"),
            Rank::new(SystemTime::UNIX_EPOCH + Duration::from_millis(3), true),
        );
        let text = r#"{"issuer":"i","key":{"kind":"member","organization":"o","subject":"s"},"rank":7}"#;
        assert_eq!(serde_json::to_string(&fact).unwrap(), text);
        assert_eq!(serde_json::from_str::<Fact>(text).unwrap(), fact);
        assert_eq!(Rank::from(u64::MAX), Rank::of_milliseconds(LATEST, true));
    }
}

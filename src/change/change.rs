//! One change, as it is applied, logged and handed on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::about::{About, Effect};
use super::fact::{Fact, FactKey, Rank};
use crate::time;

/// A statement that something which was true at an issuer no longer is.
///
/// Every change makes what was known about its subject stale. All but [`Effect::Edited`] also state a
/// [fact](Self::fact), which outlives the process when a [`Log`](super::Log) keeps it. Moments are by the issuer's
/// clock, to the millisecond.
///
/// The serialized form is stable, so a change that one replica verified can be handed to another:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use orgate::change::Change;
///
/// let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_181_686_721);
/// let change = Change::suspended("https://tenant.logto.app/oidc", "user_1", at);
/// assert_eq!(
///     serde_json::to_string(&change)?,
///     r#"{"issuer":"https://tenant.logto.app/oidc","about":{"kind":"subject","subject":"user_1"},"effect":"suspended","at":1795181686721}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    #[serde(with = "super::text")]
    issuer: Arc<str>,
    about: About,
    effect: Effect,
    /// Milliseconds since the Unix epoch.
    at: u64,
}

impl Change {
    /// Creates a change of the issuer entry whose first `iss` value is `issuer`.
    ///
    /// A moment before 1970 counts as 1970, one after the year 9999 as its end.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, about: About, effect: Effect, at: SystemTime) -> Self {
        Self { issuer: issuer.into(), about, effect, at: milliseconds(at) }
    }

    /// Rejects tokens that were issued at the moment or earlier.
    #[must_use]
    pub fn not_before(issuer: impl Into<Arc<str>>, about: About, at: SystemTime) -> Self {
        Self::new(issuer, about, Effect::NotBefore, at)
    }

    /// Blocks a subject until it is restored.
    #[must_use]
    pub fn suspended(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>, at: SystemTime) -> Self {
        Self::new(issuer, About::subject(subject), Effect::Suspended, at)
    }

    /// Ends a suspension that is older.
    #[must_use]
    pub fn restored(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>, at: SystemTime) -> Self {
        Self::new(issuer, About::subject(subject), Effect::Restored, at)
    }

    /// Blocks a subject that no longer exists.
    #[must_use]
    pub fn subject_deleted(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>, at: SystemTime) -> Self {
        Self::new(issuer, About::subject(subject), Effect::Deleted, at)
    }

    /// Rejects the tokens that a removed member was issued for the organization so far.
    #[must_use]
    pub fn member_removed(
        issuer: impl Into<Arc<str>>,
        organization: impl Into<Arc<str>>,
        subject: impl Into<Arc<str>>,
        at: SystemTime,
    ) -> Self {
        Self::new(issuer, About::member(organization, subject), Effect::Deleted, at)
    }

    /// Rejects the tokens that were issued for a deleted organization.
    #[must_use]
    pub fn organization_deleted(
        issuer: impl Into<Arc<str>>,
        organization: impl Into<Arc<str>>,
        at: SystemTime,
    ) -> Self {
        Self::new(issuer, About::organization(organization), Effect::Deleted, at)
    }

    /// Makes what was known stale and rejects nothing.
    #[must_use]
    pub fn edited(issuer: impl Into<Arc<str>>, about: About, at: SystemTime) -> Self {
        Self::new(issuer, about, Effect::Edited, at)
    }

    /// Returns the first `iss` value of the issuer entry: its identity outside this process.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns what the change is about.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns what the change does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns when it happened, by the issuer's clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.at.min(LATEST))
    }

    /// Returns the fact that the change states. `None` if it only makes what was known stale.
    ///
    /// A member, an organization or a client that is deleted or suspended is *not before* the moment: new tokens would
    /// not be issued for it. Only a subject can be suspended and restored.
    #[must_use]
    pub fn fact(&self) -> Option<Fact> {
        let key = match (&self.about, self.effect) {
            (About::Subject { subject }, Effect::Suspended | Effect::Restored) => FactKey::suspension(subject.clone()),
            (_, Effect::Edited | Effect::Restored) | (About::OrganizationTemplate | About::ApiPermissions, _) => {
                return None;
            }
            (About::Subject { subject }, Effect::Deleted) => FactKey::deletion(subject.clone()),
            (About::Subject { subject }, Effect::NotBefore) => FactKey::subject(subject.clone()),
            (About::Everything | About::Everyone, _) => FactKey::Everyone,
            (About::Member { organization, subject }, _) => FactKey::member(organization.clone(), subject.clone()),
            (About::Organization { organization }, _) => FactKey::organization(organization.clone()),
            (About::Client { client }, _) => FactKey::client(client.clone()),
            (About::Token { token_id }, _) => FactKey::token(token_id.clone()),
        };
        let rank = Rank::of_milliseconds(self.at, self.effect != Effect::Restored);
        Some(Fact::new(self.issuer.clone(), key, rank))
    }
}

impl Change {
    pub(super) fn shared_issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The same change, no later than this moment.
    pub(super) fn clamped(mut self, latest: Duration) -> Self {
        self.at = self.at.min(time::milliseconds(latest));
        self
    }
}

/// The end of the year 9999: what every platform's clock can hold.
pub(super) const LATEST: u64 = 253_402_300_799_999;

/// Cut to the millisecond and to the years 1970 to 9999.
pub(super) fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    time::milliseconds(since).min(LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://issuer.example";

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn each_change_states_the_fact_of_its_kind() {
        let fact =
            |about: About, effect| Change::new(ISSUER, about, effect, at(5)).fact().map(|fact| fact.key().clone());
        let all = [
            About::Everything,
            About::Everyone,
            About::subject("s"),
            About::member("o", "s"),
            About::organization("o"),
            About::client("c"),
            About::token("t"),
            About::OrganizationTemplate,
            About::ApiPermissions,
        ];
        for about in all {
            let not_before = match &about {
                About::Everything | About::Everyone => Some(FactKey::Everyone),
                About::Subject { .. } => Some(FactKey::subject("s")),
                About::Member { .. } => Some(FactKey::member("o", "s")),
                About::Organization { .. } => Some(FactKey::organization("o")),
                About::Client { .. } => Some(FactKey::client("c")),
                About::Token { .. } => Some(FactKey::token("t")),
                About::OrganizationTemplate | About::ApiPermissions => None,
            };
            let is_subject = matches!(about, About::Subject { .. });
            let (suspension, deletion) = (FactKey::suspension("s"), FactKey::deletion("s"));
            let of_subject = |key: &FactKey| if is_subject { Some(key.clone()) } else { not_before.clone() };
            assert_eq!(fact(about.clone(), Effect::NotBefore), not_before, "{about:?}");
            assert_eq!(fact(about.clone(), Effect::Suspended), of_subject(&suspension), "{about:?}");
            assert_eq!(fact(about.clone(), Effect::Deleted), of_subject(&deletion), "{about:?}");
            assert_eq!(fact(about.clone(), Effect::Restored), is_subject.then_some(suspension), "{about:?}");
            assert_eq!(fact(about, Effect::Edited), None);
        }
    }

    #[test]
    fn a_suspension_outranks_a_restoration_of_the_same_moment() {
        let rank = |change: Change| change.fact().unwrap().rank();
        let (suspended, restored) =
            (|ms| rank(Change::suspended(ISSUER, "s", at(ms))), |ms| rank(Change::restored(ISSUER, "s", at(ms))));
        assert!(suspended(5) > restored(5));
        assert!(restored(6) > suspended(5));
        assert!(suspended(5).is_strict() && !restored(6).is_strict());
        assert_eq!(restored(6).at(), at(6));
    }

    #[test]
    fn moments_outside_the_calendar_are_clamped() {
        let change = |at| Change::edited(ISSUER, About::Everything, at).at();
        assert_eq!(change(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), SystemTime::UNIX_EPOCH);
        assert_eq!(change(at(u64::MAX / 1_000_000)), at(LATEST.min(u64::MAX / 1_000_000)));
        let read: Change = serde_json::from_str(
            r#"{"issuer":"i","about":{"kind":"everyone"},"effect":"not_before","at":18446744073709551615}"#,
        )
        .unwrap();
        assert_eq!((read.at(), read.fact().unwrap().rank().at()), (at(LATEST), at(LATEST)));
    }

    #[test]
    fn the_serialized_form_is_stable() {
        for (change, text) in [
            (
                Change::not_before(ISSUER, About::client("c"), at(1)),
                r#"{"issuer":"https://issuer.example","about":{"kind":"client","client":"c"},"effect":"not_before","at":1}"#,
            ),
            (
                Change::member_removed(ISSUER, "o", "s", at(2)),
                r#"{"issuer":"https://issuer.example","about":{"kind":"member","organization":"o","subject":"s"},"effect":"deleted","at":2}"#,
            ),
            (
                Change::edited(ISSUER, About::OrganizationTemplate, at(3)),
                r#"{"issuer":"https://issuer.example","about":{"kind":"organization_template"},"effect":"edited","at":3}"#,
            ),
            (
                Change::restored(ISSUER, "\u{e9}\"", at(4)),
                "{\"issuer\":\"https://issuer.example\",\"about\":{\"kind\":\"subject\",\"subject\":\"\u{e9}\\\"\"},\"effect\":\"restored\",\"at\":4}",
            ),
            (
                Change::not_before(ISSUER, About::token("t"), at(5)),
                r#"{"issuer":"https://issuer.example","about":{"kind":"token","token_id":"t"},"effect":"not_before","at":5}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&change).unwrap(), text);
            assert_eq!(serde_json::from_str::<Change>(text).unwrap(), change);
        }
        for bad in [
            "{}",
            r#"{"issuer":"i","about":{"kind":"planet"},"effect":"edited","at":1}"#,
            r#"{"issuer":"i","about":{"kind":"everyone"},"effect":"forgiven","at":1}"#,
            r#"{"issuer":"i","about":{"kind":"subject"},"effect":"edited","at":1}"#,
            r#"{"issuer":"i","about":{"kind":"everyone"},"effect":"edited","at":-1}"#,
        ] {
            assert!(serde_json::from_str::<Change>(bad).is_err(), "{bad}");
        }
    }
}

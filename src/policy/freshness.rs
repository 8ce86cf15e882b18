//! How fresh the permissions of a route must be.

use std::fmt;
use std::time::Duration;

use super::alternative::Alternative;
use super::value::Policy;
use crate::error::ConfigError;

/// The longest time that a snapshot may serve.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The subject holds it still, as was known not longer ago than this. To be combined with a model:
/// `resource().fresh_within(..)` says the same. `guard.require(fresh(..))` says it for every route.
///
/// ```
/// use std::time::Duration;
/// use orgate::policy::{fresh_within, organization, path};
///
/// let policy = organization(path("org")).scope("invite:member").and(fresh_within(Duration::from_secs(30)));
/// assert_eq!(policy.to_string(), "organization from path {org} and scope invite:member and fresh within 30s");
/// ```
pub fn fresh_within(age: Duration) -> Policy {
    if !(Duration::from_secs(1)..=MAX_AGE).contains(&age) {
        return Policy::faulty(ConfigError::new(format_args!("fresh_within({age:?}): not in 1s ..= {MAX_AGE:?}")));
    }
    condition(LiveRule { max_age: Some(age), ..LiveRule::default() })
}

/// The subject holds it now: the source was asked after the request arrived. To be combined with a model:
/// `resource().live()` says the same.
pub fn live() -> Policy {
    condition(LiveRule { now: true, ..LiveRule::default() })
}

fn condition(rule: LiveRule) -> Policy {
    Policy::condition(Alternative { live: rule, ..Alternative::default() })
}

impl Policy {
    /// The token's scopes count only as far as the subject still holds them, as was known not longer ago than this.
    ///
    /// The issuer entry needs a source of permissions: [`Issuer::permissions`](crate::Issuer::permissions).
    pub fn fresh_within(self, age: Duration) -> Self {
        self.and(fresh_within(age))
    }

    /// The token's scopes count only as far as the subject holds them now: the source is asked for each request, requests
    /// that come together share the question.
    pub fn live(self) -> Self {
        self.and(live())
    }

    /// While the source of permissions gives no answer, what was known not longer ago than this still serves to let a
    /// request pass, never to refuse one. Counted and logged. Without this the answer is 503.
    pub fn stale_if_error(self, age: Duration) -> Self {
        if age > MAX_AGE {
            return self
                .and(Self::faulty(ConfigError::new(format_args!("stale_if_error({age:?}): more than {MAX_AGE:?}"))));
        }
        self.and(condition(LiveRule { on_error: Some(OnError::Stale(age)), ..LiveRule::default() }))
    }

    /// While the source of permissions gives no answer, the token alone decides: whoever can keep the source from
    /// answering keeps every permission that was taken away. Counted and logged. Without this the answer is 503.
    pub fn dangerous_token_only_on_error(self) -> Self {
        self.and(condition(LiveRule { on_error: Some(OnError::TokenOnly), ..LiveRule::default() }))
    }
}

/// What a branch asks of live permissions: nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LiveRule {
    pub(super) now: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) on_error: Option<OnError>,
}

/// What a branch does when the source gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OnError {
    Stale(Duration),
    TokenOnly,
}

impl LiveRule {
    pub(super) const fn is_asked(&self) -> bool {
        self.now || self.max_age.is_some()
    }

    /// Both: the stricter of each.
    pub(super) fn and(self, other: Self) -> Self {
        let stricter = |one: Option<Duration>, two: Option<Duration>| one.into_iter().chain(two).min();
        Self {
            now: self.now || other.now,
            max_age: stricter(self.max_age, other.max_age),
            on_error: match (self.on_error, other.on_error) {
                // Whoever asks and names no way out has none.
                (None, Some(_)) | (Some(_), None) if self.is_asked() && other.is_asked() => None,
                (one, two) => one.into_iter().chain(two).min(),
            },
        }
    }

    /// A way out of an error that cannot happen is a misunderstanding.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.on_error {
            Some(way) if !self.is_asked() => {
                Err(ConfigError::new(format_args!("{way}, and nothing fresh or live is asked")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(age) => write!(f, "stale up to {age:?} on error"),
            Self::TokenOnly => f.write_str("the token alone on error"),
        }
    }
}

impl fmt::Display for LiveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.now, self.max_age) {
            (true, _) => f.write_str("live")?,
            (false, Some(age)) => write!(f, "fresh within {age:?}")?,
            (false, None) => {}
        }
        match self.on_error {
            Some(way) if self.is_asked() => write!(f, ", {way}"),
            Some(way) => write!(f, "{way}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rules, any_of, authenticated, organization, path, resource, scope};
    use super::*;
    use crate::issuer::IssuerRules;

    fn compiled(policy: Policy, has_source: bool) -> Result<Rules, String> {
        let mut entry = IssuerRules::for_tests("main");
        entry.has_permissions = has_source;
        Rules::compile(policy, &[&entry]).map_err(|error| error.to_string())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_stricter_of_two_holds() {
        let minute = Duration::from_secs(60);
        let hour = Duration::from_secs(3600);
        for (policy, expected) in [
            (resource().fresh_within(s(30)), "resource and fresh within 30s"),
            (resource().fresh_within(s(60)).fresh_within(s(30)).fresh_within(s(90)), "resource and fresh within 30s"),
            (resource().live(), "resource and live"),
            (resource().live().fresh_within(s(30)), "resource and live"),
            (resource().fresh_within(s(30)).live(), "resource and live"),
            (resource().and(live()).and(live()), "resource and live"),
            (fresh_within(s(30)).and(resource()).scope("a"), "resource and scope a and fresh within 30s"),
            (resource().live().stale_if_error(minute), "resource and live, stale up to 60s on error"),
            (
                resource().fresh_within(s(30)).stale_if_error(hour).stale_if_error(minute),
                "resource and fresh within 30s, stale up to 60s on error",
            ),
            (resource().live().dangerous_token_only_on_error(), "resource and live, the token alone on error"),
            (
                resource().live().dangerous_token_only_on_error().stale_if_error(minute),
                "resource and live, stale up to 60s on error",
            ),
            (
                resource().stale_if_error(minute).and(resource_free_live()),
                "resource and live, stale up to 60s on error",
            ),
            (
                resource().scope("a").or(organization(path("org")).scope("b").fresh_within(s(5))),
                "(resource and scope a) or (organization from path {org} and scope b and fresh within 5s)",
            ),
            (
                resource().and(scope("a").or(any_of(["b", "c"]).live())).fresh_within(s(30)),
                "(resource and scope a and fresh within 30s) or (resource and any of [b c] and live)",
            ),
        ] {
            assert_eq!(policy.to_string(), expected);
            assert!(compiled(policy, true).is_ok_and(|rules| rules.is_live()), "{expected}");
        }
    }

    fn resource_free_live() -> Policy {
        live()
    }

    #[test]
    fn faults_are_found() {
        let day = Duration::from_secs(24 * 3600);
        for (policy, expected) in [
            (resource().fresh_within(s(0)), "fresh_within(0ns)"),
            (resource().fresh_within(Duration::from_millis(999)), "fresh_within(999ms)"),
            (resource().fresh_within(day + Duration::from_nanos(1)), "not in 1s ..= 86400s"),
            (resource().live().stale_if_error(day + Duration::from_nanos(1)), "stale_if_error"),
            (resource().stale_if_error(day), "nothing fresh or live is asked"),
            (resource().dangerous_token_only_on_error(), "nothing fresh or live is asked"),
            (resource().live().or(resource().scope("a").stale_if_error(day)), "nothing fresh or live is asked"),
            (authenticated().live(), "authenticated()"),
            (authenticated().fresh_within(s(30)), "authenticated()"),
            (resource().live().or(authenticated().live()), "authenticated()"),
            (live(), "does not say what the token is for"),
        ] {
            let error = compiled(policy, true).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
        for good in [resource().fresh_within(s(1)), resource().fresh_within(day), resource().live().stale_if_error(day)]
        {
            assert!(compiled(good, true).is_ok());
        }
    }

    #[test]
    fn without_a_source_nothing_is_fresh() {
        for policy in [resource().live(), resource().fresh_within(s(30)), resource().or(resource().scope("a").live())] {
            let error = compiled(policy, false).unwrap_err();
            assert!(error.contains("\"main\" has no source") && error.contains("Issuer::permissions"), "{error}");
        }
        assert!(compiled(resource(), false).is_ok_and(|rules| !rules.is_live()));
    }
}

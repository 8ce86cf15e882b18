//! Words about how fresh permissions must be.

use std::time::Duration;

use crate::policy::clause::Clause;
use crate::policy::freshness::{Freshness, OnError};
use crate::policy::tree::Word;
use crate::policy::value::Policy;

/// Requires that the subject still held the permissions at most `age` ago. Combine it with a model:
/// `resource().fresh_within(..)` means the same. `guard.require(fresh_within(..))` applies it to every route.
///
/// ```
/// use std::time::Duration;
/// use orgate::policy::{fresh_within, organization, path};
///
/// let policy = organization(path("org")).scope("invite:member").and(fresh_within(Duration::from_secs(30)));
/// assert_eq!(policy.to_string(), "organization from path {org} and scope invite:member and fresh within 30s");
/// ```
pub fn fresh_within(age: Duration) -> Policy {
    freshness(Freshness { max_age: Some(age), ..Freshness::default() })
}

/// Requires that the subject holds the permissions now: the source is asked after the request arrived. Combine it with
/// a model: `resource().live()` means the same.
pub fn live() -> Policy {
    freshness(Freshness { now: true, ..Freshness::default() })
}

/// The one way in: no word and no text makes a rule whose times are out of bounds.
pub(in crate::policy) fn freshness(rule: Freshness) -> Policy {
    match rule.fault() {
        Some(fault) => Policy::faulty(rule.to_string(), fault),
        None => Policy::of(Word::Freshness(rule)),
    }
}

impl Policy {
    /// Counts the token's scopes only if the subject still held them at most `age` ago.
    ///
    /// The issuer entry needs a source of permissions: [`Issuer::permissions`](crate::Issuer::permissions).
    pub fn fresh_within(self, age: Duration) -> Self {
        self.and(fresh_within(age))
    }

    /// Counts the token's scopes only if the subject holds them now: the source is asked for each request, and requests
    /// that arrive together share one call.
    pub fn live(self) -> Self {
        self.and(live())
    }

    /// Lets requests pass by permissions that were known at most `age` ago while the permission source does not
    /// respond. Stale permissions never reject a request. Counted and logged. Without this the response is 503.
    pub fn stale_if_error(self, age: Duration) -> Self {
        self.tolerating(OnError::Stale(age))
    }

    /// Decides by the token alone while the permission source does not respond: anyone who can keep the source from
    /// responding keeps every permission that was taken away. Counted and logged. Without this the response is 503.
    pub fn dangerous_token_only_on_error(self) -> Self {
        self.tolerating(OnError::TokenOnly)
    }

    /// Where every clause asks for freshness, that is what tolerates; else whatever the policy is combined with.
    fn tolerating(mut self, way: OnError) -> Self {
        let tolerance = Freshness::tolerance(way);
        let asked = |clauses: Vec<Clause>| clauses.iter().all(|clause| clause.freshness.is_asked());
        if tolerance.fault().is_some() || !self.tree.clauses().is_ok_and(asked) {
            return self.and(freshness(tolerance));
        }
        self.tree.words_mut(&mut |word| {
            if let Word::Freshness(rule) = word {
                *rule = rule.and(tolerance);
            }
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerRules;
    use crate::policy::{CompiledPolicy, any_of, authenticated, organization, path, resource, scope};

    fn compiled(policy: Policy, has_source: bool) -> Result<CompiledPolicy, String> {
        let mut entry = IssuerRules::for_tests("main");
        entry.has_permissions = has_source;
        CompiledPolicy::compile(policy, &[&entry]).map_err(|error| error.to_string())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_stricter_of_two_is_judged() {
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
            (resource().live().stale_if_error(minute), "resource and live [stale 60s]"),
            (
                resource().fresh_within(s(30)).stale_if_error(hour).stale_if_error(minute),
                "resource and fresh within 30s [stale 60s]",
            ),
            (resource().live().dangerous_token_only_on_error(), "resource and live [token only on error]"),
            (resource().live().dangerous_token_only_on_error().stale_if_error(minute), "resource and live [stale 60s]"),
            (resource().stale_if_error(minute).and(resource_free_live()), "resource and live [stale 60s]"),
            (
                resource().scope("a").or(organization(path("org")).scope("b").fresh_within(s(5))),
                "resource and scope a or organization from path {org} and scope b and fresh within 5s",
            ),
            (
                resource().and(scope("a").or(any_of(["b", "c"]).live())).fresh_within(s(30)),
                "resource and scope a and fresh within 30s or resource and any of [b c] and live",
            ),
        ] {
            let clauses = policy.describe().clauses;
            let judged: Vec<&str> = clauses.iter().map(|clause| &*clause.text).collect();
            assert_eq!(judged.join(" or "), expected);
            assert!(compiled(policy, true).is_ok_and(|rules| rules.is_live()), "{expected}");
        }
    }

    fn resource_free_live() -> Policy {
        live()
    }

    #[test]
    fn tolerance_of_a_group_does_not_reach_what_is_asked_beside_it() {
        let group = scope("a").or(fresh_within(s(30))).stale_if_error(s(60));
        let policy = resource().live().and(group);
        let ways = |policy: &Policy| -> Vec<bool> {
            let clauses = policy.describe().clauses;
            clauses.iter().map(|clause| clause.freshness.as_ref().unwrap().on_error.is_some()).collect()
        };
        assert_eq!(ways(&policy), [true, false], "{policy}");
        assert_eq!(ways(&policy.to_string().parse().unwrap()), [true, false], "{policy}");
    }

    #[test]
    fn faults_are_found() {
        let day = Duration::from_secs(24 * 3600);
        for (policy, expected) in [
            (resource().fresh_within(s(0)), "fresh within 0ns"),
            (resource().fresh_within(Duration::from_millis(999)), "fresh within 999ms"),
            (resource().fresh_within(day + Duration::from_nanos(1)), "not in 1s ..= 86400s"),
            (resource().live().stale_if_error(day + Duration::from_nanos(1)), "stale 86400"),
            (resource().stale_if_error(day), "needs `fresh within` or `live`"),
            (resource().dangerous_token_only_on_error(), "needs `fresh within` or `live`"),
            (resource().live().or(resource().scope("a").stale_if_error(day)), "needs `fresh within` or `live`"),
            (authenticated().live(), "`authenticated`"),
            (authenticated().fresh_within(s(30)), "`authenticated`"),
            (resource().live().or(authenticated().live()), "`authenticated`"),
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
            assert!(
                error.contains("\"main\" has no permission source") && error.contains("the Logto Management API"),
                "{error}"
            );
        }
        assert!(compiled(resource(), false).is_ok_and(|rules| !rules.is_live()));
    }
}

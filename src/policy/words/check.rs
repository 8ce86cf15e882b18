//! Words about the application's own code.

use crate::error::ConfigError;
use crate::policy::code::{Check, CheckResult, Facts};
use crate::policy::condition::{Checks, Condition};
use crate::policy::value::Policy;

/// Requires that a check in the application's code passes. It runs after the scopes and before a decision point. Within
/// a request it runs once for each model of the clauses that contain it, however often the decision is made. Two
/// different checks of one policy need two names.
///
/// ```
/// use orgate::policy::{check, resource};
///
/// let policy = resource().and(check("internal client", |facts| facts.token().client_id() == Some("back-office")));
/// assert_eq!(policy.to_string(), "resource and check \"internal client\"");
/// ```
pub fn check<R: CheckResult>(name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Policy {
    let check = Check::new(name, run);
    if name.is_empty() {
        let fault = ConfigError::new("check(\"\"): the name of a check is missing");
        return Policy::faulty(check.to_string(), fault);
    }
    Policy::conditional(Ok(Condition::Checks(Checks(vec![check]))))
}

impl Policy {
    /// Adds [`check`]: accepts only requests that pass this check.
    pub fn check<R: CheckResult>(self, name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Self {
        self.and(check(name, run))
    }
}

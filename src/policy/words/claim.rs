//! Words about claims.

use crate::policy::condition::{ClaimValue, Claims, Condition, Test};
use crate::policy::value::Policy;

/// Requires a top-level claim of exactly this value and type. An absent claim never matches.
///
/// ```
/// use orgate::policy::{claim, resource};
///
/// let policy = resource().and(claim("plan", "pro")).and(claim("beta", true));
/// assert_eq!(policy.to_string(), "resource and claim plan = \"pro\" and claim beta = true");
/// ```
pub fn claim(name: &str, value: impl Into<ClaimValue>) -> Policy {
    word(name, Test::Equals(value.into()))
}

/// Requires a top-level claim that is exactly one of these values.
///
/// ```
/// use orgate::policy::{claim_any_of, resource};
///
/// let policy = resource().and(claim_any_of("plan", ["pro", "team"]));
/// assert_eq!(policy.to_string(), r#"resource and claim plan any of ["pro" "team"]"#);
/// ```
pub fn claim_any_of<V: Into<ClaimValue>>(name: &str, values: impl IntoIterator<Item = V>) -> Policy {
    word(name, Test::AnyOf(values.into_iter().map(Into::into).collect()))
}

/// Requires a top-level claim that is an array containing this value. The array may also have members that are not
/// strings, booleans or integers. A plain value is not an array.
///
/// ```
/// use orgate::policy::{claim_contains, resource};
///
/// let policy = resource().and(claim_contains("groups", "staff"));
/// assert_eq!(policy.to_string(), "resource and claim groups contains \"staff\"");
/// ```
pub fn claim_contains(name: &str, value: impl Into<ClaimValue>) -> Policy {
    word(name, Test::Contains(value.into()))
}

fn word(name: &str, test: Test) -> Policy {
    Policy::conditional(Claims::new(name, test).map(Condition::Claims))
}

impl Policy {
    /// Adds [`claim`]: accepts only tokens with this claim.
    pub fn claim(self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.and(claim(name, value))
    }

    /// Adds [`claim_any_of`]: accepts only tokens whose claim is one of these values.
    pub fn claim_any_of<V: Into<ClaimValue>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.and(claim_any_of(name, values))
    }

    /// Adds [`claim_contains`]: accepts only tokens whose claim is an array containing this value.
    pub fn claim_contains(self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.and(claim_contains(name, value))
    }
}

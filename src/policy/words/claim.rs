//! Words about claims.

use crate::policy::condition::{ClaimValue, Claims, Condition, Test};
use crate::policy::value::Policy;

/// The token has a top-level claim of exactly this value and type. An absent claim never matches.
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

/// The token has a top-level claim that is exactly one of these values.
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

/// The token has a top-level claim that is an array with this value in it. An array with members of other types than strings,
/// booleans and integers may hold it too; a plain value is no array.
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
    /// Also this claim.
    pub fn claim(self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.and(claim(name, value))
    }

    /// Also a claim that is one of these values.
    pub fn claim_any_of<V: Into<ClaimValue>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.and(claim_any_of(name, values))
    }

    /// Also a claim that is an array with this value in it.
    pub fn claim_contains(self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.and(claim_contains(name, value))
    }
}

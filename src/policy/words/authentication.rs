//! Words about how and when the user signed in.

use std::time::Duration;

use crate::policy::condition::{Acr, Condition, MaxAuthAge};
use crate::policy::value::Policy;

/// Requires that the user signed in with this authentication context: the token's `acr`, compared exactly.
///
/// Other tokens of users, and those without the claim, are rejected with 401 and the error
/// `insufficient_user_authentication` (RFC 9470), whose challenge names what is required. See [`any_acr`] for several contexts.
///
/// ```
/// use orgate::policy::{acr, resource};
///
/// let policy = resource().scope("transfer:money").and(acr("urn:example:loa:3"));
/// assert_eq!(policy.to_string(), "resource and scope transfer:money and acr urn:example:loa:3");
/// ```
///
/// - It is judged after the organization and before the scopes: where a scope is missing too, one sign-in brings both, and
///   the challenge names them.
/// - A client that comes back with two later tokens that do not meet it either receives 403 with the remediation `none` from
///   then on; a machine receives that at once.
/// - The claim's name is a setting: [`Issuer::acr_claim`](crate::Issuer::acr_claim).
pub fn acr(value: &str) -> Policy {
    any_acr([value])
}

/// Requires that the user signed in with one of these authentication contexts, in order of preference. See [`acr`].
///
/// ```
/// use orgate::policy::{any_acr, resource};
///
/// let policy = resource().and(any_acr(["phrh", "phr"]));
/// assert_eq!(policy.to_string(), "resource and acr any of [phrh phr]");
/// ```
///
/// Combined with another list by `and`, one of those that are in both is needed. Up to 16 values, and 1,024 bytes of them.
pub fn any_acr<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Policy {
    let values: Vec<S> = values.into_iter().collect();
    Policy::conditional(Acr::new(&values).map(Condition::Acr))
}

/// Requires that the user signed in at most `age` ago, by the token's `auth_time` and this server's clock. One second
/// to 365 days, in whole seconds.
///
/// It is judged at each request, whatever is known of the token: a token that met it does so until the time is over. There is
/// no leeway, so the time should be longer than the clocks of issuer and server may be apart. Rejections are as those of
/// [`acr`]. The claim's name is a setting: [`Issuer::auth_time_claim`](crate::Issuer::auth_time_claim).
///
/// ```
/// use std::time::Duration;
/// use orgate::policy::{max_auth_age, resource};
///
/// let policy = resource().and(max_auth_age(Duration::from_secs(300)));
/// assert_eq!(policy.to_string(), "resource and max-auth-age 300s");
/// ```
pub fn max_auth_age(age: Duration) -> Policy {
    Policy::conditional(MaxAuthAge::new(age).map(Condition::MaxAuthAge))
}

impl Policy {
    /// Adds [`acr`]: accepts only tokens of users who signed in with this authentication context.
    pub fn acr(self, value: &str) -> Self {
        self.and(acr(value))
    }

    /// Adds [`any_acr`]: accepts only tokens of users who signed in with one of these authentication contexts.
    pub fn any_acr<S: AsRef<str>>(self, values: impl IntoIterator<Item = S>) -> Self {
        self.and(any_acr(values))
    }

    /// Adds [`max_auth_age`]: accepts only tokens of users who signed in at most this long ago.
    pub fn max_auth_age(self, age: Duration) -> Self {
        self.and(max_auth_age(age))
    }
}

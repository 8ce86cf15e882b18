//! Words about authorization details.

use std::sync::Arc;

use crate::error::ConfigError;
use crate::policy::code::{Check, CheckResult};
use crate::policy::condition::{Condition, Detail, Details};
use crate::policy::detail::{AuthorizationDetail, any_passes};
use crate::policy::value::Policy;

/// Requires an authorization detail (RFC 9396) in the token that has this type, compared exactly, is for this API, and
/// passes a check in the application's code. `name` is the name of the check: two different checks of one type need two
/// names.
///
/// ```
/// use orgate::policy::{authorization_detail, resource};
///
/// let own_account = authorization_detail("account_information", "own account", |detail| {
///     detail.has_action("read") && detail.identifier().as_deref() == detail.facts().path("account")
/// });
/// let policy = resource().scope("read:accounts").and(own_account);
/// assert_eq!(
///     policy.to_string(),
///     r#"resource and scope read:accounts and authorization-detail account_information "own account""#
/// );
/// ```
///
/// - It is judged after the scopes, and before [`check`](super::check) and [`decide`](super::decide). That a token has
///   authorization details changes nothing by itself.
/// - Details of other types are not looked at. One with `locations` counts only if one of them is the resource indicator of
///   the route; where the route names no resource, one of those that the token's issuer may speak for.
/// - A token whose `authorization_details` is no array of objects with a `type`, or has more than 64 elements, does not pass.
/// - The check runs for one detail after the other until one passes, and once in a request for each model of the clauses in
///   which it stands. Members that it does not look at grant nothing.
/// - For an opaque token they are those of the introspection answer.
///
/// The rejection is 403 with the remediation `none`.
pub fn authorization_detail<R: CheckResult>(
    detail_type: &str,
    name: &str,
    run: impl Fn(&AuthorizationDetail<'_>) -> R + Send + Sync + 'static,
) -> Policy {
    let detail = detail(detail_type, name, run);
    if detail_type.is_empty() || name.is_empty() {
        let fault =
            format_args!("authorization_detail({detail_type:?}, {name:?}, ..): the type or the name is missing");
        return Policy::faulty(detail.to_string(), ConfigError::new(fault));
    }
    Policy::conditional(Ok(Condition::Details(Details(vec![detail]))))
}

pub(in crate::policy) fn detail<R: CheckResult>(
    detail_type: &str,
    name: &str,
    run: impl Fn(&AuthorizationDetail<'_>) -> R + Send + Sync + 'static,
) -> Detail {
    let kind: Arc<str> = detail_type.into();
    let of_kind = kind.clone();
    Detail { kind, check: Check::reasoned(name, move |facts| any_passes(facts, &of_kind, &run)) }
}

impl Policy {
    /// Adds [`authorization_detail`]: accepts only tokens with an authorization detail of this type that passes the
    /// check.
    pub fn authorization_detail<R: CheckResult>(
        self,
        detail_type: &str,
        name: &str,
        run: impl Fn(&AuthorizationDetail<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.and(authorization_detail(detail_type, name, run))
    }
}

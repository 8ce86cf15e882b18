//! How and when the user behind a token signed in.

use std::time::Duration;

use super::NumericDate;
use crate::time::Now;

/// What a token says of its user's sign-in (RFC 9470 section 6, OpenID Connect Core section 2). What has another form than it
/// must have is absent: nothing rests on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Authentication {
    /// The authentication context.
    pub(crate) acr: Option<Box<str>>,
    /// When it was.
    pub(crate) auth_time: Option<NumericDate>,
}

impl Authentication {
    /// `None` if nothing is known.
    pub(crate) fn of(acr: Option<Box<str>>, auth_time: Option<NumericDate>) -> Option<Box<Self>> {
        (acr.is_some() || auth_time.is_some()).then(|| Box::new(Self { acr, auth_time }))
    }

    /// Whether the sign-in was at most so long ago.
    pub(crate) fn is_within(&self, max_age: Duration, now: Now) -> bool {
        self.was_within(max_age, now.unix.as_secs_f64())
    }

    /// The same, at a moment in seconds since the Unix epoch.
    pub(crate) fn was_within(&self, max_age: Duration, moment: f64) -> bool {
        self.auth_time.is_some_and(|signed_in| moment - signed_in.seconds() <= max_age.as_secs_f64())
    }
}

//! What a token authorizes in detail (RFC 9396).

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::code::{CheckResult, Facts, Reason};
use crate::json::{Object, Text};
use crate::token::{AccessToken, ClaimsError};

const CLAIM: &str = "authorization_details";
/// More than a token of eight KiB needs, and as often as code of the application is called for one condition.
const MOST_DETAILS: usize = 64;

/// One element of a token's `authorization_details` (RFC 9396 section 2), of the type that the condition names and for this
/// API: without `locations`, or with one that is the resource indicator of the route.
pub struct AuthorizationDetail<'a> {
    kind: &'a str,
    text: &'a str,
    members: &'a Object<'a>,
    facts: &'a Facts<'a>,
}

impl<'a> AuthorizationDetail<'a> {
    /// Returns the type, which is the one that the condition names.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// Returns the token, the organization and the request that the detail is judged for.
    #[must_use]
    pub fn facts(&self) -> &Facts<'a> {
        self.facts
    }

    /// Returns whether `actions` is an array of strings with this one in it.
    #[must_use]
    pub fn has_action(&self, action: &str) -> bool {
        self.lists("actions", action)
    }

    /// Returns whether `datatypes` is an array of strings with this one in it.
    #[must_use]
    pub fn has_datatype(&self, datatype: &str) -> bool {
        self.lists("datatypes", datatype)
    }

    /// Returns whether `privileges` is an array of strings with this one in it.
    #[must_use]
    pub fn has_privilege(&self, privilege: &str) -> bool {
        self.lists("privileges", privilege)
    }

    /// Returns the `identifier`, if it is a string.
    #[must_use]
    pub fn identifier(&self) -> Option<Cow<'_, str>> {
        self.text("identifier")
    }

    /// Returns a member that is a string; `None` if it is missing or something else.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<Cow<'_, str>> {
        self.members.read::<Text<'_>>(member).ok().flatten().map(|text| text.0)
    }

    /// Parses the element into a type of yours.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use orgate::policy::{authorization_detail, resource};
    ///
    /// #[derive(Deserialize)]
    /// struct Payment {
    ///     creditor: String,
    /// }
    ///
    /// let own = authorization_detail("payment_initiation", "own creditor", |detail| {
    ///     let payment: Payment = detail.parse()?;
    ///     match detail.facts().path("creditor") {
    ///         Some(creditor) if creditor == payment.creditor => Ok(()),
    ///         _ => Err(Box::<dyn std::error::Error + Send + Sync>::from("another creditor")),
    ///     }
    /// });
    /// # let _ = resource().and(own);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the element does not fit `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        ClaimsError::parse(self.text.as_bytes())
    }

    fn lists(&self, member: &str, value: &str) -> bool {
        let list = self.members.read::<Vec<Text<'_>>>(member).ok().flatten().unwrap_or_default();
        list.iter().any(|listed| listed.0 == value)
    }

    /// Whether this API is among the locations that it is for.
    fn is_for(&self, resources: &[impl AsRef<str>]) -> bool {
        if !self.members.has("locations") {
            return true;
        }
        let locations = self.members.read::<Vec<Text<'_>>>("locations").ok().flatten().unwrap_or_default();
        locations.iter().any(|location| resources.iter().any(|resource| *resource.as_ref() == *location.0))
    }
}

/// Without the members: they may be about a person.
impl fmt::Debug for AuthorizationDetail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationDetail").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Runs code for each detail of a type that is for this API, until one passes. Fails with the last reason that was given.
pub(super) fn any_passes<R: CheckResult>(
    facts: &Facts<'_>,
    kind: &str,
    run: impl Fn(&AuthorizationDetail<'_>) -> R,
) -> Result<(), Reason> {
    let mut reason = None;
    let found = each(facts.token, |text, members| {
        let detail = AuthorizationDetail { kind, text, members, facts };
        let passes = members.is_text("type", kind) && detail.is_for(facts.resources);
        passes.then(|| run(&detail).into_outcome()).is_some_and(|outcome| match outcome {
            Ok(()) => true,
            Err(other) => {
                reason = other;
                false
            }
        })
    });
    if found == Ok(true) { Ok(()) } else { Err(reason) }
}

/// Why no detail of a type passed, for the log.
pub(super) fn why_none(token: &AccessToken, kind: &str) -> &'static str {
    match each(token, |_, members| members.is_text("type", kind)) {
        Err(fault) => fault,
        Ok(true) => "no authorization detail of the type passed that is for this API",
        Ok(false) => "the token has no authorization detail of the type",
    }
}

/// How many details there are of a type, for an explanation.
pub(super) fn count(token: &AccessToken, kind: &str) -> Result<usize, &'static str> {
    let mut count = 0;
    each(token, |_, members| {
        count += usize::from(members.is_text("type", kind));
        false
    })?;
    Ok(count)
}

/// Looks at each detail until one is found. Where one of them is not what a detail must be, none counts.
fn each(token: &AccessToken, mut is_found: impl FnMut(&str, &Object<'_>) -> bool) -> Result<bool, &'static str> {
    let payload = token.payload();
    let claims = Object::parse(&payload).map_err(|_| "the claims cannot be read")?;
    let Some(raw) = claims.raw(CLAIM) else { return Ok(false) };
    let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| "authorization_details is not an array")?;
    if items.len() > MOST_DETAILS {
        return Err("more than 64 authorization details");
    }
    let mut details = Vec::with_capacity(items.len());
    for item in items {
        let members = Object::parse(item.get().as_bytes())
            .map_err(|_| "an authorization detail is not an object with unique names")?;
        let kind = members.string("type").ok().flatten().filter(|kind| !kind.is_empty());
        kind.ok_or("an authorization detail without a type")?;
        details.push((item.get(), members));
    }
    Ok(details.iter().any(|(text, members)| is_found(text, members)))
}

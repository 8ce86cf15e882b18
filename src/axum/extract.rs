//! What a handler can ask for.

use std::any::type_name;
use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refuse::refuse;
use crate::engine::Grant;
use crate::lease::{Lease, LeaseSettings};
use crate::organization::Organization;
use crate::rejection::Rejection;
use crate::token::AccessToken;

/// The claims of the verified token, deserialized into your type.
///
/// Claims that do not fit are the server's fault, not the caller's, and never "absent": 500. What may be missing is an
/// `Option` in your type.
///
/// ```
/// use orgate::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Profile {
///     plan: Option<String>,
/// }
///
/// async fn show(Claims(profile): Claims<Profile>) -> String {
///     profile.plan.unwrap_or_else(|| "free".to_owned())
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::get(show);
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "made to be taken apart in a handler's arguments")]
pub struct Claims<T>(pub T);

/// What the request was granted, or 500 where no policy judged it.
impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unlayered("Grant", parts))
    }
}

/// `None` on public routes.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Grant {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// What the request was granted, watched; 500 where no policy judged it.
///
/// A response that outlives the handler must hold it, or the lease ends with the handler: see [`crate::lease`]. Where the
/// permission source cannot be asked as often as the route says, the response is 503: extract a [`Grant`] for another bound.
impl<S: Send + Sync> FromRequestParts<S> for Lease {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let grant = parts.extensions.get::<Grant>().ok_or_else(|| unlayered("Lease", parts))?;
        grant.lease_of(&LeaseSettings::new(), parts)
    }
}

/// The token, or 500 where no policy has verified one.
impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        token(parts).cloned().ok_or_else(|| unlayered("AccessToken", parts))
    }
}

/// `None` under `optional(..)` for a request without a token, and on public routes.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(token(parts).cloned())
    }
}

/// The organization, or 500 where the clause of the policy that passed has none.
impl<S: Send + Sync> FromRequestParts<S> for Organization {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        organization(parts).cloned().ok_or_else(|| {
            if token(parts).is_none() {
                return unlayered("Organization", parts);
            }
            let clause = parts.extensions.get::<Grant>().and_then(Grant::clause).unwrap_or_default();
            let detail = format!(
                "the extractor Organization, and the clause that passed ({clause}) has none: use organization(..), \
                 in_organization(..) or about(..) in it, or extract Option<Organization>"
            );
            misconfigured(detail, parts)
        })
    }
}

/// `None` where the clause of the policy that passed has no organization.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Organization {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(organization(parts).cloned())
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let token = token(parts).ok_or_else(|| unlayered("Claims", parts))?;
        parse(token, parts)
    }
}

/// `None` for a request without a token; claims that do not fit are still 500.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        token(parts).map(|token| parse(token, parts)).transpose()
    }
}

fn token(parts: &Parts) -> Option<&AccessToken> {
    parts.extensions.get::<Grant>()?.token()
}

fn organization(parts: &Parts) -> Option<&Organization> {
    parts.extensions.get::<Grant>()?.organization()
}

fn parse<T: DeserializeOwned>(token: &AccessToken, parts: &Parts) -> Result<Claims<T>, Rejection> {
    token.claims().map(Claims).map_err(|error| {
        let detail = format!("Claims<{}>: {error}", type_name::<T>());
        refuse(
            if error.is_unreadable() { Rejection::invalid_token(detail) } else { Rejection::misconfigured(detail) },
            parts,
        )
    })
}

fn unlayered(extractor: &str, parts: &Parts) -> Rejection {
    let detail = format!(
        "the extractor {extractor}, and the request brought no verified token: where the route is public, its policy optional or only \
         judged, extract Option<{extractor}>; where no policy protects it, add it through Guard or put require(policy) around it"
    );
    misconfigured(detail, parts)
}

pub(super) fn misconfigured(detail: impl Into<Cow<'static, str>>, parts: &Parts) -> Rejection {
    refuse(Rejection::misconfigured(detail), parts)
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Self::into_response(self).map(Body::from)
    }
}

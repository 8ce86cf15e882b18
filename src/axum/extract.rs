//! What a handler can ask for.

use std::any::type_name;

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::organization::Organization;
use crate::rejection::Rejection;
use crate::respond::respond_unlayered;
use crate::token::AccessToken;

/// The claims of the verified token, parsed into a type of yours.
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

/// The token, or 500 where no policy has verified one.
impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unlayered("AccessToken"))
    }
}

/// `None` under `optional(..)` for a request without a token, and on open routes.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// The organization, or 500 where the branch of the policy that passed has none.
impl<S: Send + Sync> FromRequestParts<S> for Organization {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let organization = parts.extensions.get::<Self>().cloned();
        organization.ok_or_else(|| match parts.extensions.get::<AccessToken>() {
            None => unlayered("Organization"),
            Some(_) => Rejection::misconfigured(
                "the extractor Organization, on a route whose policy passed without one: use organization(..) or in_organization(..), or \
                 extract Option<Organization>",
            ),
        })
    }
}

/// `None` where the branch of the policy that passed has no organization.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Organization {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let token = parts.extensions.get::<AccessToken>().ok_or_else(|| unlayered("Claims"))?;
        parse(token)
    }
}

/// `None` for a request without a token; claims that do not fit are still 500.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        parts.extensions.get::<AccessToken>().map(parse).transpose()
    }
}

fn parse<T: DeserializeOwned>(token: &AccessToken) -> Result<Claims<T>, Rejection> {
    token
        .claims()
        .map(Claims)
        .map_err(|error| Rejection::misconfigured(format!("Claims<{}>: {error}", type_name::<T>())))
}

fn unlayered(extractor: &str) -> Rejection {
    Rejection::misconfigured(format!(
        "the extractor {extractor}, and the request brought no verified token: where the route is open or its policy optional, extract \
         Option<{extractor}>; where no policy protects it, add it through Guard or put require(policy) around it"
    ))
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        respond_unlayered(self).map(Body::from)
    }
}

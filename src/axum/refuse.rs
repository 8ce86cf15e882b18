//! Rejections by what follows a decision: extractors and endpoints.

use http::request::Parts;

use crate::engine::{Grant, Reached};
use crate::organization::matched_path;
use crate::rejection::Rejection;
use crate::respond::Wanted;

/// Rejects a request that reached its handler: logged, and in the form that the rest of the API uses, as far as it is known
/// which API that is.
pub(super) fn refuse(rejection: Rejection, request: &Parts) -> Rejection {
    if let Some(grant) = request.extensions.get::<Grant>() {
        return grant.requirement().refuse(rejection, request);
    }
    let policy = request.extensions.get::<Reached>().and_then(|reached| reached.policy.as_deref());
    tracing::warn!(
        target: "orgate",
        kind = rejection.kind().as_str(),
        policy = policy.unwrap_or("none"),
        method = %request.method,
        route = matched_path(request),
        detail = rejection.detail(),
        "request rejected"
    );
    shape(rejection, request)
}

/// Puts a rejection into the form of the server that the request reached.
pub(super) fn shape(rejection: Rejection, request: &Parts) -> Rejection {
    match request.extensions.get::<Reached>() {
        Some(Reached { state, .. }) => state.complete(rejection, &Wanted::default(), request),
        None => rejection,
    }
}

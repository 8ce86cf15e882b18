//! What few leases have.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::watch::Listener;
use super::wish::LeaseSettings;
use crate::engine::Grant;
use crate::rejection::Rejection;
use crate::token::bearer;

/// What few leases have.
pub(super) struct More {
    /// Where the policy cannot be judged without it: the request, without its credentials.
    pub(super) request: Option<Parts>,
    /// An opaque token, to ask the issuer again.
    pub(super) opaque: Option<Box<str>>,
    pub(super) listener: Option<Arc<dyn Listener>>,
    pub(super) most_bound: Option<Duration>,
}

impl More {
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the token is opaque, and the request not there that it came with.
    pub(super) fn of(
        grant: &Grant,
        settings: &LeaseSettings,
        request: Option<&Parts>,
    ) -> Result<Option<Box<Self>>, Rejection> {
        let reads_request = grant.requirement().rules().reads_request();
        let is_opaque = grant.token().is_some_and(|token| token.jws().is_none());
        let more = Self {
            request: request.filter(|_| reads_request).map(without_credentials),
            opaque: if is_opaque && grant.opaque().is_none() { Some(opaque(request, grant)?) } else { None },
            listener: settings.listener.clone(),
            most_bound: settings.most_bound,
        };
        let is_empty = more.request.is_none() && more.opaque.is_none() && more.listener.is_none();
        let is_empty = is_empty && more.most_bound.is_none();
        Ok((!is_empty).then(|| Box::new(more)))
    }
}

/// The same for what a layer has found.
fn without_credentials(request: &Parts) -> Parts {
    let mut kept = request.clone();
    kept.headers.remove(AUTHORIZATION);
    kept.headers.remove("dpop");
    kept.extensions.remove::<Grant>();
    kept
}

/// The opaque token that was granted: the issuer is asked about it again.
fn opaque(request: Option<&Parts>, grant: &Grant) -> Result<Box<str>, Rejection> {
    let state = grant.requirement().state();
    let headers = request.map(|request| request.headers.clone());
    let text = headers.and_then(|mut headers| {
        let found = bearer::find(&mut headers, state.max_token_bytes, state.bindings.proofs.is_some()).ok().flatten();
        found.and_then(|credentials| credentials.token().ok().map(Into::into))
    });
    text.ok_or_else(|| {
        Rejection::misconfigured("a lease of an opaque token, without its request: see LeaseSettings::request")
    })
}

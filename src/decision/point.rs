//! Who decides.

use std::sync::Arc;

use super::{Decision, DecisionError, DecisionRequest, KnownIssuers};
use crate::future::BoxFuture;

/// The future of a decision, or of a list of decisions.
pub type DecisionFuture<'a, T = Decision> = BoxFuture<'a, Result<T, DecisionError>>;

/// The most requests that are decided in one go.
pub const MAX_BATCH: usize = 100;

/// A point that decides whether a request may pass. `authzen::AuthZen` and `permit::Permit` are such points; a policy
/// engine in this process is another.
///
/// An implementation must answer with an error, and not with a denial, where it does not know: a denial is remembered and
/// told to the client as one. A call that takes longer than ten seconds is given up. A panic is caught and becomes an error.
pub trait DecisionPoint: Send + Sync + 'static {
    /// Decides one request.
    ///
    /// # Errors
    ///
    /// Returns a [`DecisionError`] if there is no decision.
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a>;

    /// Decides several requests, at most [`MAX_BATCH`], and answers in their order. Where the list is too short, the
    /// requests that are left count as denied; where it is too long, nothing in it counts.
    ///
    /// The default asks for one after another.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no decision for one of them.
    fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
        decide_each(self, requests)
    }

    /// Returns whose subjects the point can tell apart.
    ///
    /// The default is [`KnownIssuers::all`]: the point looks at [`DecisionRequest::issuer`] wherever it looks at the id of
    /// a subject or of an organization. One that looks at bare ids must say so here.
    fn known_issuers(&self) -> KnownIssuers {
        KnownIssuers::all()
    }

    /// Returns how many calls wait for their turn in this process: for [`Usage`](crate::server::Usage). The default is none.
    fn calls_waiting(&self) -> usize {
        0
    }
}

impl<P: DecisionPoint + ?Sized> DecisionPoint for Arc<P> {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        (**self).decide(request)
    }

    fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
        (**self).decide_all(requests)
    }

    fn known_issuers(&self) -> KnownIssuers {
        (**self).known_issuers()
    }

    fn calls_waiting(&self) -> usize {
        (**self).calls_waiting()
    }
}

/// Decides one request after another, and none if there are more than [`MAX_BATCH`]: the default of
/// [`DecisionPoint::decide_all`].
///
/// # Errors
///
/// Returns the first error that occurs.
pub fn decide_each<'a, P>(point: &'a P, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>>
where
    P: DecisionPoint + ?Sized,
{
    Box::pin(async move {
        if requests.len() > MAX_BATCH {
            return Err(too_many(requests.len(), MAX_BATCH));
        }
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            decisions.push(point.decide(request).await?);
        }
        Ok(decisions)
    })
}

pub(crate) fn too_many(count: usize, most: usize) -> DecisionError {
    DecisionError::wrong(format_args!("{count} requests in one go, and {most} at most"))
}

/// As many decisions as requests: what is missing is denied.
///
/// # Errors
///
/// Returns an error if there are more, for then it is open which belongs to which.
pub(crate) fn one_for_each(mut decisions: Vec<Decision>, requests: usize) -> Result<Vec<Decision>, DecisionError> {
    if decisions.len() > requests {
        return Err(DecisionError::wrong(format_args!("{} decisions for {requests} requests", decisions.len())));
    }
    decisions.resize_with(requests, || Decision::deny().with_reason("the response left this request out").once());
    Ok(decisions)
}

//! What a request was granted, watched.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::request::Parts;

use super::ended::{EndReason, Ended};
use super::leases::Refused;
use super::more::More;
use super::place::place;
use super::right::{Right, over};
use super::watch::Watch as _;
use super::wish::LeaseSettings;
use crate::engine::{Grant, NotRenewed, Presented, grant_again};
use crate::rejection::Rejection;

/// When to come again where there are too many leases.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A grant that is watched while it is used: by a WebSocket, an event stream or a streaming call.
///
/// Made by [`Grant::lease`], and an axum extractor. It is over when the right is: see [`EndReason`]. The rest is for whoever
/// holds it to do: end the stream, close the socket. Dropped, it is no longer watched.
///
/// ```
/// use orgate::lease::Lease;
///
/// async fn serve(lease: Lease, mut updates: tokio::sync::mpsc::Receiver<String>) {
///     loop {
///         tokio::select! {
///             ended = lease.ended() => break println!("{ended}"),
///             Some(update) = updates.recv() => println!("{update}"),
///         }
///     }
/// }
/// ```
#[must_use = "a lease that is dropped watches nothing"]
pub struct Lease(Arc<Right>);

impl Grant {
    /// Watches the grant, for a connection that outlives the request. Same as [`lease_with`](Self::lease_with) with the
    /// default settings.
    ///
    /// # Errors
    ///
    /// Same as [`lease_with`](Self::lease_with).
    pub fn lease(&self) -> Result<Lease, Rejection> {
        self.lease_with(&LeaseSettings::new())
    }

    /// Watches the grant, for a connection that outlives the request.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the right is over already, the permission source cannot be asked as often as the route says,
    /// there are too many leases in all or of this subject, or the server is closing (503); also if the token is opaque and
    /// there is no [request](LeaseSettings::request) (500).
    pub fn lease_with(&self, settings: &LeaseSettings) -> Result<Lease, Rejection> {
        match &settings.request {
            Some(request) => self.lease_of(settings, request),
            None => Lease::open(self, settings, None).map_err(|rejection| {
                let requirement = self.requirement();
                requirement.refuse(rejection, &requirement.rules().request_about(None))
            }),
        }
    }

    /// The same, for the request that was granted.
    pub(crate) fn lease_of(&self, settings: &LeaseSettings, request: &Parts) -> Result<Lease, Rejection> {
        let lease = Lease::open(self, settings, Some(request));
        lease.map_err(|rejection| self.requirement().refuse(rejection, request))
    }
}

impl Lease {
    fn open(grant: &Grant, settings: &LeaseSettings, request: Option<&Parts>) -> Result<Self, Rejection> {
        let right = Arc::new(Right::new(grant, More::of(grant, settings, request)?));
        let (leases, clock) = (&right.state.leases, &right.state.clock);
        // First it is found by changes, then it is looked whether one came before.
        let (id, bound) = leases.add(right.clone(), place(grant, right.more())?).map_err(refused)?;
        right.begin(id, bound);
        let lease = Self(right.clone());
        if right.look(&clock.now()) {
            return Err(right.ended().map_or_else(|| Rejection::misconfigured("a lease without an end"), over));
        }
        Ok(lease)
    }

    /// Returns whether the lease has ended, by the current time and everything that is known now.
    ///
    /// Right at any time, also where no runtime looks after leases; but what must be asked for is asked for only in a tokio
    /// runtime.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over().is_some()
    }

    /// Returns why the lease ended; `None` while it has not.
    #[must_use]
    pub fn over(&self) -> Option<Ended> {
        self.0.state.leases.drive();
        self.0.look(&self.0.state.clock.now());
        self.0.ended()
    }

    /// Waits until the lease ends.
    pub fn ended(&self) -> impl Future<Output = Ended> + Send + '_ {
        let mut waiting = Waiting { right: &self.0, number: None };
        std::future::poll_fn(move |context| waiting.poll(context))
    }

    /// Waits until it is over. `number` is the waiter's own, to be [left](Self::leave) with.
    pub(super) fn poll_ended(&self, number: &mut Option<u32>, context: &Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.0.ended() {
            return Poll::Ready(ended);
        }
        // First it is woken by what comes, then it looks.
        self.0.wait(number, context);
        self.over().map_or(Poll::Pending, Poll::Ready)
    }

    pub(super) fn leave(&self, number: Option<u32>) {
        if let Some(number) = number {
            self.0.leave(number);
        }
    }

    /// Replaces the token of the connection by a new one: from then on the lease follows the new token.
    ///
    /// The client sends it over the same connection. It must be of the same issuer entry, subject, client, sender constraint and
    /// organization, and meet the policy of the route. A valid token that does not meet the policy ends the lease; any other one
    /// is rejected, and the lease stays as it is.
    ///
    /// A policy with checks, authorization details, decision points or closures needs the [request](LeaseSettings::request); the axum extractor gives
    /// it.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the token is rejected. [`is_over`](Self::is_over) says whether the lease has ended.
    pub async fn renew(&self, token: &str) -> Result<(), Rejection> {
        let grant = self.0.grant();
        let requirement = grant.requirement();
        if let Some(ended) = self.over() {
            let request = self.0.request(&grant).unwrap_or_else(|| requirement.rules().request_about(None));
            return Err(requirement.refuse(over(ended), &request));
        }
        let Some(mut request) = self.0.request(&grant) else {
            let detail = "renew(..) under a policy that needs the request, and the lease was made without it: see LeaseSettings::request";
            return Err(requirement.refuse(Rejection::misconfigured(detail), &requirement.rules().request_about(None)));
        };
        match grant_again(&grant, Presented::Text(token), &mut request).await {
            Ok(renewed) => {
                if !self.0.adopt(&grant, renewed) {
                    let rejection = Rejection::unavailable(RETRY_AFTER, "another token replaced this one meanwhile");
                    return Err(requirement.refuse(rejection, &request));
                }
                self.0.ended().map_or(Ok(()), |ended| Err(requirement.refuse(over(ended), &request)))
            }
            Err(NotRenewed::Unfit(rejection)) => Err(requirement.refuse(rejection, &request)),
            Err(NotRenewed::Lesser(rejection)) => {
                self.0.end(Ended::because(EndReason::Lessened, &rejection));
                Err(requirement.refuse(rejection, &request))
            }
        }
    }

    /// Returns how long a loss of permissions without a webhook may stay unnoticed; `None` if the route requires no
    /// live permissions, so that the loss is noticed when the token expires.
    #[must_use]
    pub fn bound(&self) -> Option<Duration> {
        self.0.bound()
    }

    /// Returns the `exp` claim of the current token; `None` if the request had no token.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.grant().token().map(crate::AccessToken::expires_at)
    }
}

/// One who waits for the end.
struct Waiting<'a> {
    right: &'a Arc<Right>,
    number: Option<u32>,
}

impl Waiting<'_> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.right.ended() {
            return Poll::Ready(ended);
        }
        self.right.wait(&mut self.number, context);
        self.right.state.leases.drive();
        self.right.look(&self.right.state.clock.now());
        self.right.ended().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.right.leave(number);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(id) = self.0.id() {
            self.0.state.leases.remove(id);
        }
    }
}

fn refused(why: Refused) -> Rejection {
    let detail = match why {
        Refused::Closed => "the server is closing",
        Refused::Full => "there are more leases than max_leases allows",
        Refused::SubjectFull => "the subject has more leases than max_leases allows",
        Refused::Beyond => {
            "the permission source cannot be asked as often as a lease on this route needs: see LeaseSettings::bound_up_to"
        }
    };
    Rejection::unavailable(RETRY_AFTER, detail)
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("ended", &self.0.ended()).finish_non_exhaustive()
    }
}

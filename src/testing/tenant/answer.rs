//! The server's side of a tenant: which endpoint answers, and whether it still does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};

use super::state::{Limit, Tenant};
use super::{Refused, TestTenant};
use crate::testing::Endpoint;
use crate::testing::answers;
use crate::testing::answers::Right;
use crate::testing::state::State;
use crate::time::Clock as _;

/// How much it bears.
impl TestTenant {
    /// Answers this many requests in each window of time, all endpoints together, and the rest with 429 and
    /// `Retry-After`. The monotonic time of the issuer's clock measures it. Logto's cloud: 200 in 10 seconds. Default:
    /// no limit.
    pub fn limit(&self, requests: usize, window: Duration) {
        let began = self.issuer().state().clock.now().monotonic;
        self.tenant.store().limit = Some(Limit { requests, window, used: 0, began });
    }

    /// Removes the limit.
    pub fn unlimit(&self) {
        self.tenant.store().limit = None;
    }
}

impl Tenant {
    /// The right answer, where it is not the issuer's.
    pub(in crate::testing) fn answer(
        &self,
        state: &Arc<State>,
        endpoint: Endpoint,
        asked: &Request<Bytes>,
    ) -> Option<Right> {
        let spent = self.store().limit.as_mut().and_then(|limit| limit.take(state.clock.now().monotonic));
        if let Some(wait) = spent {
            let refused = Refused::api(StatusCode::TOO_MANY_REQUESTS, "request.rate_limited", "Too many requests.");
            let mut answer = Right::from(refused);
            answer.headers_mut().insert(RETRY_AFTER, answers::whole_seconds(wait).into());
            return Some(answer);
        }
        match endpoint {
            Endpoint::Token => Some(self.token_endpoint(state, asked)),
            Endpoint::Introspection => Some(self.introspection(state, asked)),
            Endpoint::Revocation => Some(self.revocation(asked)),
            _ => self.management(state, asked),
        }
    }
}

//! A record that outlives its request: for observers that write later.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

use super::record::{Record, TokenCache, Wait};
use crate::organization::Organization;
use crate::rejection::Rejection;
use crate::token::AccessToken;

/// What a [`Record`] lends, held: little of it is copied. It does not keep the server, whose observer may hold it.
pub(crate) struct OwnedRecord {
    time: SystemTime,
    duration: Duration,
    method: Method,
    route: Option<Box<str>>,
    policy: Arc<str>,
    rejection: Option<Rejection>,
    token: Option<AccessToken>,
    organization: Option<Organization>,
    token_cache: Option<TokenCache>,
    waits: Box<[Wait]>,
}

impl Record<'_> {
    pub(crate) fn to_owned_record(self) -> OwnedRecord {
        OwnedRecord {
            time: self.time,
            duration: self.duration,
            method: self.method.clone(),
            route: self.route.map(Into::into),
            policy: self.policy.clone(),
            rejection: self.rejection.cloned(),
            token: self.token.cloned(),
            organization: self.organization.cloned(),
            token_cache: self.token_cache,
            waits: self.waits.into(),
        }
    }
}

impl OwnedRecord {
    pub(crate) fn borrow(&self) -> Record<'_> {
        Record {
            time: self.time,
            duration: self.duration,
            method: &self.method,
            route: self.route.as_deref(),
            policy: &self.policy,
            rejection: self.rejection.as_ref(),
            token: self.token.as_ref(),
            organization: self.organization.as_ref(),
            token_cache: self.token_cache,
            waits: &self.waits,
        }
    }
}

//! A record that outlives its request: for observers that write later.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

use super::agreement::{Agreement, ShadowRecord, Verdict};
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
    operation: Option<Arc<str>>,
    policy: Arc<str>,
    rejection: Option<Rejection>,
    token: Option<AccessToken>,
    organization: Option<Organization>,
    token_cache: Option<TokenCache>,
    waits: Box<[Wait]>,
    clause: Option<Arc<str>>,
    shadow: Option<Box<OwnedShadow>>,
    is_behind: bool,
}

struct OwnedShadow {
    policy: Arc<str>,
    verdict: Verdict,
    agreement: Agreement,
}

impl Record<'_> {
    pub(crate) fn to_owned_record(self) -> OwnedRecord {
        OwnedRecord {
            time: self.time,
            duration: self.duration,
            method: short_method(self.method).into_owned(),
            route: self.route.map(Into::into),
            operation: self.operation.cloned(),
            policy: self.policy.clone(),
            rejection: self.rejection.cloned(),
            token: self.token.cloned(),
            organization: self.organization.cloned(),
            token_cache: self.token_cache,
            waits: self.waits.into(),
            clause: self.clause.cloned(),
            shadow: self.shadow.map(ShadowRecord::to_owned_shadow).map(Box::new),
            is_behind: self.is_behind,
        }
    }
}

/// A method as it is kept and logged: its sender chooses it, and how long it is. Every method consists of visible characters.
pub(super) fn short_method(method: &Method) -> Cow<'_, Method> {
    const MOST: usize = 64;
    let cut = method.as_str().get(..MOST).filter(|start| start.len() < method.as_str().len());
    let cut = cut.and_then(|start| Method::from_bytes(format!("{start}...").as_bytes()).ok());
    cut.map_or(Cow::Borrowed(method), Cow::Owned)
}

impl ShadowRecord<'_> {
    fn to_owned_shadow(self) -> OwnedShadow {
        OwnedShadow { policy: self.policy.clone(), verdict: self.verdict.clone(), agreement: self.agreement }
    }
}

impl OwnedShadow {
    fn borrow(&self) -> ShadowRecord<'_> {
        ShadowRecord { policy: &self.policy, verdict: &self.verdict, agreement: self.agreement }
    }
}

impl OwnedRecord {
    pub(crate) fn borrow(&self) -> Record<'_> {
        Record {
            time: self.time,
            duration: self.duration,
            method: &self.method,
            route: self.route.as_deref(),
            operation: self.operation.as_ref(),
            policy: &self.policy,
            rejection: self.rejection.as_ref(),
            token: self.token.as_ref(),
            organization: self.organization.as_ref(),
            token_cache: self.token_cache,
            waits: &self.waits,
            clause: self.clause.as_ref(),
            shadow: self.shadow.as_ref().map(|shadow| shadow.borrow()),
            is_behind: self.is_behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_of_a_record_that_waits_is_short() {
        let method: Method = "M".repeat(400_000).parse().unwrap();
        let record = Record {
            time: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            method: &method,
            route: None,
            operation: None,
            policy: &"resource".into(),
            rejection: None,
            token: None,
            organization: None,
            token_cache: None,
            waits: &[],
            clause: None,
            shadow: None,
            is_behind: false,
        };
        assert_eq!(record.to_owned_record().method.as_str(), format!("{}...", "M".repeat(64)));
        for kept in ["GET".to_owned(), "M".repeat(64)] {
            assert_eq!(short_method(&kept.parse().unwrap()).as_str(), kept);
        }
    }
}

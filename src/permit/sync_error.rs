//! What goes wrong when Permit.io is told or asked about facts.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::http::remote::is_passing;
use crate::http::retry_after;
use crate::json::Object;

/// An error of a call to Permit.io. It contains nothing of what was sent.
#[derive(Clone, Debug)]
pub struct SyncError {
    detail: Box<str>,
    not_found: bool,
    fault: Fault,
    retry_after: Option<Duration>,
}

/// Where the fault lies, which says what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Permit.io is down, slow or busy: time helps.
    Passing,
    /// The key, the URL, the project, or something between here and there: the operator helps.
    Setup,
    /// What was said: nothing helps.
    Content,
}

impl SyncError {
    fn new(fault: Fault, detail: impl fmt::Display) -> Self {
        Self { detail: detail.to_string().into(), not_found: false, fault, retry_after: None }
    }

    pub(super) fn setup(detail: impl fmt::Display) -> Self {
        Self::new(Fault::Setup, detail)
    }

    pub(super) fn passing(detail: impl fmt::Display) -> Self {
        Self::new(Fault::Passing, detail)
    }

    pub(super) fn content(detail: impl fmt::Display) -> Self {
        Self::new(Fault::Content, detail)
    }

    /// Returns whether Permit.io itself says that it does not know a user, a role or a tenant. A 404 in another form, as a
    /// proxy or a wrong path gives it, does not count.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        self.not_found
    }

    /// Returns whether a retry may succeed soon: Permit.io is down, slow or busy.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.fault, Fault::Passing)
    }

    /// Whether the same call can still go well: in a moment, or once the key, the URL or the project is put right.
    pub(super) const fn is_mendable(&self) -> bool {
        !matches!(self.fault, Fault::Content)
    }

    /// Returns when a retry may succeed, if Permit.io says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit.io was not told: {}", self.detail)
    }
}

impl std::error::Error for SyncError {}

pub(super) fn refused(answer: &Response<Bytes>) -> SyncError {
    let status = answer.status();
    let not_found = says_not_found(answer);
    let fault = match status {
        // 424 is how the PDP says that it does not know it yet.
        status if is_passing(status) || status == StatusCode::FAILED_DEPENDENCY => Fault::Passing,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Fault::Content,
        _ if not_found => Fault::Content,
        _ => Fault::Setup,
    };
    SyncError { not_found, retry_after: retry_after(answer.headers(), None), ..SyncError::new(fault, status) }
}

/// Whether it is Permit.io that answers 404, and not a proxy or a path that it does not have.
pub(super) fn says_not_found(answer: &Response<Bytes>) -> bool {
    let says = || Object::document(answer.body()).ok()?.string("error_code").ok()?.map(|code| code == "NOT_FOUND");
    answer.status() == StatusCode::NOT_FOUND && says() == Some(true)
}

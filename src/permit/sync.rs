//! Telling Permit.io about users, tenants and roles. Everything may be said twice.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::client::Facts;
use super::{Permit, PermitUser};
use crate::http::percent;
use crate::http::{
    remote::{CallError, is_passing},
    retry_after,
};
use crate::json::Object;

const WAIT_TIMEOUT: HeaderName = HeaderName::from_static("x-wait-timeout");
const TIMEOUT_POLICY: HeaderName = HeaderName::from_static("x-timeout-policy");

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

    fn content(detail: impl fmt::Display) -> Self {
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

impl Permit {
    /// Creates a user, or replaces what is known about one.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io did not accept it, or if the key is empty, `.` or `..`.
    pub async fn sync_user(&self, user: &PermitUser) -> Result<(), SyncError> {
        let path = format!("/users/{}", segment(&user.key)?);
        let body = serde_json::to_value(user).map_err(|_| SyncError::content("the user is no JSON"))?;
        self.tell(Method::PUT, &path, Some(&body), None).await
    }

    /// Creates a tenant. An existing one stays as it is.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io did not accept it.
    pub async fn sync_tenant(&self, key: &str, name: &str) -> Result<(), SyncError> {
        let body = json!({ "key": named(key)?, "name": if name.is_empty() { key } else { name } });
        self.tell(Method::POST, "/tenants", Some(&body), Some(StatusCode::CONFLICT)).await
    }

    /// Gives a user a role in a tenant. All three must be known.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io did not accept it, or does not know one of them.
    pub async fn assign_role(&self, user: &str, role: &str, tenant: &str) -> Result<(), SyncError> {
        let body = assignment(user, role, tenant)?;
        self.tell(Method::POST, "/role_assignments", Some(&body), Some(StatusCode::CONFLICT)).await
    }

    /// Takes a role in a tenant from a user. Has no effect if there is nothing to take.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io did not accept it, or if it answers 404 and does not show that it knows the environment.
    pub async fn unassign_role(&self, user: &str, role: &str, tenant: &str) -> Result<(), SyncError> {
        let body = assignment(user, role, tenant)?;
        self.tell(Method::DELETE, "/role_assignments", Some(&body), Some(StatusCode::NOT_FOUND)).await
    }

    /// Deletes a user, and with it all of its roles. Has no effect if there is no such user.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io did not accept it, if it answers 404 and does not show that it knows the environment, or
    /// if the key is empty, `.` or `..`.
    pub async fn delete_user(&self, key: &str) -> Result<(), SyncError> {
        let path = format!("/users/{}", segment(key)?);
        self.tell(Method::DELETE, &path, None, Some(StatusCode::NOT_FOUND)).await
    }

    /// `settled` is the status that means: it is so already.
    async fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        settled: Option<StatusCode>,
    ) -> Result<(), SyncError> {
        let base = self.facts().await?;
        let answer = self.send(method, &format!("{base}{path}"), body).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            status if settled != Some(status) => Err(refused(&answer)),
            StatusCode::NOT_FOUND => self.confirm_unknown(&answer).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Response<Bytes>, SyncError> {
        let mut request = self.request(method, url, body).ok_or_else(|| SyncError::setup("not a URL"))?;
        if let Facts::Pdp { wait: Some(wait) } = &self.0.facts {
            request.headers_mut().insert(WAIT_TIMEOUT, wait.clone());
            request.headers_mut().insert(TIMEOUT_POLICY, HeaderValue::from_static("fail"));
        }
        self.0.syncs.call(None, request).await.map_err(|error| match error {
            CallError::Unusable(_) | CallError::NoRuntime => SyncError::setup(error),
            _ => SyncError::passing(error),
        })
    }
}

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

fn assignment(user: &str, role: &str, tenant: &str) -> Result<Value, SyncError> {
    Ok(json!({ "user": named(user)?, "role": named(role)?, "tenant": named(tenant)? }))
}

fn named(key: &str) -> Result<&str, SyncError> {
    if key.is_empty() { Err(SyncError::content("an empty key")) } else { Ok(key) }
}

pub(super) fn segment(key: &str) -> Result<String, SyncError> {
    percent::segment(key).ok_or_else(|| SyncError::content("a key that cannot be part of a path"))
}

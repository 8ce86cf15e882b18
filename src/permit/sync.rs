//! Telling Permit.io about users, tenants and roles. Everything may be said twice.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::client::Facts;
use super::{Permit, PermitUser};
use crate::http::percent;
use crate::http::{CallError, is_passing, retry_after};
use crate::json::Object;

const WAIT_TIMEOUT: HeaderName = HeaderName::from_static("x-wait-timeout");
const TIMEOUT_POLICY: HeaderName = HeaderName::from_static("x-timeout-policy");

/// Why Permit.io was not told. It holds nothing of what it should have been told.
#[derive(Clone, Debug)]
pub struct SyncError {
    detail: Box<str>,
    not_found: bool,
    passing: bool,
    retry_after: Option<Duration>,
}

impl SyncError {
    pub(super) fn wrong(detail: impl fmt::Display) -> Self {
        Self { detail: detail.to_string().into(), not_found: false, passing: false, retry_after: None }
    }

    /// Whether Permit.io does not know something that it was told about: a user, a role or a tenant.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        self.not_found
    }

    /// Whether it may go well in a moment: Permit.io is down, slow or busy.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        self.passing
    }

    /// When it is worth trying again, as far as Permit.io said so.
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
    /// When Permit.io did not take it, or the key is empty, `.` or `..`.
    pub async fn sync_user(&self, user: &PermitUser) -> Result<(), SyncError> {
        let path = format!("/users/{}", segment(&user.key)?);
        let body = serde_json::to_value(user).map_err(|_| SyncError::wrong("the user is no JSON"))?;
        self.tell(Method::PUT, &path, Some(&body), &[]).await
    }

    /// Creates a tenant. One that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// When Permit.io did not take it.
    pub async fn sync_tenant(&self, key: &str, name: &str) -> Result<(), SyncError> {
        let body = json!({ "key": named(key)?, "name": if name.is_empty() { key } else { name } });
        self.tell(Method::POST, "/tenants", Some(&body), &[StatusCode::CONFLICT]).await
    }

    /// Gives a user a role in a tenant. All three must be known.
    ///
    /// # Errors
    ///
    /// When Permit.io did not take it, or does not know one of them.
    pub async fn assign_role(&self, user: &str, role: &str, tenant: &str) -> Result<(), SyncError> {
        let body = assignment(user, role, tenant)?;
        self.tell(Method::POST, "/role_assignments", Some(&body), &[StatusCode::CONFLICT]).await
    }

    /// Takes a role in a tenant from a user. Without effect if there is nothing to take.
    ///
    /// # Errors
    ///
    /// When Permit.io did not take it.
    pub async fn unassign_role(&self, user: &str, role: &str, tenant: &str) -> Result<(), SyncError> {
        let body = assignment(user, role, tenant)?;
        self.tell(Method::DELETE, "/role_assignments", Some(&body), &[StatusCode::NOT_FOUND]).await
    }

    /// Deletes a user, and with it all of its roles. Without effect if there is none.
    ///
    /// # Errors
    ///
    /// When Permit.io did not take it, or the key is empty, `.` or `..`.
    pub async fn delete_user(&self, key: &str) -> Result<(), SyncError> {
        let path = format!("/users/{}", segment(key)?);
        self.tell(Method::DELETE, &path, None, &[StatusCode::NOT_FOUND]).await
    }

    /// `settled` are statuses that mean: it is so already.
    async fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        settled: &[StatusCode],
    ) -> Result<(), SyncError> {
        let base = self.facts().await?;
        let answer = self.send(method, &format!("{base}{path}"), body).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            status if settled.contains(&status) => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    pub(super) async fn facts(&self) -> Result<String, SyncError> {
        match &self.0.facts {
            Facts::Pdp { .. } => Ok(format!("{}/facts", self.0.pdp)),
            Facts::Api { base, scope } => {
                let scope = scope.get_or_try_init(|| self.scope(base)).await?;
                Ok(format!("{base}/v2/facts/{scope}"))
            }
        }
    }

    /// The project and the environment of the key.
    async fn scope(&self, base: &str) -> Result<String, SyncError> {
        let answer = self.send(Method::GET, &format!("{base}/v2/api-key/scope"), None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        let unusable = || SyncError::wrong("the key is not one of an environment");
        let object =
            Object::parse(answer.body()).map_err(|error| SyncError::wrong(format_args!("its scope: {error}")))?;
        let id = |name| object.string(name).ok().flatten().and_then(|id| percent::segment(&id)).ok_or_else(unusable);
        Ok(format!("{}/{}", id("project_id")?, id("environment_id")?))
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Response<Bytes>, SyncError> {
        let mut request = self.request(method, url, body).ok_or_else(|| SyncError::wrong("not a URL"))?;
        if let Facts::Pdp { wait: Some(wait) } = &self.0.facts {
            request.headers_mut().insert(WAIT_TIMEOUT, wait.clone());
            request.headers_mut().insert(TIMEOUT_POLICY, HeaderValue::from_static("fail"));
        }
        self.0.syncs.call(None, request).await.map_err(|error| SyncError {
            detail: error.to_string().into(),
            not_found: false,
            passing: !matches!(error, CallError::Unusable(_) | CallError::NoRuntime),
            retry_after: None,
        })
    }
}

pub(super) fn refused(answer: &Response<Bytes>) -> SyncError {
    let status = answer.status();
    SyncError {
        detail: status.to_string().into(),
        not_found: status == StatusCode::NOT_FOUND,
        // 424 is how the PDP says that it does not know it yet.
        passing: is_passing(status) || status == StatusCode::FAILED_DEPENDENCY,
        retry_after: retry_after(answer.headers(), None),
    }
}

fn assignment(user: &str, role: &str, tenant: &str) -> Result<Value, SyncError> {
    Ok(json!({ "user": named(user)?, "role": named(role)?, "tenant": named(tenant)? }))
}

fn named(key: &str) -> Result<&str, SyncError> {
    if key.is_empty() { Err(SyncError::wrong("an empty key")) } else { Ok(key) }
}

pub(super) fn segment(key: &str) -> Result<String, SyncError> {
    percent::segment(key).ok_or_else(|| SyncError::wrong("a key that cannot be part of a path"))
}

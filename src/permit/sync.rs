//! Telling Permit.io about users, tenants and roles. Everything may be said twice.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::builder::SYNC_DEADLINE;
use super::client::Facts;
use super::sync_error::{SyncError, refused};
use super::{Permit, PermitUser};
use crate::http::percent;
use crate::http::remote::CallError;
use crate::json::Object;

const WAIT_TIMEOUT: HeaderName = HeaderName::from_static("x-wait-timeout");
const TIMEOUT_POLICY: HeaderName = HeaderName::from_static("x-timeout-policy");

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

    /// Where facts are told and asked for.
    pub(super) async fn facts(&self) -> Result<String, SyncError> {
        match &self.0.facts {
            Facts::Pdp { .. } => Ok(format!("{}/facts", self.0.pdp)),
            Facts::Api { base, scope } => {
                let ask = || {
                    let (permit, url) = (self.clone(), format!("{base}/v2/api-key/scope"));
                    async move { permit.scope(&url).await }
                };
                Ok(format!("{base}/v2/facts/{}", scope.get(SYNC_DEADLINE, ask).await?))
            }
        }
    }

    /// The project and the environment of the key.
    async fn scope(&self, url: &str) -> Result<String, SyncError> {
        let answer = self.send(Method::GET, url, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        let unusable = || SyncError::setup("the key is not one of an environment");
        let object =
            Object::document(answer.body()).map_err(|error| SyncError::setup(format_args!("its scope: {error}")))?;
        let id = |name| object.string(name).ok().flatten().and_then(|id| percent::segment(&id)).ok_or_else(unusable);
        Ok(format!("{}/{}", id("project_id")?, id("environment_id")?))
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

fn assignment(user: &str, role: &str, tenant: &str) -> Result<Value, SyncError> {
    Ok(json!({ "user": named(user)?, "role": named(role)?, "tenant": named(tenant)? }))
}

fn named(key: &str) -> Result<&str, SyncError> {
    if key.is_empty() { Err(SyncError::content("an empty key")) } else { Ok(key) }
}

pub(super) fn segment(key: &str) -> Result<String, SyncError> {
    percent::segment(key).ok_or_else(|| SyncError::content("a key that cannot be part of a path"))
}

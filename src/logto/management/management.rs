//! The handle, as a source of permissions.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::api::Api;
use super::builder::LogtoManagementBuilder;
use super::snapshot;
use crate::flight::{NO_RUNTIME, has_runtime};
use crate::future::BoxFuture;
use crate::permissions::SourceError;
use crate::permissions::source::{PermissionQuery, PermissionSource, Permissions};

/// A fetch of permissions is given up after two seconds.
const LIMIT: Duration = Duration::from_millis(1900);
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[doc = include_str!("../../../docs/management.md")]
#[derive(Clone)]
pub struct LogtoManagement {
    pub(super) api: Arc<Api>,
}

impl LogtoManagement {
    /// Returns the settings for the tenant at this address (`https://{tenant}.logto.app`, without `/oidc`). The client
    /// must be a machine-to-machine application that holds the Management API's permission `all`.
    pub fn builder(
        base_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> LogtoManagementBuilder {
        LogtoManagementBuilder::new(base_url.into(), client_id.into(), client_secret.into())
    }
}

impl LogtoManagement {
    /// Where limits of this process held it up, ends before whoever fetches gives up: that is known here only.
    async fn in_time(&self, query: &PermissionQuery) -> Result<Permissions, SourceError> {
        if !has_runtime() {
            return Err(SourceError::new(NO_RUNTIME).not_asked());
        }
        let waits = &self.api.transport.limits.waits;
        let mark = waits.mark();
        let mut asked = pin!(snapshot::permissions(&self.api, query));
        match timeout(LIMIT, &mut asked).await {
            Ok(outcome) => outcome,
            Err(_) if waits.any_since(&mark) => {
                let error = SourceError::new("the limits of calls to the Management API left too little time");
                Err(error.retry_after(RETRY_AFTER).not_asked())
            }
            Err(_) => asked.await,
        }
    }
}

impl PermissionSource for LogtoManagement {
    /// # Errors
    ///
    /// Returns an error if Logto cannot be reached, if a limit or a 429 forbids the call now, or if the response is not
    /// one of the Management API.
    fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(self.in_time(query))
    }

    /// # Errors
    ///
    /// Returns an error if the access token is not granted, or if the Management API rejects it: the error names the
    /// setting to check.
    fn ready(&self) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(self.api.probe())
    }

    fn is_suspended<'a>(&'a self, subject_id: &'a str) -> BoxFuture<'a, Result<Option<bool>, SourceError>> {
        Box::pin(snapshot::is_suspended(&self.api, subject_id))
    }

    fn invalidate(&self) {
        self.api.shared.forget(&self.api.order);
    }

    /// Returns what half of the calls suffice for, with six calls for each question.
    fn lookups_per_minute(&self) -> Option<u32> {
        Some(u32::try_from(self.api.transport.limits.calls_a_minute() / 12).unwrap_or(u32::MAX))
    }

    /// Returns how many calls may begin now within the limit of ten seconds.
    fn calls_left(&self) -> Option<usize> {
        Some(self.api.transport.limits.calls_left())
    }
}

impl fmt::Debug for LogtoManagement {
    /// Without the secret and the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogtoManagement")
            .field("url", &self.api.url)
            .field("tokens", &self.api.tokens)
            .finish_non_exhaustive()
    }
}

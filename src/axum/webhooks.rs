//! The route that webhooks are delivered to.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::routing::{MethodRouter, post};
use http::StatusCode;

use crate::logto::webhooks::Webhooks;
use crate::logto::webhooks::{MAX_BODY_BYTES, WebhookError};

/// Logto waits ten seconds for an answer.
const READ_LIMIT: Duration = Duration::from_secs(10);

impl Webhooks {
    /// The route's endpoint: `POST` only, one mebibyte at most, answered when it has been applied.
    ///
    /// It is open, since the signature is what a delivery has to show.
    ///
    /// ```
    /// use orgate::ResourceServer;
    /// use orgate::logto::webhooks::SigningKeys;
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// let issuer = "https://tenant.logto.app/oidc";
    /// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
    /// let webhooks = server.webhooks(issuer, SigningKeys::new(["the hook's signing key"])?)?;
    /// let guard = server.guard().public("/webhooks/logto", webhooks.endpoint());
    /// # let _: axum::Router = guard.into_router()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn endpoint<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        post(async move |request: Request| deliver(&self, request).await)
    }
}

async fn deliver(webhooks: &Webhooks, request: Request<Body>) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(READ_LIMIT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refuse(webhooks, &WebhookError::BodyTooLarge),
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    match webhooks.receive(&parts.headers, &body) {
        Ok(event) => {
            tracing::debug!(target: "orgate", issuer = webhooks.issuer_name(), event = event.name(), "webhook");
            StatusCode::OK
        }
        Err(error) => refuse(webhooks, &error),
    }
}

fn refuse(webhooks: &Webhooks, error: &WebhookError) -> StatusCode {
    tracing::warn!(target: "orgate", issuer = webhooks.issuer_name(), %error, "webhook refused");
    match error {
        WebhookError::MissingSignature | WebhookError::WrongSignature => StatusCode::UNAUTHORIZED,
        WebhookError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        WebhookError::Unreadable(_) => StatusCode::BAD_REQUEST,
    }
}

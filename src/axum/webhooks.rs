//! The route that webhooks are delivered to.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::routing::{MethodRouter, post};
use http::StatusCode;

use crate::logto::webhooks::Webhooks;
use crate::logto::webhooks::{MAX_BODY_BYTES, WebhookError};

/// Logto waits ten seconds for an answer.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What is made room for because a header says so.
const MOST_AHEAD: usize = 64 * 1024;

impl Webhooks {
    /// Returns the route's endpoint: `POST` only, one mebibyte at most, answered when the event has been applied.
    ///
    /// It is public, since the signature is what a delivery has to show. Without one the body is not read.
    ///
    /// ```
    /// use orgate::ResourceServer;
    /// use orgate::logto::webhooks::SigningKeys;
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// let issuer = "https://tenant.logto.app/oidc";
    /// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
    /// let webhooks = server.issuer(issuer)?.webhooks(SigningKeys::new(["the hook's signing key"])?);
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
    let (head, body) = request.into_parts();
    let delivery = match webhooks.begin(&head) {
        Ok(delivery) => delivery,
        Err(error) => return refuse(None, &error),
    };
    let issuer = delivery.handle().issuer().to_owned();
    let Ok(read) = tokio::time::timeout(READ_LIMIT, read(body)).await else { return StatusCode::REQUEST_TIMEOUT };
    match read.and_then(|body| delivery.finish(&body)) {
        Ok(event) => {
            tracing::debug!(target: "orgate", issuer, event = event.name(), "webhook");
            StatusCode::OK
        }
        Err(error) => refuse(Some(&issuer), &error),
    }
}

/// The whole body, if it is not too large and does not break off.
async fn read(mut body: Body) -> Result<Bytes, WebhookError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_BODY_BYTES {
        return Err(WebhookError::BodyTooLarge);
    }
    let mut read = Vec::with_capacity(announced.min(MOST_AHEAD));
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| WebhookError::Interrupted)?;
        let data = frame.into_data().unwrap_or_default();
        if read.len() + data.len() > MAX_BODY_BYTES {
            return Err(WebhookError::BodyTooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.into())
}

fn refuse(issuer: Option<&str>, error: &WebhookError) -> StatusCode {
    tracing::warn!(target: "orgate", issuer, %error, "webhook rejected");
    match error {
        WebhookError::MissingSignature | WebhookError::WrongSignature => StatusCode::UNAUTHORIZED,
        WebhookError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        WebhookError::UnknownRecipient => StatusCode::NOT_FOUND,
        WebhookError::Removed => StatusCode::GONE,
        WebhookError::Interrupted | WebhookError::Unreadable(_) => StatusCode::BAD_REQUEST,
    }
}

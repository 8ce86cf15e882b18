//! The route that webhooks are delivered to.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};
use http::StatusCode;
use http::request::Parts;
use tokio::runtime::Handle;

use super::refuse::shape;
use crate::logto::webhooks::{MAX_BODY_BYTES, WebhookError, Webhooks};
use crate::organization::matched_path;
use crate::server::IssuerHandle;

/// Logto waits ten seconds for an answer.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What is made room for because a header says so.
const MOST_AHEAD: usize = 64 * 1024;

impl Webhooks {
    /// Returns the route's endpoint: `POST` only, one mebibyte at most, answered when the event has been applied.
    ///
    /// With a [change log](crate::server::Builder::change_log) it is also waited until the change is kept: half a second, then
    /// the response is 503, although the change applies here.
    ///
    /// It is public, since the signature is what a delivery has to show. Without one the body is not read. Rejected deliveries
    /// are answered as other requests are, with the body of [`Builder::rejection_body`](crate::server::Builder::rejection_body).
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

async fn deliver(webhooks: &Webhooks, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    match accept(webhooks, &head, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err((handle, error)) => {
            let rejection = shape(webhooks.reject(handle.as_ref(), error, &head), &head);
            tracing::warn!(
                target: "orgate",
                kind = rejection.kind().as_str(),
                method = %head.method,
                route = matched_path(&head),
                issuer = handle.as_ref().map(IssuerHandle::issuer),
                %error,
                "webhook rejected"
            );
            rejection.into_response().map(Body::from)
        }
    }
}

/// Whether the event was applied, or why not and for which entry it was.
async fn accept(webhooks: &Webhooks, head: &Parts, body: Body) -> Result<(), (Option<IssuerHandle>, WebhookError)> {
    let delivery = webhooks.begin_for(head)?;
    let handle = delivery.handle().clone();
    let read = read_in_time(body).await.inspect_err(|error| delivery.broke_off(*error));
    match read.and_then(|body| delivery.finish(&body)) {
        Ok(event) => {
            tracing::debug!(target: "orgate", issuer = handle.issuer(), event = event.name(), "webhook");
            if handle.changes_delivered().await { Ok(()) } else { Err((Some(handle), WebhookError::NotKept)) }
        }
        Err(error) => Err((Some(handle), error)),
    }
}

/// Without a tokio runtime there is no timer: then the limit is that of whoever serves the connection.
async fn read_in_time(body: Body) -> Result<Bytes, WebhookError> {
    if Handle::try_current().is_err() {
        return read(body).await;
    }
    tokio::time::timeout(READ_LIMIT, read(body)).await.unwrap_or(Err(WebhookError::TimedOut))
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

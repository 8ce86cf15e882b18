//! Signed messages of what has changed.

use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::TestTenant;
use super::directory::random_id;
use super::iso8601::iso8601;
use crate::testing::keys::random;

const SIGNATURE: HeaderName = HeaderName::from_static("logto-signature-sha-256");

/// One message of a webhook, as Logto would `POST` it: headers and a raw body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookDelivery {
    event: String,
    headers: HeaderMap,
    body: Bytes,
}

impl WebhookDelivery {
    /// Returns the name of the event: `User.SuspensionStatus.Updated`. Empty if the body names none.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns the headers: the type, the user agent and `logto-signature-sha-256`.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body, to be verified as it is.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the headers and the body.
    #[must_use]
    pub fn into_parts(self) -> (HeaderMap, Bytes) {
        (self.headers, self.body)
    }

    /// Removes the signature, as a hook without a signing key delivers.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.headers.remove(SIGNATURE);
        self
    }
}

/// What it tells.
impl TestTenant {
    /// Returns the deliveries of all changes since the last call, in order, exactly as Logto would send them. None is
    /// sent when a role is given or taken, and none when a role of the template gains or loses an API scope.
    #[must_use]
    pub fn take_deliveries(&self) -> Vec<WebhookDelivery> {
        self.tenant.store().outbox.take()
    }

    /// Returns the delivery of the console's test button: correctly signed, with invented values.
    #[must_use]
    pub fn test_delivery(&self) -> WebhookDelivery {
        let (store, now) = self.change();
        store.outbox.test(now)
    }

    /// Returns a delivery with any body, correctly signed.
    #[must_use]
    pub fn sign_delivery(&self, body: impl Into<Bytes>) -> WebhookDelivery {
        self.tenant.store().outbox.sign(body)
    }

    /// Returns the key that signs the deliveries.
    #[must_use]
    pub fn signing_key(&self) -> String {
        self.tenant.store().outbox.key().to_owned()
    }

    /// Signs with another key from now on; earlier deliveries stay unchanged.
    pub fn rotate_signing_key(&self) {
        self.tenant.store().outbox.new_key();
    }
}

/// A change through the Management API: the request that made it.
pub(super) struct Change<'a> {
    pub(super) method: &'static str,
    pub(super) status: u16,
    /// With parameters like `:id`.
    pub(super) route: &'static str,
    pub(super) params: &'a [(&'static str, &'a str)],
}

impl Change<'_> {
    fn path(&self) -> String {
        let value = |name: &str| self.params.iter().find(|(param, _)| *param == name).map(|(_, value)| *value);
        let parts = self.route.split('/').map(|part| part.strip_prefix(':').and_then(value).unwrap_or(part));
        parts.collect::<Vec<_>>().join("/")
    }

    /// The parameters, with a leftover of Logto's router under `/roles/:id`.
    fn params(&self) -> Map<String, Value> {
        let mut params: Map<_, _> =
            self.params.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        if let Some(rest) = self.path().strip_prefix("/roles").filter(|rest| !rest.is_empty()) {
            params.insert("0".to_owned(), rest.into());
        }
        params
    }
}

/// The messages not yet taken, and what signs them.
pub(super) struct Outbox {
    hook: String,
    key: String,
    waiting: Vec<WebhookDelivery>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { hook: random_id(), key: random(24), waiting: Vec::new() }
    }
}

impl Outbox {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn new_key(&mut self) {
        self.key = random(24);
    }

    pub(super) fn take(&mut self) -> Vec<WebhookDelivery> {
        std::mem::take(&mut self.waiting)
    }

    /// A data event. `told` is what the event says beside the request: `data`, `organizationId`.
    pub(super) fn tell(&mut self, now: Duration, event: &str, change: &Change<'_>, told: &[(&str, Value)]) {
        let mut body = json!({
            "event": event, "createdAt": iso8601(now), "ip": "127.0.0.1", "path": change.path(),
            "method": change.method, "status": change.status, "params": change.params(),
            "matchedRoute": change.route, "hookId": self.hook,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(told.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        let delivery = self.sign(body.to_string());
        self.waiting.push(delivery);
    }

    pub(super) fn tell_sign_in(&mut self, now: Duration, user: (&str, Value), application: &str) {
        let (id, record) = user;
        let application = json!({
            "id": application, "type": "Traditional", "name": application, "description": application,
        });
        let body = json!({
            "event": "PostSignIn", "interactionEvent": "SignIn", "createdAt": iso8601(now), "sessionId": random(16),
            "userId": id, "userIp": "127.0.0.1", "user": record, "application": application, "hookId": self.hook,
        });
        let delivery = self.sign(body.to_string());
        self.waiting.push(delivery);
    }

    /// What the console's test button sends: validly signed, with invented values.
    pub(super) fn test(&self, now: Duration) -> WebhookDelivery {
        let body = json!({
            "event": "User.Data.Updated", "hookId": self.hook, "createdAt": iso8601(now),
            "userAgent": "fake-user-agent", "path": "/fake-path/:id", "method": "POST", "status": 200,
            "params": { "id": "fake-id" }, "data": { "result": "success" },
        });
        self.sign(body.to_string())
    }

    pub(super) fn sign(&self, body: impl Into<Bytes>) -> WebhookDelivery {
        let body = body.into();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        let signature = hmac::sign(&key, &body);
        let signature = signature.as_ref().iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("Logto (https://logto.io/)"));
        if let Ok(signature) = HeaderValue::try_from(signature) {
            headers.insert(SIGNATURE, signature);
        }
        let event = serde_json::from_slice::<Value>(&body).ok();
        let event = event.as_ref().and_then(|body| body.get("event")?.as_str()).unwrap_or_default().to_owned();
        WebhookDelivery { event, headers, body }
    }
}

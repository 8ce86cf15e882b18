//! What a tenant answers instead of a token.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::answers;
use crate::testing::answers::Right;

/// A rejected token request: the response that the client receives, in Logto's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    body: Value,
}

impl Refused {
    /// Returns the status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns Logto's code: `oidc.invalid_grant`, `oidc.access_denied`, `user.suspended`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the whole body, as JSON.
    #[must_use]
    pub fn body(&self) -> String {
        self.body.to_string()
    }

    /// An error of the OIDC endpoints: RFC 6749's members beside Logto's.
    fn oidc(status: StatusCode, error: &str, message: &str, description: &str) -> Self {
        let code = format!("oidc.{error}");
        let body = json!({ "code": code, "message": message, "error": error, "error_description": description });
        Self { status, body }
    }

    /// An error of the Management API, and of the sign-in page.
    pub(super) fn api(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, body: json!({ "code": code, "message": message }) }
    }

    /// With one more member.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        if let Some(body) = self.body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) fn invalid_grant() -> Self {
        let refused = Self::oidc(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "Grant request is invalid.",
            "grant request is invalid",
        );
        refused.with("error_uri", "https://openid.sh/debug/invalid_grant".into())
    }

    pub(super) fn access_denied(description: &str) -> Self {
        Self::oidc(StatusCode::FORBIDDEN, "access_denied", "Access denied.", description)
    }

    pub(super) fn invalid_target(description: &str) -> Self {
        Self::oidc(StatusCode::BAD_REQUEST, "invalid_target", "Invalid resource indicator.", description)
    }

    pub(super) fn invalid_scope() -> Self {
        let description = "refresh token missing requested scope";
        Self::oidc(StatusCode::BAD_REQUEST, "invalid_scope", &format!("Invalid scope: {description}."), description)
    }

    pub(super) fn invalid_client() -> Self {
        let description = "client authentication failed";
        Self::oidc(StatusCode::UNAUTHORIZED, "invalid_client", "An OIDC error occurred: invalid_client.", description)
    }

    pub(super) fn invalid_request(description: &str) -> Self {
        Self::oidc(StatusCode::BAD_REQUEST, "invalid_request", "Request is invalid.", description)
    }

    pub(super) fn unsupported_grant_type() -> Self {
        let message = "Unsupported `grant_type` requested.";
        Self::oidc(StatusCode::BAD_REQUEST, "unsupported_grant_type", message, "unsupported grant_type requested")
    }

    pub(super) fn unauthorized_client() -> Self {
        let message = "An OIDC error occurred: unauthorized_client.";
        let description = "requested grant type is not allowed for this client";
        Self::oidc(StatusCode::BAD_REQUEST, "unauthorized_client", message, description)
    }

    pub(super) fn unsupported_token_type() -> Self {
        let message = "An OIDC error occurred: unsupported_token_type.";
        let description = "Structured JWT Tokens cannot be introspected via the introspection_endpoint";
        Self::oidc(StatusCode::BAD_REQUEST, "unsupported_token_type", message, description)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.body)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Right {
    fn from(refused: Refused) -> Self {
        answers::answer(refused.status, &refused.body)
    }
}

//! Asking for the access token: once for all who need one.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::sync::Semaphore;

use super::credential::{self, Advice, Credential, Granted, Token};
use super::limits::Allowance;
use super::transport::Transport;
use crate::http::percent::encode;
use crate::json::Object;
use crate::lock::lock;
use crate::permissions::source::SourceError;

const NAME: &str = "POST /oidc/token";
const MOST_BYTES: usize = 64 * 1024;

/// The client's credentials, and the token that they are good for.
pub(super) struct Tokens {
    endpoint: Uri,
    client_id: String,
    /// HTTP Basic, with the secret in it.
    authorization: HeaderValue,
    form: Bytes,
    credential: Mutex<Credential>,
    /// Whoever has the turn asks; the others wait for what comes of it.
    turn: Semaphore,
}

impl Tokens {
    pub(super) fn new(endpoint: Uri, client_id: &str, secret: &str, resource: &str) -> Self {
        // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
        let pair = BASE64_STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
        // Base64 stands in a header as it is.
        let mut authorization =
            HeaderValue::try_from(format!("Basic {pair}")).unwrap_or(HeaderValue::from_static("Basic"));
        authorization.set_sensitive(true);
        Self {
            endpoint,
            client_id: client_id.to_owned(),
            authorization,
            form: format!("grant_type=client_credentials&resource={}&scope=all", encode(resource)).into(),
            credential: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// The token, asked for if need be.
    pub(super) async fn get(&self, transport: &Transport, allowance: &Allowance<'_>) -> Result<Token, SourceError> {
        let advice = self.credential().ask(transport.now().monotonic);
        let _turn = match advice {
            Advice::Use(token) => return Ok(token),
            Advice::Failed(error) => return Err(error),
            Advice::Renew(None) => self.turn.acquire().await.map_err(SourceError::new)?,
            Advice::Renew(Some(held)) => match self.turn.try_acquire() {
                Ok(turn) => turn,
                Err(_) => return Ok(held),
            },
        };
        let asked = transport.now().monotonic;
        let advice = self.credential().ask(asked);
        let held = match advice {
            Advice::Use(token) => return Ok(token),
            Advice::Failed(error) => return Err(error),
            Advice::Renew(held) => held,
        };
        let outcome = self.fetch(transport, allowance).await;
        let mut credential = self.credential();
        if let (Err(error), Some(_)) = (&outcome, &held) {
            tracing::warn!(target: "orgate", %error, "the Management API's token was not renewed, the old one serves on");
        }
        credential.land(outcome, asked, transport.now().monotonic);
        match credential.ask(transport.now().monotonic) {
            Advice::Use(token) | Advice::Renew(Some(token)) => Ok(token),
            Advice::Failed(error) => Err(error),
            Advice::Renew(None) => Err(SourceError::new(format!("{NAME}: a token that has ended"))),
        }
    }

    /// The API took this token.
    pub(super) fn served(&self) {
        self.credential().served();
    }

    /// The API refused this token.
    pub(super) fn refused(&self, token: &Token) {
        self.credential().refused(token);
    }

    /// The API refuses tokens that were just granted.
    pub(super) fn fail(&self, token: &Token, error: SourceError, transport: &Transport) {
        let mut credential = self.credential();
        credential.refused(token);
        credential.fail(error, transport.now().monotonic);
    }

    async fn fetch(&self, transport: &Transport, allowance: &Allowance<'_>) -> Result<Granted, SourceError> {
        let mut request = Request::new(self.form.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = transport.send(allowance, request, NAME, MOST_BYTES).await?;
        match answer.status() {
            StatusCode::OK => credential::read(answer.body()).map_err(|why| SourceError::new(format!("{NAME}: {why}"))),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(SourceError::new(self.refusal(&answer)))
            }
            _ => Err(transport.unexpected(NAME, &answer)),
        }
    }

    /// What to look at, when the credentials are not taken.
    fn refusal(&self, answer: &Response<Bytes>) -> String {
        let error = error_code(answer.body()).unwrap_or_default();
        let look_at = match &*error {
            "invalid_client" | "unauthorized_client" => {
                "check the application's id and secret, and that it is machine-to-machine"
            }
            "invalid_target" => "check management_resource, or self_hosted() for a server of your own",
            _ => "check the application, and management_resource or self_hosted()",
        };
        let status = answer.status().as_u16();
        format!("{NAME}: status {status} {error} for the application {:?}: {look_at}", self.client_id)
    }

    fn credential(&self) -> MutexGuard<'_, Credential> {
        lock(&self.credential)
    }
}

/// RFC 6749 section 5.2: one word. Anything else is not repeated.
fn error_code(body: &[u8]) -> Option<String> {
    let error = Object::parse(body).ok()?.string("error").ok()??.into_owned();
    let is_word = error.len() <= 40 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some(error)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let endpoint = Uri::from_static("https://tenant.example/oidc/token");
        let tokens = Tokens::new(endpoint, "a:b", "p+ä %", "https://default.logto.app/api");
        let header = tokens.authorization.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64_STANDARD.decode(header).unwrap(), b"a%3Ab:p%2B%C3%A4%20%25");
        let form = "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all";
        assert_eq!(&tokens.form[..], form.as_bytes());
        let printed = format!("{tokens:?} {:?}", tokens.authorization);
        assert!(!printed.contains("p+") && !printed.contains(header), "{printed}");
    }

    #[test]
    fn only_a_word_is_repeated() {
        assert_eq!(error_code(br#"{"error":"invalid_client"}"#).as_deref(), Some("invalid_client"));
        for bad in [
            r#"{"error":"Secret 1"}"#,
            r#"{"error":1}"#,
            "<html>",
            "{}",
            &format!("{{\"error\":\"{}\"}}", "a".repeat(41)),
        ] {
            assert_eq!(error_code(bad.as_bytes()), None, "{bad}");
        }
    }
}

//! Asking for the access token: by one task for all who need it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::credential::{self, Advice, Credential, Granted, Token};
use super::limits::Allowance;
use super::transport::Transport;
use crate::flight::{NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::http::percent::encode;
use crate::json::Object;
use crate::lock::lock;
use crate::permissions::SourceError;

const NAME: &str = "POST /oidc/token";
const MOST_BYTES: usize = 64 * 1024;
/// Longer than the task takes: it waits for its turn, and for the answer.
const MOST_WAIT: Duration = Duration::from_secs(6);
/// Tokens that end before they can be used.
const MOST_TASKS: usize = 3;

/// The client's credentials, and the token that they are good for.
pub(super) struct Tokens {
    endpoint: Uri,
    client_id: String,
    /// HTTP Basic, with the secret in it.
    authorization: HeaderValue,
    form: Bytes,
    credential: Mutex<Credential>,
    asking: SingleFlight<(), ()>,
    transport: Arc<Transport>,
}

impl Tokens {
    pub(super) fn new(transport: Arc<Transport>, endpoint: Uri, client_id: &str, secret: &str, resource: &str) -> Self {
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
            asking: SingleFlight::default(),
            transport,
        }
    }

    /// The token, asked for if need be, by one task for all who need it.
    pub(super) async fn get(self: &Arc<Self>, allowance: &Arc<Allowance>) -> Result<Token, SourceError> {
        let work = || self.renewal(allowance);
        for _ in 0..MOST_TASKS {
            let advice = self.credential().ask(self.transport.now().monotonic);
            match advice {
                Advice::Use(token) => return Ok(token),
                Advice::Failed(error) => return Err(error),
                Advice::Renew(Some(held)) => {
                    self.asking.start(&(), work);
                    return Ok(held);
                }
                Advice::Renew(None) => match self.asking.join((), MOST_WAIT, work).await {
                    Ok(Ok(())) => {}
                    Ok(Err(Panicked)) => return Err(SourceError::new(format!("{NAME}: the HTTP client panicked"))),
                    Err(Unfinished::NoRuntime) => return Err(SourceError::new(NO_RUNTIME).not_asked()),
                    Err(Unfinished::Late) => {
                        return Err(SourceError::new(format!("{NAME}: no answer within {MOST_WAIT:?}")));
                    }
                },
            }
        }
        Err(SourceError::new(format!("{NAME}: tokens that have ended")))
    }

    /// Asks for a token, unless that was done meanwhile.
    fn renewal(self: &Arc<Self>, allowance: &Arc<Allowance>) -> impl Future<Output = ()> + Send + 'static {
        let asked = self.transport.now().monotonic;
        let held = match self.credential().ask(asked) {
            Advice::Renew(held) => Some(held.is_some()),
            Advice::Use(_) | Advice::Failed(_) => None,
        };
        let (tokens, allowance) = (self.clone(), allowance.clone());
        async move {
            let Some(is_held) = held else { return };
            let outcome = tokens.fetch(&allowance).await;
            if let (Err(error), true) = (&outcome, is_held) {
                tracing::warn!(target: "orgate", %error, "the Management API's token was not renewed: the old one stays in use");
            }
            tokens.credential().land(outcome, asked, tokens.transport.now().monotonic);
        }
    }

    /// The API took this token.
    pub(super) fn served(&self) {
        self.credential().served();
    }

    /// The API rejected this token.
    pub(super) fn refused(&self, token: &Token) {
        self.credential().refused(token);
    }

    /// The API rejects tokens that were just granted.
    pub(super) fn fail(&self, token: &Token, error: SourceError) {
        let mut credential = self.credential();
        credential.refused(token);
        credential.fail(error, self.transport.now().monotonic);
    }

    async fn fetch(&self, allowance: &Allowance) -> Result<Granted, SourceError> {
        let mut request = Request::new(self.form.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.transport.send(allowance, request, NAME, MOST_BYTES).await?;
        match answer.status() {
            StatusCode::OK => credential::read(answer.body()).map_err(|why| SourceError::new(format!("{NAME}: {why}"))),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(SourceError::new(self.refusal(&answer)))
            }
            _ => Err(self.transport.unexpected(NAME, &answer)),
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

    fn transport() -> Arc<Transport> {
        let clock: Arc<dyn crate::time::Clock> = Arc::new(crate::time::SystemClock::new());
        let fetch = crate::http::HttpClient::new().fetcher(&Uri::from_static("https://tenant.example")).unwrap();
        let limits = Arc::new(super::super::limits::Limits::new(1, 10, None, clock.clone()));
        Arc::new(Transport { fetch, limits, clock })
    }

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let endpoint = Uri::from_static("https://tenant.example/oidc/token");
        let tokens = Tokens::new(transport(), endpoint, "a:b", "p+ä %", "https://default.logto.app/api");
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

//! Asking the issuer: once for each token, however many requests wait, and not too many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::settings::Introspection;
use crate::http::Fetch;
use crate::issuer::TrustedIssuer;
use crate::signature;
use crate::time::Clock;

const DEADLINE: Duration = Duration::from_secs(2);
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Questions that wait for a place. Anybody can invent a token.
const MOST_WAITING: usize = 64;
/// All answers together.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Memory is freed after this time; answers end by themselves.
const FORGET: Duration = Duration::from_secs(600);

type Digest = [u8; 32];

/// Knows what opaque tokens are worth.
pub(crate) struct Introspector {
    settings: Introspection,
    /// Whose tokens they are.
    issuer_name: Arc<str>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    answers: Cache<Digest, Arc<Answer>>,
    questions: Semaphore,
    waiting: Semaphore,
}

impl Introspector {
    pub(crate) fn new(
        settings: Introspection,
        issuer_name: Arc<str>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let answers = Cache::builder()
            .weigher(|_, answer: &Arc<Answer>| answer.weight())
            .max_capacity(MOST_BYTES)
            .time_to_live(FORGET)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            questions: Semaphore::new(settings.at_once),
            waiting: Semaphore::new(settings.at_once + MOST_WAITING),
            settings,
            issuer_name,
            fetch,
            clock,
            answers,
        }
    }

    pub(crate) fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// What the issuer says of the token, now or a short time ago. Waits two seconds at most.
    pub(crate) async fn ask(self: &Arc<Self>, token: &str, entry: &Arc<TrustedIssuer>) -> Arc<Answer> {
        let digest = signature::sha256(token.as_bytes());
        let known = self.answers.get(&digest).await;
        if let Some(known) = known.filter(|answer| answer.serves(entry, self.clock.now())) {
            return known;
        }
        let failed = |detail| Arc::new(Answer::failed(entry, detail, self.clock.now()));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return failed("it needs a tokio runtime") };
        // In a task of its own: whoever hangs up takes the answer from nobody else.
        let (asking, token, of) = (self.clone(), Box::<str>::from(token), entry.clone());
        let asked = runtime.spawn(async move {
            let is_over = |answer: &Arc<Answer>| !answer.serves(&of, asking.clock.now());
            let entry = asking.answers.entry(digest);
            entry.or_insert_with_if(asking.question(&token, digest, &of), is_over).await.into_value()
        });
        asked.await.unwrap_or_else(|_| failed("the question was cancelled"))
    }

    async fn question(self: &Arc<Self>, token: &str, digest: Digest, entry: &Arc<TrustedIssuer>) -> Arc<Answer> {
        let (asked_at, settings) = (self.clock.now(), &self.settings);
        let outcome = match self.request(token) {
            Err(error) => Err(error.to_string()),
            Ok(request) => {
                let asking = self.clone();
                // What panics here panics once, and not again for each who waits.
                let sent = tokio::spawn(async move { asking.send(request).await });
                sent.await.unwrap_or_else(|_| Err("the question was cancelled".to_owned()))
            }
        };
        Arc::new(match outcome {
            Ok(response) => Answer::of(&response, entry, settings, digest, asked_at),
            // It counts from now on: two seconds may have passed in vain.
            Err(detail) => Answer::failed(entry, &detail, self.clock.now()),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let answered = async {
            let _waiting = self.waiting.try_acquire().map_err(|_| "too many questions wait already")?;
            let _place = self.questions.acquire().await.map_err(|error| error.to_string())?;
            self.fetch.fetch(request, MAX_ANSWER_BYTES).await.map_err(|error| error.to_string())
        };
        let answered = tokio::time::timeout(DEADLINE, answered).await;
        answered.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
    }

    fn request(&self, token: &str) -> Result<Request<Bytes>, http::Error> {
        let (form, basic) = self.settings.form(token);
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.endpoint()?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(basic) = basic {
            headers.insert(AUTHORIZATION, basic);
        }
        Ok(request)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

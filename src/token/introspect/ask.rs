//! Asking the issuer: once for each token, however many requests wait, and not too many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Answer;
use super::settings::Introspection;
use crate::bounded::Bounded;
use crate::change::Epoch;
use crate::flight::{Bulkhead, Full, NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::http::{Fetch, send};
use crate::issuer::TrustedIssuer;
use crate::meter::{Call, CallOutcome, Measured, Meter};
use crate::signature;
use crate::time::Clock;

const DEADLINE: Duration = Duration::from_secs(2);
/// A slot must be free by then.
const MOST_QUEUING: Duration = Duration::from_secs(1);
/// A question ends by itself. Whoever waits longer waits for a runtime that stands still.
const MORE: Duration = Duration::from_millis(500);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
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
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    answers: Bounded<Digest, Answer>,
    /// By token, and by the entry whose rules it is judged by.
    flights: SingleFlight<(Digest, usize), Arc<Answer>>,
    pub(crate) slots: Arc<Bulkhead>,
    meter: Meter,
}

impl Introspector {
    pub(crate) fn new(settings: Introspection, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, meter: Meter) -> Self {
        let bounds =
            Cache::builder().max_capacity(MOST_BYTES).time_to_live(FORGET).eviction_policy(EvictionPolicy::lru());
        Self {
            flights: SingleFlight::default(),
            slots: Arc::new(Bulkhead::new(settings.at_once, MOST_WAITING)),
            settings,
            fetch,
            clock,
            answers: Bounded::weighed(bounds, |_, answer: &Answer| answer.weight()),
            meter,
        }
    }

    /// What the issuer says of the token, now or a short time ago. Waits for two questions at most, of two seconds each.
    pub(crate) async fn ask(self: &Arc<Self>, token: &str, entry: &Arc<TrustedIssuer>) -> Arc<Answer> {
        let digest = signature::sha256(token.as_bytes());
        if let Some(known) = self.known(&digest, entry) {
            return known;
        }
        let arrival = Epoch::latest();
        let joined = self.join(token, digest, entry).await;
        // A question from before that may not be remembered is not this one's.
        if joined.is_later_than(arrival) || joined.serves(entry, self.clock.now()) {
            return joined;
        }
        self.join(token, digest, entry).await
    }

    /// What a question says that is under way, or that begins now.
    async fn join(self: &Arc<Self>, token: &str, digest: Digest, entry: &Arc<TrustedIssuer>) -> Arc<Answer> {
        let work = || {
            let (asking, token, of) = (self.clone(), Box::<str>::from(token), entry.clone());
            async move {
                // Another one may have landed meanwhile.
                if let Some(known) = asking.known(&digest, &of) {
                    return known;
                }
                let answer = Arc::new(asking.question(&token, digest, &of).await);
                asking.answers.insert(digest, answer.clone());
                answer
            }
        };
        let of = Arc::as_ptr(entry) as usize;
        let failed = |detail: &str| Arc::new(Answer::failed(entry, detail, self.clock.now()));
        match self.flights.join((digest, of), DEADLINE + MORE, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Panicked)) => {
                let answer = failed("the HTTP client panicked");
                self.answers.insert(digest, answer.clone());
                answer
            }
            Err(Unfinished::NoRuntime) => failed(NO_RUNTIME),
            Err(Unfinished::Late) => failed("the request ended without a result"),
        }
    }

    fn known(&self, digest: &Digest, entry: &Arc<TrustedIssuer>) -> Option<Arc<Answer>> {
        self.answers.get(digest).filter(|answer| answer.serves(entry, self.clock.now()))
    }

    async fn question(&self, token: &str, digest: Digest, entry: &Arc<TrustedIssuer>) -> Answer {
        let asked_at = (Epoch::next(), self.clock.now());
        let outcome = match self.request(token) {
            Err(error) => Err(error.to_string()),
            Ok(request) => self.send(request, &entry.rules.name).await,
        };
        match outcome {
            Ok((response, call)) => {
                let answer = Answer::of(&response, entry, &self.settings, digest, asked_at);
                call.end(if answer.is_failure() { CallOutcome::Failed } else { CallOutcome::Answered });
                answer
            }
            // It counts from now on: two seconds may have passed in vain.
            Err(detail) => Answer::failed(entry, &detail, self.clock.now()),
        }
    }

    async fn send(&self, request: Request<Bytes>, issuer: &Arc<str>) -> Result<(Response<Bytes>, Measured), String> {
        let end = Instant::now() + DEADLINE;
        let at_once = self.slots.try_enter(None);
        let waited = at_once.is_none();
        let slot = match at_once {
            Some(slot) => Ok(slot),
            None => timeout(MOST_QUEUING, self.slots.enter(None)).await.unwrap_or(Err(Full)),
        };
        let _slot = slot.map_err(|Full| {
            self.meter.note(|to| to.not_called(Call::Introspection, Some(issuer)));
            "too many questions wait already"
        })?;
        let call = self.meter.begin(Call::Introspection, Some(issuer), &self.clock);
        match timeout_at(end, send(&*self.fetch, request, MAX_ANSWER_BYTES)).await {
            Ok(Ok(response)) => Ok((response, call)),
            Ok(Err(error)) => {
                call.end(CallOutcome::Failed);
                Err(error.to_string())
            }
            // The endpoint had less than its time.
            Err(_) if waited => {
                Err("too many questions are under way: too little time was left for this one".to_owned())
            }
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
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

//! Where a decision point takes questions.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::decision::DecisionError;
use crate::error::ConfigError;
use crate::flight::{NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::http::remote::Remote;
use crate::http::url;
use crate::http::url::{PlainHttp, is_loopback};
use crate::json::Object;
use crate::lock::lock;
use crate::time::Clock;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, Request, StatusCode, Uri};

/// For how long metadata counts, and how soon after a failure it is asked for again.
const LIFE: Duration = Duration::from_secs(10 * 60);
const BACK_OFF: Duration = Duration::from_secs(1);
/// Metadata is asked for once in ten minutes, and a new connection is part of it.
const LIMIT: Duration = Duration::from_secs(1);
/// A question ends by itself. Whoever waits longer waits for a runtime that stands still.
const MORE: Duration = Duration::from_millis(500);

/// The two places, as far as there are two.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) evaluation: Uri,
    pub(super) evaluations: Option<Uri>,
}

pub(super) enum Source {
    Given(Arc<Endpoints>),
    Metadata(Arc<Metadata>),
}

/// The metadata of a point (section 9), fetched when it is first needed and from time to time.
pub(super) struct Metadata {
    identifier: String,
    url: Uri,
    allow_http: bool,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    flight: SingleFlight<(), Result<Arc<Endpoints>, DecisionError>>,
}

#[derive(Default)]
struct Held {
    endpoints: Option<Arc<Endpoints>>,
    /// When it is due again.
    until: Duration,
    failure: Option<DecisionError>,
}

impl Metadata {
    pub(super) fn new(
        identifier: String,
        url: &Uri,
        allow_http: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let url = well_known(url).ok_or_else(|| ConfigError::new(format_args!("{identifier:?} is not a URL")))?;
        Ok(Self { identifier, url, allow_http, clock, held: Mutex::default(), flight: SingleFlight::default() })
    }

    async fn endpoints(self: &Arc<Self>, remote: &Arc<Remote>) -> Result<Arc<Endpoints>, DecisionError> {
        if let Some(known) = self.known() {
            return known;
        }
        let work = || {
            let (metadata, remote) = (self.clone(), remote.clone());
            async move {
                // Another one may have landed meanwhile.
                match metadata.known() {
                    Some(known) => known,
                    None => metadata.keep(metadata.ask(&remote).await.map(Arc::new)),
                }
            }
        };
        match self.flight.join((), LIMIT + MORE, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Panicked)) => Err(DecisionError::wrong("the HTTP client panicked")),
            Err(Unfinished::NoRuntime) => Err(DecisionError::wrong(NO_RUNTIME)),
            Err(Unfinished::Late) => Err(DecisionError::wrong("the request for metadata ended without a result")),
        }
    }

    /// What is known, unless it is due again.
    fn known(&self) -> Option<Result<Arc<Endpoints>, DecisionError>> {
        let held = self.held();
        if self.clock.now().monotonic >= held.until {
            return None;
        }
        match (&held.endpoints, &held.failure) {
            (Some(endpoints), _) => Some(Ok(endpoints.clone())),
            (None, failure) => failure.clone().map(Err),
        }
    }

    fn keep(&self, asked: Result<Arc<Endpoints>, DecisionError>) -> Result<Arc<Endpoints>, DecisionError> {
        let now = self.clock.now().monotonic;
        let mut held = self.held();
        match asked {
            Ok(endpoints) => {
                let until = now.saturating_add(LIFE);
                *held = Held { endpoints: Some(endpoints.clone()), until, failure: None };
                Ok(endpoints)
            }
            Err(failure) => {
                held.until = now.saturating_add(BACK_OFF);
                // A point whose metadata cannot be had just now is asked where it was found before.
                let known = held.endpoints.clone().filter(|_| failure.is_unavailable());
                if known.is_none() {
                    held.endpoints = None;
                    held.failure = Some(failure.clone());
                }
                known.ok_or(failure)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    async fn ask(&self, remote: &Remote) -> Result<Endpoints, DecisionError> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = remote.call_within(None, request, LIMIT).await?;
        if answer.status() != StatusCode::OK {
            return Err(DecisionError::refused(&answer));
        }
        self.read(answer.body()).map_err(|why| DecisionError::wrong(format_args!("metadata at {}: {why}", self.url)))
    }

    fn read(&self, document: &[u8]) -> Result<Endpoints, String> {
        let metadata = Object::document(document)?;
        let text = |name| metadata.string(name).map_err(|error| error.to_string());
        let stated = text("policy_decision_point")?;
        if stated.as_deref() != Some(&*self.identifier) {
            return Err(format!("it is about {stated:?}, not {:?} (AuthZEN 1.0 section 9.2.3)", self.identifier));
        }
        let evaluation = text("access_evaluation_endpoint")?.ok_or("there is no access_evaluation_endpoint")?;
        let evaluations = text("access_evaluations_endpoint")?;
        Ok(Endpoints {
            evaluation: self.endpoint(&evaluation)?,
            evaluations: evaluations.map(|text| self.endpoint(&text)).transpose()?,
        })
    }

    /// Questions carry a credential, and so go to the origin that it was given for.
    fn endpoint(&self, text: &str) -> Result<Uri, String> {
        let plain = match self.allow_http {
            true => PlainHttp::Anywhere,
            false if is_loopback(&self.url) => PlainHttp::OnLoopback,
            false => PlainHttp::Never,
        };
        let url = url::parse(text, plain).map_err(|why| format!("{text:?}: {why}"))?;
        if (url.scheme(), url.authority()) == (self.url.scheme(), self.url.authority()) {
            Ok(url)
        } else {
            Err(format!("{text:?} is of another origin; if it is correct, use endpoints(..)"))
        }
    }
}

impl Source {
    pub(super) async fn endpoints(&self, remote: &Arc<Remote>) -> Result<Arc<Endpoints>, DecisionError> {
        match self {
            Self::Given(endpoints) => Ok(endpoints.clone()),
            Self::Metadata(metadata) => metadata.endpoints(remote).await,
        }
    }
}

/// Section 9.2.1: inserted between host and path.
fn well_known(identifier: &Uri) -> Option<Uri> {
    let path = identifier.path().trim_end_matches('/');
    with_path(identifier, &format!("/.well-known/authzen-configuration{path}"))
}

/// The path `path` below the identifier, whose own path comes first.
pub(super) fn below(identifier: &Uri, path: &str) -> Option<Uri> {
    with_path(identifier, &format!("{}{path}", identifier.path().trim_end_matches('/')))
}

fn with_path(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_things_are() {
        let places = |identifier: &str| {
            let identifier: Uri = identifier.parse().unwrap();
            [well_known(&identifier), below(&identifier, "/x")].map(|url| url.unwrap().to_string())
        };
        assert_eq!(
            places("https://pdp.example.com"),
            ["https://pdp.example.com/.well-known/authzen-configuration", "https://pdp.example.com/x"]
        );
        assert_eq!(
            places("https://pdp.example.com/tenant/"),
            ["https://pdp.example.com/.well-known/authzen-configuration/tenant", "https://pdp.example.com/tenant/x"]
        );
    }
}

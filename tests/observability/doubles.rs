//! Other servers that answer as they are told, and remember what they were asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use orgate::decision::{Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::trace::{TraceContext, current};
use serde_json::Value;

/// What it does next. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Inner>);

#[derive(Default)]
struct Inner {
    act: Mutex<Act>,
    contexts: Mutex<Vec<Option<TraceContext>>>,
    headers: Mutex<Vec<HeaderMap>>,
    said: Mutex<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Act {
    #[default]
    Answers,
    Denies,
    Fails,
    Panics,
}

impl Told {
    pub(crate) fn act(&self, act: Act) {
        *self.0.act.lock().unwrap() = act;
    }

    /// What an introspection endpoint says.
    pub(crate) fn says(&self, said: Value) {
        *self.0.said.lock().unwrap() = said;
    }

    /// The trace context of each call.
    pub(crate) fn contexts(&self) -> Vec<Option<TraceContext>> {
        self.0.contexts.lock().unwrap().clone()
    }

    /// The headers of each request.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.0.headers.lock().unwrap().clone()
    }

    fn next(&self) -> Act {
        self.0.contexts.lock().unwrap().push(current());
        let act = *self.0.act.lock().unwrap();
        assert_ne!(act, Act::Panics, "as it was told");
        act
    }
}

impl PermissionSource for Told {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            match self.next() {
                Act::Answers => Ok(Permissions::of(["read:orders"])),
                Act::Denies => Ok(Permissions::none()),
                _ => Err(SourceError::new("as it was told")),
            }
        })
    }

    fn calls_left(&self) -> Option<usize> {
        Some(42)
    }
}

impl DecisionPoint for Told {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async {
            match self.next() {
                Act::Answers => Ok(Decision::allow()),
                Act::Denies => Ok(Decision::deny()),
                _ => Err(DecisionError::unavailable("as it was told")),
            }
        })
    }

    fn calls_waiting(&self) -> usize {
        7
    }
}

impl Fetch for Told {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        self.0.headers.lock().unwrap().push(request.headers().clone());
        Box::pin(async {
            match self.next() {
                Act::Fails => Err(FetchError::new("as it was told")),
                _ => Ok(Response::new(self.0.said.lock().unwrap().to_string().into())),
            }
        })
    }
}

//! The HTTP side of a double: every call is written down, and a fault may come in the place of the right answer.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::lock::lock;
use crate::testing::Fault;
use crate::testing::answers::{Answer, Right, faulty, found_as};
use crate::testing::body::AnswerBody;
use crate::testing::loopback::{Loopback, read};
use crate::testing::script::Faults;

const MEDIA_TYPE: &str = "application/json";

/// One call that a double received.
#[derive(Clone)]
pub struct PdpCall {
    parts: Parts,
    body: Bytes,
}

impl PdpCall {
    /// Returns the method, such as `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    /// Returns the path as it was sent, without decoding it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// Returns the query as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// Returns a header that was sent once; `None` otherwise.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// Returns the body as text, with invalid UTF-8 replaced.
    #[must_use]
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body deserialized from JSON, if it fits.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for PdpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method(), self.path(), self.body())
    }
}

/// An answer, as a double's own logic gives it.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(super) const fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }
}

type Logic = Arc<dyn Fn(&PdpCall) -> Reply + Send + Sync>;

#[derive(Default)]
struct Record {
    calls: Vec<PdpCall>,
    in_flight: usize,
    most_in_flight: usize,
}

/// What the server and its handle share.
#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    /// By the beginning of a path.
    faults: Faults<String>,
}

/// A server whose tasks end with it.
pub(super) struct Double {
    url: String,
    shared: Arc<Shared>,
    server: Loopback,
}

impl Double {
    pub(super) async fn start(logic: impl FnOnce(&str) -> Logic) -> Self {
        let bound = TcpListener::bind(("127.0.0.1", 0)).await.and_then(|bound| Ok((bound.local_addr()?, bound)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("no port on 127.0.0.1 for a double: {error}"),
        };
        let url = format!("http://{address}");
        let (shared, logic) = (Arc::<Shared>::default(), logic(&url));
        let served = shared.clone();
        let server = Loopback::spawn(listener, move |request| serve(served.clone(), logic.clone(), request));
        Self { url, shared, server }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn calls(&self) -> Vec<PdpCall> {
        lock(&self.shared.record).calls.clone()
    }

    pub(super) fn take_calls(&self) -> Vec<PdpCall> {
        std::mem::take(&mut lock(&self.shared.record).calls)
    }

    pub(super) fn most_in_flight(&self) -> usize {
        lock(&self.shared.record).most_in_flight
    }

    pub(super) fn fail_next(&self, prefix: &str, fault: Fault) {
        self.shared.faults.next(prefix.to_owned(), fault);
    }

    pub(super) fn fail_always(&self, prefix: &str, fault: Fault) {
        self.shared.faults.always(prefix.to_owned(), fault);
    }

    pub(super) fn recover(&self) {
        self.shared.faults.recover();
    }

    pub(super) fn release(&self) {
        self.shared.faults.release();
    }

    /// Closes every connection, and resets those to come: the port stays ours.
    pub(super) fn take_down(&self) {
        self.server.close();
    }

    pub(super) fn bring_up(&self) {
        self.server.open();
    }
}

/// Counts as in flight until it is dropped.
struct Flight(Arc<Shared>);

impl Drop for Flight {
    fn drop(&mut self) {
        lock(&self.0.record).in_flight -= 1;
    }
}

async fn serve(shared: Arc<Shared>, logic: Logic, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let call = PdpCall { parts, body: read(body).await };
    let arrival = shared.faults.arrive();
    {
        let mut record = lock(&shared.record);
        record.calls.push(call.clone());
        record.in_flight += 1;
        record.most_in_flight = record.most_in_flight.max(record.in_flight);
    }
    let flight = Flight(shared.clone());
    let fault = shared.faults.meet(arrival, call.path()).await;
    let right = || right(logic(&call));
    let answer = match fault {
        None => right().map(AnswerBody::whole),
        Some(fault) => faulty(fault, MEDIA_TYPE, right),
    };
    drop(flight);
    answer
}

fn right(reply: Reply) -> Right {
    let mut answer = found_as(MEDIA_TYPE, reply.body.to_string().into());
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().extend(reply.headers);
    answer
}

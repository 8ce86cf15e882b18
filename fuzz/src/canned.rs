//! An HTTP client that has one answer, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Uri};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};

type Answer = dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Canned {
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Uri>>>,
}

impl Canned {
    pub(crate) fn new(answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    /// The first byte is the status, the rest is the body: `b'0'` and everything that is no other status means 200.
    pub(crate) fn of(data: &[u8]) -> (Self, u16, Vec<u8>) {
        let (status, body) = match data.split_first() {
            Some((b'1', rest)) => (500, rest),
            Some((b'2', rest)) => (401, rest),
            Some((b'3', rest)) => (304, rest),
            Some((_, rest)) => (200, rest),
            None => (200, data),
        };
        let bytes = Bytes::copy_from_slice(body);
        let canned = Self::new(move |_| {
            let mut response = Response::new(bytes.clone());
            *response.status_mut() = status.try_into().unwrap();
            response
        });
        // Readers of answers skip a byte order mark.
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        (canned, status, body.to_vec())
    }

    pub(crate) fn client(&self) -> HttpClient {
        HttpClient::custom(self.clone())
    }

    pub(crate) fn asked(&self) -> Vec<Uri> {
        self.asked.lock().unwrap().clone()
    }
}

impl Fetch for Canned {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        self.asked.lock().unwrap().push(request.uri().clone());
        let response = (self.answer)(&request);
        Box::pin(std::future::ready(Ok(response)))
    }
}

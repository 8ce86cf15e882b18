//! Requests to a router in this process: no socket, no runtime, and the answer is there at the first poll.

use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use futures_util::FutureExt as _;
use tower::Service as _;

use crate::case::{TOKENS, bearer};
use crate::rounds::{median, nanoseconds, time};

/// Requests that one row sends, in turn.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) router: Router,
    uris: Vec<Uri>,
    tokens: Vec<HeaderValue>,
    expected: StatusCode,
}

/// So many at once are made before the time is taken: few enough to stay in the nearest cache.
const AT_ONCE: usize = 32;

impl Load {
    pub(crate) fn new(router: Router, uri: &str, tokens: &[String]) -> Self {
        Self::along(router, [uri.to_owned()], tokens)
    }

    /// Several paths, in turn.
    pub(crate) fn along(router: Router, uris: impl IntoIterator<Item = String>, tokens: &[String]) -> Self {
        let uris = uris.into_iter().map(|uri| uri.parse().expect("a path")).collect();
        let tokens = tokens.iter().map(|token| bearer(token)).collect();
        Self { router, uris, tokens, expected: StatusCode::OK }
    }

    pub(crate) fn refused(self, expected: StatusCode) -> Self {
        Self { expected, ..self }
    }

    /// The same requests, in memory of their own: threads share nothing but the router.
    pub(crate) fn detached(&self) -> Self {
        let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).expect("the value of a header");
        Self { tokens: self.tokens.iter().map(copy).collect(), ..self.clone() }
    }

    pub(crate) fn request(&self, number: usize) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.uris[number % self.uris.len()].clone();
        if !self.tokens.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, self.tokens[number % self.tokens.len()].clone());
        }
        request
    }

    pub(crate) fn send(&mut self, request: Request<Body>) {
        let answer = self.router.call(request).now_or_never().expect("nothing to wait for");
        assert_eq!(answer.expect("an answer").status(), self.expected);
    }

    /// Nanoseconds a request that takes about a microsecond: the first ones warm up, `count` are timed, a few at once.
    pub(crate) fn batch(&mut self, count: usize) -> f64 {
        let mut times = Vec::new();
        for first in (0..count + AT_ONCE).step_by(AT_ONCE) {
            let requests: Vec<_> = (first..first + AT_ONCE).map(|number| self.request(number)).collect();
            let took = nanoseconds(time(|| requests.into_iter().for_each(|request| self.send(request))));
            #[allow(clippy::cast_precision_loss, reason = "a few")]
            times.push(took / AT_ONCE as f64);
        }
        median(times.split_off(1))
    }

    /// Nanoseconds a request that takes long: each token once, each timed by itself.
    pub(crate) fn each_once(&mut self) -> f64 {
        let requests: Vec<_> = (0..self.tokens.len()).map(|number| self.request(number)).collect();
        median(requests.into_iter().map(|request| nanoseconds(time(|| self.send(request)))).collect())
    }

    /// Nanoseconds of each single request, the clock's own time in it, once every token has been used.
    pub(crate) fn one_by_one(&mut self, count: usize, times: &mut Vec<f64>) {
        for first in (0..count + TOKENS).step_by(AT_ONCE) {
            let requests: Vec<_> = (first..first + AT_ONCE).map(|number| self.request(number)).collect();
            for request in requests {
                let took = nanoseconds(time(|| self.send(request)));
                if first >= TOKENS {
                    times.push(took);
                }
            }
        }
    }

    /// The allocations of one request: the least of several, since a table may grow now and then.
    pub(crate) fn allocations(&mut self) -> u64 {
        let once = |number| {
            let request = self.request(number);
            allocation_counter::measure(|| self.send(request)).count_total
        };
        (0..2 * TOKENS).map(once).min().unwrap_or_default()
    }
}

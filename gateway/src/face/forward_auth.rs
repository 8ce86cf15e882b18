use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;

use super::Current;
use crate::answer;
use crate::gateway::Gateway;
use crate::judge::refused;
use crate::net::{Body, Connections, Peer, full};
use crate::request::{ClientCertificate, Original, Preset, RequestFault};

/// NGINX drops the body of a rejection, and its configuration puts this in its place.
const PROBLEM: HeaderName = HeaderName::from_static("x-auth-problem");
/// The longest body that is repeated: all headers of an answer to NGINX share 4 KiB.
const LONGEST_PROBLEM: usize = 2048;

/// Answers a proxy that asks whether to let a request in.
pub(crate) struct ForwardAuth(pub(crate) Current);

impl Connections for ForwardAuth {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let gateway = self.0.load_full();
        let (question, _) = request.into_parts();
        decide(&gateway, &question).await.map(full)
    }
}

/// Answers 200 with the identity headers, or the response that the client should receive.
pub(crate) async fn decide(gateway: &Gateway, question: &Parts) -> Response<Bytes> {
    let Some((preset, path)) = &gateway.forward_auth else { return answer::no_route() };
    if !preset.asks_at(path, question) {
        return answer::no_route();
    }
    let mut request = match read(gateway, *preset, path, question).and_then(Original::into_parts) {
        Ok(request) => request,
        Err(fault) => return rejection(refused(fault), preset.repeats_body()),
    };
    match gateway.judge(&mut request).await {
        Ok(passed) => {
            let mut response = Response::new(Bytes::new());
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.extend(passed.identity);
            response
        }
        Err(response) => rejection(response, preset.repeats_body()),
    }
}

fn read(gateway: &Gateway, preset: Preset, path: &str, question: &Parts) -> Result<Original, RequestFault> {
    let mut original = preset.read(path, question)?;
    if let Some(name) = &gateway.certificate_header {
        original.certificate = ClientCertificate::of_header(&original.headers, name)?;
        original.headers.remove(name);
        // The proxy overwrites that name alone, and an application may read another spelling as the same.
        if original.headers.keys().any(|name| gateway.tells_certificate(name)) {
            return Err(RequestFault::Steering);
        }
    }
    Ok(original)
}

fn rejection(mut response: Response<Bytes>, repeats_body: bool) -> Response<Bytes> {
    // A proxy takes any other 2xx for a yes, and a rejection is none.
    if response.status().is_success() || response.status().is_informational() {
        response = answer::problem(http::StatusCode::FORBIDDEN, "The request was rejected.", "none");
    }
    join_challenges(response.headers_mut());
    if repeats_body && response.body().len() <= LONGEST_PROBLEM {
        let body = HeaderValue::from_bytes(response.body());
        if let Some(body) = body.ok().filter(|body| body.to_str().is_ok()) {
            response.headers_mut().insert(PROBLEM, body);
        }
    }
    response
}

/// NGINX keeps the first of several fields.
fn join_challenges(headers: &mut HeaderMap) {
    let challenges: Vec<&[u8]> = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes).collect();
    if challenges.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&challenges.join(&b", "[..]))
    {
        headers.insert(WWW_AUTHENTICATE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_become_one_field() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("DPoP algs=\"ES256\""));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"x\""));
        join_challenges(&mut headers);
        assert_eq!(headers.get_all(WWW_AUTHENTICATE).iter().count(), 1);
        assert_eq!(headers[WWW_AUTHENTICATE], "DPoP algs=\"ES256\", Bearer realm=\"x\"");
    }

    #[test]
    fn response_that_a_proxy_takes_for_a_yes_becomes_a_rejection() {
        let response = rejection(Response::new(Bytes::from_static(b"{}")), true);
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()[PROBLEM].as_bytes(), response.body());
    }
}

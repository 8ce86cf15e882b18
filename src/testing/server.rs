//! The HTTP side of a test issuer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::answers::{self, Answer, Right, faulty_issuer, refuse};
use super::body::AnswerBody;
use super::loopback::{Loopback, read};
use super::state::State;
use super::{Endpoint, Fault};

pub(super) fn spawn(listener: TcpListener, state: Arc<State>) -> Loopback {
    Loopback::spawn(listener, move |request| serve(Arc::clone(&state), request))
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let Some(endpoint) = state.endpoint(request.uri().path()) else {
        return refuse(StatusCode::NOT_FOUND);
    };
    if *request.method() != endpoint.method() {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED);
        if let Ok(allowed) = HeaderValue::from_str(endpoint.method().as_str()) {
            answer.headers_mut().insert(ALLOW, allowed);
        }
        return answer;
    }
    let arrival = state.faults.arrive();
    let flight = state.traffic.arrive(endpoint);
    let fault = state.faults.meet(arrival, &endpoint).await;
    let (head, body) = request.into_parts();
    let mut asked = Request::from_parts(head, read(body).await);
    if matches!(fault, Some(Fault::Huge | Fault::Reset)) {
        // What is too large, or breaks off, is a body.
        asked.headers_mut().remove(IF_NONE_MATCH);
    }
    let answer = match fault {
        None => right(&state, endpoint, &asked).map(AnswerBody::whole),
        Some(fault) => faulty_issuer(&state, endpoint, fault, || right(&state, endpoint, &asked)),
    };
    answer.map(|body| body.in_flight(flight))
}

fn right(state: &Arc<State>, endpoint: Endpoint, asked: &Request<Bytes>) -> Right {
    if let Some(tenant) = &state.tenant
        && let Some(answer) = tenant.answer(state, endpoint, asked)
    {
        return answer;
    }
    match endpoint {
        Endpoint::Keys => answers::keys(state, asked.headers()),
        _ => answers::metadata(state, &state.url),
    }
}

//! What an issuer answers: its metadata, its key set, and what a fault makes of the right answer.

use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::body::AnswerBody;
use super::keys::encode;
use super::state::State;
use super::{Endpoint, Fault};
use crate::lock::lock;

/// An answer before anything happens to it on its way.
pub(super) type Right = Response<Bytes>;
pub(super) type Answer = Response<AnswerBody>;

pub(super) fn keys(state: &State, asked: &HeaderMap) -> Right {
    let set = lock(&state.keys).jwks().to_string();
    let etag = format!("\"{}\"", encode(digest::digest(&digest::SHA256, set.as_bytes())));
    let mut answer = if has_seen(asked, &etag) {
        state.traffic.not_modified();
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        found(Endpoint::Keys, set)
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    let cache_control = lock(&state.cache_control).clone();
    if let Some(value) = cache_control {
        answer.headers_mut().insert(CACHE_CONTROL, value);
    }
    answer
}

/// RFC 9110 section 13.1.2: weak comparison with any of those listed.
fn has_seen(asked: &HeaderMap, etag: &str) -> bool {
    let listed = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

pub(super) fn metadata(state: &State, issuer: &str) -> Right {
    let here = &state.url;
    let metadata = json!({
        "issuer": issuer,
        "jwks_uri": format!("{here}/jwks"),
        "authorization_endpoint": format!("{here}/auth"),
        "token_endpoint": format!("{here}/token"),
        "introspection_endpoint": format!("{here}/token/introspection"),
        "revocation_endpoint": format!("{here}/token/revocation"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [lock(&state.keys).signing().alg()],
    });
    found(Endpoint::Discovery, metadata.to_string())
}

/// As [`faulty`], where a fault may be about the keys or the metadata.
pub(super) fn faulty_issuer(state: &State, endpoint: Endpoint, fault: Fault, right: impl FnOnce() -> Right) -> Answer {
    let right = match (&fault, endpoint) {
        (Fault::WrongIssuer, Endpoint::Discovery) => metadata(state, &format!("{}/other", state.url)),
        (Fault::NoKeys, Endpoint::Keys) => found(endpoint, json!({ "keys": [] }).to_string()),
        (Fault::TooManyKeys(count), Endpoint::Keys) => found(endpoint, crowd(state, *count)),
        _ => return faulty(fault, media_type(endpoint), right),
    };
    right.map(AnswerBody::whole)
}

/// The answer that the fault makes of the right one, which is asked for only where it is given in some form.
pub(super) fn faulty(fault: Fault, media_type: &'static str, right: impl FnOnce() -> Right) -> Answer {
    let found = |body: Bytes| found_as(media_type, body).map(AnswerBody::whole);
    match fault {
        Fault::Status(status) => refuse(final_status(status)),
        Fault::RetryAfter { status, after } => {
            let mut answer = refuse(final_status(status));
            answer.headers_mut().insert(RETRY_AFTER, whole_seconds(after).into());
            answer
        }
        Fault::Answer { status, body } => {
            let mut answer = found(body.into());
            *answer.status_mut() = final_status(status);
            answer
        }
        Fault::Garbage => found(Bytes::from_static(b"\x00\xff{]\xfe not JSON")),
        Fault::Empty => found(Bytes::new()),
        Fault::Body(body) => found(body.into()),
        Fault::Huge => right().map(|body| AnswerBody::whole([body, Bytes::from(vec![b' '; 300 * 1024])].concat())),
        Fault::Drip => found(Bytes::new()).map(|_| AnswerBody::drip()),
        Fault::Reset => right().map(AnswerBody::cut),
        Fault::Redirect(to) => {
            let mut answer = refuse(StatusCode::FOUND);
            if let Ok(to) = HeaderValue::try_from(to) {
                answer.headers_mut().insert(LOCATION, to);
            }
            answer
        }
        Fault::Delay(_) | Fault::Hold | Fault::Hang | Fault::WrongIssuer | Fault::NoKeys | Fault::TooManyKeys(_) => {
            right().map(AnswerBody::whole)
        }
    }
}

/// It was checked when the fault was scripted.
fn final_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The published keys, and copies of one that is not, up to `count`.
fn crowd(state: &State, count: usize) -> String {
    let stranger = lock(&state.keys).stranger().jwk();
    let mut set = lock(&state.keys).jwks();
    if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
        keys.extend((keys.len()..count).map(|number| {
            let mut jwk = stranger.clone();
            if let Some(jwk) = jwk.as_object_mut() {
                jwk.insert("kid".to_owned(), format!("one-of-many-{number}").into());
            }
            jwk
        }));
    }
    set.to_string()
}

const fn media_type(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Keys => "application/jwk-set+json; charset=utf-8",
        _ => "application/json; charset=utf-8",
    }
}

fn found(endpoint: Endpoint, body: impl Into<Bytes>) -> Right {
    found_as(media_type(endpoint), body.into())
}

/// Status 200, and a body of this type.
pub(super) fn found_as(media_type: &'static str, body: Bytes) -> Right {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// A JSON answer with this status.
pub(super) fn answer(status: StatusCode, body: &Value) -> Right {
    let mut answer = found(Endpoint::All, body.to_string());
    *answer.status_mut() = status;
    answer
}

pub(super) fn refuse(status: StatusCode) -> Answer {
    let body = json!({ "error": status.canonical_reason().unwrap_or("unknown") });
    answer(status, &body).map(AnswerBody::whole)
}

/// Rounded up, as `Retry-After` has it.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

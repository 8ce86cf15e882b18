//! How a request of an MCP server is decided.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Response};
use http_body::Body;

use super::answer::{Fault, unknown_method, unknown_session};
use super::body::RequestBody;
use super::buffer::Unread;
use super::headers::{Headers, SESSION, check_plain_json};
use super::message::{Call, Message};
use super::method::{Kind, Method, method};
use super::plan::Plan;
use crate::engine::{Grant, Requirement};
use crate::organization::ToolArguments;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// When to try again while there is no room for another body, or no time for another policy.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the client receives in place of the service's response.
pub(super) type Answer = Box<Response<Bytes>>;

/// A request that passed.
pub(super) struct Passed<B> {
    /// What the service should read.
    pub(super) body: RequestBody<B>,
    /// What was granted beside the grant in the request's extensions, by a message that names several things.
    pub(super) also: Vec<Grant>,
}

impl<B> Passed<B> {
    const fn unread(body: B) -> Self {
        Self { body: RequestBody::unread(body), also: Vec::new() }
    }
}

impl Plan {
    /// Decides a request.
    pub(super) async fn decide<B: Body>(&self, parts: &mut Parts, body: B) -> Result<Passed<B>, Answer> {
        let is_post = match parts.method {
            HttpMethod::POST => true,
            HttpMethod::GET | HttpMethod::DELETE => false,
            _ => return Err(Box::new(Fault::HttpMethod.response())),
        };
        let headers = match Headers::read(&parts.headers) {
            Ok(headers) => headers,
            Err(fault) => {
                self.admit(parts).await?;
                return Err(self.reject(fault, parts));
            }
        };
        let passed = if !is_post {
            authorize(&self.basic, parts).await?;
            Passed::unread(body)
        } else if let Some(requirement) = self.by_headers(&headers, parts).await? {
            authorize(requirement, parts).await?;
            Passed::unread(body)
        } else {
            self.by_body(&headers, parts, body).await?
        };
        self.own_session(&headers, parts)?;
        Ok(passed)
    }

    /// What the headers call, where the service compares them with the body; none if the body must be read.
    async fn by_headers(&self, headers: &Headers, parts: &mut Parts) -> Result<Option<&Requirement>, Answer> {
        if !self.trusts_headers || !headers.are_compared() {
            return Ok(None);
        }
        let (kind, name) = match (headers.method.as_deref().map(method), headers.name.as_deref()) {
            (Some(Method::Basic), _) => return Ok(Some(&self.basic)),
            (Some(Method::Completion | Method::Subscription), _) => return Ok(None),
            (Some(Method::Named(kind)), Some(name)) => (kind, name),
            (Some(Method::Unknown | Method::Resource), _) => {
                self.admit(parts).await?;
                return Err(self.reject_method(None, headers, parts));
            }
            (None, _) | (Some(Method::Named(_)), None) => {
                self.admit(parts).await?;
                return Err(self.reject(Fault::Header("Mcp-Method or Mcp-Name is missing"), parts));
            }
        };
        let Some(requirement) = self.requirement(kind, name) else {
            self.admit(parts).await?;
            return Err(self.reject_call(kind, parts));
        };
        Ok(Some(requirement))
    }

    /// Reads the body, once the token is verified, and decides by what it calls.
    async fn by_body<B: Body>(&self, headers: &Headers, parts: &mut Parts, body: B) -> Result<Passed<B>, Answer> {
        let state = self.admission.state();
        let began = state.clock.now().monotonic;
        self.admit(parts).await?;
        // The time that the client takes for its body is not the server's.
        let left = state.max_wait.saturating_sub(state.clock.now().monotonic.saturating_sub(began));
        check_plain_json(&parts.headers).map_err(|fault| self.reject(fault, parts))?;
        let (bytes, held) = match self.buffer.read(&holder(parts), body).await {
            Ok(read) => read,
            Err(Unread::Fault(fault)) => return Err(self.reject(fault, parts)),
            Err(Unread::Full) => return Err(self.reject_busy("the buffer of request bodies is full".into(), parts)),
        };
        let message = Message::parse(&bytes, &self.arguments, headers.are_compared())
            .map_err(|fault| self.reject(fault, parts))?;
        message.agrees(&bytes, headers).map_err(|fault| self.reject(fault, parts))?;
        match within(left, self.by_message(message, headers, parts)).await {
            Some(outcome) => outcome.map(|also| Passed { body: RequestBody::read(bytes, held), also }),
            None => Err(self.reject_busy(format!("not decided within {:?}", state.max_wait), parts)),
        }
    }

    /// Decides by what a message calls. The last grant is in the request's extensions; those before it are returned.
    async fn by_message(&self, message: Message, headers: &Headers, parts: &mut Parts) -> Result<Vec<Grant>, Answer> {
        match message.call {
            Call::Basic => authorize(&self.basic, parts).await.map(|_| Vec::new()),
            Call::Unknown => Err(self.reject_method(message.id.as_deref(), headers, parts)),
            Call::One(kind, name, arguments) => {
                let Some(requirement) = self.requirement(kind, &name) else {
                    return Err(self.reject_call(kind, parts));
                };
                parts.extensions.insert(ToolArguments::new(arguments));
                authorize(requirement, parts).await.map(|_| Vec::new())
            }
            Call::Resources(uris) => {
                let mut granted = vec![authorize(&self.basic, parts).await?];
                let mut met: Vec<&Requirement> = Vec::new();
                for uri in uris {
                    let Some(requirement) = self.requirement(Kind::Resource, &uri) else {
                        return Err(self.reject_call(Kind::Resource, parts));
                    };
                    // One message could make it ask for the same thing once for each resource.
                    if !met.iter().any(|known| std::ptr::eq(*known, requirement)) {
                        granted.push(authorize(requirement, parts).await?);
                        met.push(requirement);
                    }
                }
                granted.pop();
                Ok(granted)
            }
        }
    }

    /// A session belongs to whoever opened it.
    fn own_session(&self, headers: &Headers, parts: &mut Parts) -> Result<(), Answer> {
        let Some(bound) = &headers.session else { return Ok(()) };
        let token = parts.extensions.get::<Grant>().and_then(Grant::token);
        let own =
            token.and_then(|token| self.sessions.own(bound, token)).and_then(|own| HeaderValue::try_from(own).ok());
        if let Some(own) = own {
            parts.headers.insert(SESSION, own);
            return Ok(());
        }
        let detail = "the session is unknown, or belongs to another subject or client";
        let rejection = Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail);
        Err(with(unknown_session(), self.admission.refuse(rejection, parts)))
    }

    /// The id of a session that the service has opened, bound to its owner.
    pub(super) fn bind_session(&self, headers: &mut HeaderMap, grant: Option<&Grant>) {
        let Some(id) = headers.remove(SESSION) else { return };
        let token = grant.and_then(Grant::token);
        let bound = id.to_str().ok().zip(token).map(|(id, token)| self.sessions.bind(id, token));
        if let Some(bound) = bound.and_then(|bound| HeaderValue::try_from(bound).ok()) {
            headers.insert(SESSION, bound);
        }
    }

    async fn admit(&self, parts: &mut Parts) -> Result<(), Answer> {
        self.admission.admit(parts).await.map_err(response)
    }

    fn reject(&self, fault: Fault, parts: &Parts) -> Answer {
        with(fault.response(), self.admission.refuse(fault.rejection(), parts))
    }

    fn reject_busy(&self, detail: String, parts: &Parts) -> Answer {
        response(self.admission.refuse(Rejection::unavailable(RETRY_AFTER, detail), parts))
    }

    fn reject_method(&self, id: Option<&str>, headers: &Headers, parts: &Parts) -> Answer {
        let rejection = Rejection::new(RejectionKind::Denied, Remediation::None, "a method that no policy is about");
        with(unknown_method(id, headers.are_compared()), self.admission.refuse(rejection, parts))
    }

    fn reject_call(&self, kind: Kind, parts: &Parts) -> Answer {
        let detail = format!("{}: no policy is for what it calls", kind.method());
        let rejection = Rejection::new(RejectionKind::Denied, Remediation::None, detail);
        response(self.admission.refuse(rejection, parts))
    }
}

async fn authorize(requirement: &Requirement, parts: &mut Parts) -> Result<Grant, Answer> {
    requirement.authorize(parts).await.map_err(response)
}

/// One deadline for all policies of a message; without a tokio runtime there is no timer.
async fn within<T>(limit: Duration, deciding: impl Future<Output = T>) -> Option<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Some(deciding.await);
    }
    tokio::time::timeout(limit, deciding).await.ok()
}

fn response(rejection: Rejection) -> Answer {
    Box::new(rejection.into_response())
}

/// An answer in the protocol's own words, which tells whoever looks at the response what was rejected.
fn with(mut answer: Response<Bytes>, rejection: Rejection) -> Answer {
    answer.extensions_mut().insert(rejection);
    Box::new(answer)
}

/// Who holds what is buffered: a subject of an issuer.
fn holder(parts: &Parts) -> Arc<str> {
    match parts.extensions.get::<Grant>().and_then(Grant::token) {
        Some(token) => format!("{}\n{}", token.subject().issuer(), token.subject().id()).into(),
        None => "".into(),
    }
}

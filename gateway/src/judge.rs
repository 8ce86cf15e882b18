//! The decision about one request, the same for every face.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use orgate::Organization;
use orgate::engine::Grant;
use orgate::organization::PathParams;
use orgate::token::{AccessToken, SubjectKind};

use crate::answer;
use crate::gateway::{Access, Gateway, Route};
use crate::identity::{Claims, same_variable};
use crate::path::{self, Match};
use crate::request::{RequestFault, RequestId, host_of, is_steering};

/// A request that passed.
pub(crate) struct Passed<'g> {
    pub(crate) route: &'g Route,
    /// None on a public route.
    pub(crate) grant: Option<Grant>,
    /// The one host that the request names.
    pub(crate) host: Option<String>,
    /// Every identity header, empty where nothing is known.
    pub(crate) identity: Vec<(HeaderName, HeaderValue)>,
}

/// Where a request belongs.
pub(crate) enum Found<'g> {
    Route(&'g Route, &'g Arc<str>, Option<String>),
    Nothing,
    WrongMethod(Vec<Method>),
    Refused(RequestFault),
}

impl Gateway {
    /// Decides a request. Identity headers that came with it are gone afterwards, whatever the outcome.
    ///
    /// # Errors
    ///
    /// Returns the response that the client should receive.
    pub(crate) async fn judge(&self, request: &mut Parts) -> Result<Passed<'_>, Response<Bytes>> {
        let (route, pattern, host) = match self.prepare(request) {
            Found::Route(route, pattern, host) => (route, pattern, host),
            Found::Nothing => return Err(answer::no_route()),
            Found::WrongMethod(allow) => return Err(answer::wrong_method(&allow)),
            Found::Refused(fault) => return Err(refused(fault)),
        };
        let grant = match &route.access {
            Access::Public => None,
            Access::Policy(requirement) => match requirement.authorize(request).await {
                Ok(grant) => Some(grant),
                Err(rejection) => return Err(requirement.response(rejection, request)),
            },
        };
        let identity = self.identify(route, grant.as_ref()).ok_or_else(|| {
            tracing::warn!(target: "orgate", route = &**pattern, "the caller's identity does not fit the identity headers");
            answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "The request could not be forwarded.", "none")
        })?;
        Ok(Passed { route, grant, host, identity })
    }

    /// Takes out what a client must not send, and finds the route, whose parameters the request has afterwards.
    pub(crate) fn prepare(&self, request: &mut Parts) -> Found<'_> {
        self.strip(&mut request.headers);
        if let Some(id) = request.extensions.remove::<RequestId>() {
            id.write(&mut request.headers);
        }
        match self.look_up(request) {
            Ok((Match::Route { route, pattern, params }, host)) => {
                request.extensions.insert(PathParams::new(params).route(pattern.clone()));
                Found::Route(route, pattern, host)
            }
            Ok((Match::Nothing, _)) => Found::Nothing,
            Ok((Match::WrongMethod { allow }, _)) => Found::WrongMethod(allow),
            Ok((Match::Refused(fault), _)) => Found::Refused(fault.into()),
            Err(fault) => Found::Refused(fault),
        }
    }

    /// Removes what an application could take for a word of the gateway's or of a proxy's, about the caller or the request.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        self.identity.names.strip(headers);
        let names: Vec<HeaderName> = headers.keys().filter(|name| self.is_reserved(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }

    /// Whether a client could steer the application by this header: it goes on in no request.
    pub(crate) fn is_reserved(&self, name: &HeaderName) -> bool {
        is_steering(name) || self.tells_certificate(name)
    }

    /// Whether an application could take this header for the one in which a proxy tells the certificate of its client.
    pub(crate) fn tells_certificate(&self, name: &HeaderName) -> bool {
        let own = self.certificate_header.as_ref();
        own.is_some_and(|own| same_variable(own.as_str().as_bytes(), name.as_str().as_bytes()))
    }

    fn look_up(&self, request: &Parts) -> Result<(Match<'_, Route>, Option<String>), RequestFault> {
        let host = host_of(&request.uri, &request.headers)?;
        let target = request.uri.path_and_query().map_or("", |target| target.as_str());
        Ok((self.routes.find(&request.method, &path::read(target)?), host))
    }

    /// Returns `None` if a value does not fit its header.
    fn identify(&self, route: &Route, grant: Option<&Grant>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let names = &self.identity.names;
        let Some(token) = grant.and_then(Grant::token) else { return names.write(&Claims::default(), None) };
        let mut scope = String::with_capacity(64);
        for (at, one) in token.scopes().enumerate() {
            scope.extend([if at == 0 { "" } else { " " }, one]);
        }
        let claims = claims(token, grant, &scope);
        let assertion = match &self.identity.key {
            Some(key) => {
                let audience =
                    route.upstream.as_ref().map_or(self.identity.resource.clone(), |upstream| upstream.url());
                #[allow(clippy::disallowed_methods, reason = "an assertion is read by another clock")]
                let now = SystemTime::now();
                Some(key.sign(&self.identity.public_url, &audience, &claims, now)?)
            }
            None => None,
        };
        names.write(&claims, assertion.as_deref())
    }
}

fn claims<'a>(token: &'a AccessToken, grant: Option<&'a Grant>, scope: &'a str) -> Claims<'a> {
    Claims {
        subject: Some(token.subject().id()),
        organization: grant.and_then(Grant::organization).map(Organization::id),
        issuer: Some(token.issuer_name()),
        iss: Some(token.subject().issuer()),
        client: token.client_id(),
        kind: match token.subject().kind() {
            SubjectKind::User => Some("user"),
            SubjectKind::Machine => Some("machine"),
            _ => None,
        },
        scope: Some(scope),
    }
}

/// Logs why, and answers without saying it.
pub(crate) fn refused(fault: RequestFault) -> Response<Bytes> {
    tracing::debug!(target: "orgate", %fault, "request rejected before its route was looked for");
    answer::malformed()
}

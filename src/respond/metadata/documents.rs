//! The documents of one server, and the responses that carry them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value};

use super::location::Location;
use crate::respond::plain::plain;
use crate::respond::quotable::Quotable;
use crate::scope::Scope;

/// Browsers ask before they send this header, which MCP clients do.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("mcp-protocol-version");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Which issuers speak for an indicator now.
pub(crate) type AuthorizationServers<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// How tokens may be sent, and what they are bound to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SenderConstraint {
    pub(crate) takes_bearer: bool,
    pub(crate) proof_algorithms: Vec<&'static str>,
    pub(crate) proofs_required: bool,
    pub(crate) certificates: bool,
}

/// One document for each indicator.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    all: Vec<Document>,
    members: Vec<(&'static str, String)>,
    sender: SenderConstraint,
    cache_control: HeaderValue,
}

#[derive(Clone, Debug)]
struct Document {
    location: Location,
    scopes: Vec<Scope>,
}

impl Documents {
    pub(super) fn new(max_age: Duration, members: Vec<(&'static str, String)>, sender: SenderConstraint) -> Self {
        let cache_control = HeaderValue::try_from(format!("public, max-age={}", max_age.as_secs()));
        let cache_control = cache_control.unwrap_or(HeaderValue::from_static("no-store"));
        Self { all: Vec::new(), members, sender, cache_control }
    }

    pub(super) fn add(&mut self, location: Location, scopes: Vec<Scope>) {
        if self.all.iter().all(|known| known.location.indicator != location.indicator) {
            self.all.push(Document { location, scopes });
        }
    }

    /// The path of an indicator's document.
    pub(crate) fn path(&self, indicator: &str) -> Option<&str> {
        self.document(indicator).map(|document| &*document.location.path)
    }

    fn document(&self, indicator: &str) -> Option<&Document> {
        self.all.iter().find(|document| *document.location.indicator == *indicator)
    }

    /// Where a challenge for these indicators finds a document: at the host that the request was sent to if one of them is
    /// there, else that of the first. The text is always the configuration's.
    pub(crate) fn url<'a>(&self, indicators: impl Iterator<Item = &'a str>, request: &Parts) -> Option<&Quotable> {
        let known = indicators.filter_map(|indicator| self.document(indicator));
        choose(known, request).map(|document| &document.location.url)
    }

    /// The response to a request for a document; `None` for any other path. Documents of several hosts may have one path.
    pub(crate) fn response(
        &self,
        request: &Parts,
        path: &str,
        servers: AuthorizationServers<'_>,
    ) -> Option<Response<Bytes>> {
        let query = request.uri.query();
        let here = |document: &&Document| {
            let Location { path: own, query: own_query, .. } = &document.location;
            **own == *path && own_query.as_deref().is_none_or(|own| Some(own) == query)
        };
        let mut documents: Vec<&Document> = self.all.iter().filter(here).collect();
        // Of two that differ in their query, the one that has it is meant.
        documents.sort_by_key(|document| document.location.query.is_none());
        let document = choose(documents.into_iter(), request)?;
        Some(match request.method {
            Method::GET | Method::HEAD => {
                let body = self.json(document, servers(&document.location.indicator));
                let mut response = plain(StatusCode::OK, body.to_string());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response.headers_mut().insert(CACHE_CONTROL, self.cache_control.clone());
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
                response
            }
            Method::OPTIONS => {
                let mut response = plain(StatusCode::NO_CONTENT, "");
                let headers = response.headers_mut();
                headers.insert(ALLOW, METHODS);
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
                response
            }
            _ => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "");
                response.headers_mut().insert(ALLOW, METHODS);
                response
            }
        })
    }

    /// Members without a value are absent (RFC 9728 section 3.2).
    fn json(&self, document: &Document, servers: Vec<String>) -> Value {
        let mut json = Map::new();
        let mut list = |name: &str, values: Vec<String>| {
            if !values.is_empty() {
                json.insert(name.to_owned(), values.into());
            }
        };
        list("authorization_servers", servers);
        list("scopes_supported", document.scopes.iter().map(ToString::to_string).collect());
        if self.sender.takes_bearer {
            list("bearer_methods_supported", vec!["header".to_owned()]);
        }
        let algorithms = self.sender.proof_algorithms.iter().map(ToString::to_string).collect();
        list("dpop_signing_alg_values_supported", algorithms);
        json.insert("resource".to_owned(), (*document.location.indicator).into());
        for (name, value) in &self.members {
            json.insert((*name).to_owned(), value.as_str().into());
        }
        for (name, value) in [
            ("dpop_bound_access_tokens_required", self.sender.proofs_required),
            ("tls_client_certificate_bound_access_tokens", self.sender.certificates),
        ] {
            if value {
                json.insert(name.to_owned(), value.into());
            }
        }
        json.into()
    }
}

/// The document at the request's host, or the first one.
fn choose<'a>(mut documents: impl Iterator<Item = &'a Document>, request: &Parts) -> Option<&'a Document> {
    let first = documents.next()?;
    let host = host(request).unwrap_or_default();
    if first.location.is_at(host) {
        return Some(first);
    }
    Some(documents.find(|document| document.location.is_at(host)).unwrap_or(first))
}

/// Where the request was sent to: by HTTP/2 the authority, else the one `Host` header.
fn host(request: &Parts) -> Option<&str> {
    if let Some(authority) = request.uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers.get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())?.to_str().ok()
}

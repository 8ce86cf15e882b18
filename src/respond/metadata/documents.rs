//! The documents of one server, and the responses that carry them.

use std::sync::Arc;
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
use crate::error::ConfigError;
use crate::http::url::PlainHttp;
use crate::respond::plain::plain;
use crate::respond::quotable::Quotable;
use crate::scope::Scope;

/// Browsers ask before they send this header, which MCP clients do.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("mcp-protocol-version");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Whether a document is of the host that it was asked of, and whether it has the query of the request: of two that differ in
/// their query, the one that has it is meant.
pub(crate) type Nearness = (bool, bool);

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

/// One document for each indicator that the server has from the start, and what all documents have in common.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    all: Vec<MetadataDocument>,
    members: Vec<(&'static str, Value)>,
    /// The scopes of a document that has none of its own.
    scopes: Vec<Scope>,
    sender: SenderConstraint,
    cache_control: HeaderValue,
    plain: PlainHttp,
}

/// The document of one indicator.
#[derive(Clone, Debug)]
pub(crate) struct MetadataDocument {
    location: Location,
    scopes: Vec<Scope>,
}

/// A rejected request, and the documents that its challenge may name beside those that the server has from the start.
#[derive(Clone, Copy)]
pub(crate) struct Rejected<'a> {
    pub(crate) request: &'a Parts,
    /// The path as the client sent it.
    pub(crate) path: &'a str,
    /// The documents of indicators that came with an issuer entry.
    pub(crate) added: &'a [Arc<MetadataDocument>],
}

#[cfg(test)]
impl<'a> Rejected<'a> {
    /// A request that no added document is for.
    pub(crate) fn of(request: &'a Parts) -> Self {
        Self { request, path: request.uri.path(), added: &[] }
    }
}

impl Documents {
    pub(super) fn new(
        max_age: Duration,
        members: Vec<(&'static str, Value)>,
        scopes: Vec<Scope>,
        (sender, plain): (SenderConstraint, PlainHttp),
    ) -> Self {
        let cache_control = HeaderValue::try_from(format!("public, max-age={}", max_age.as_secs()));
        let cache_control = cache_control.unwrap_or(HeaderValue::from_static("no-store"));
        Self { all: Vec::new(), members, scopes, sender, cache_control, plain }
    }

    pub(super) fn add(&mut self, location: Location, scopes: Option<Vec<Scope>>) {
        if self.all.iter().all(|known| known.location.indicator != location.indicator) {
            let scopes = scopes.unwrap_or_else(|| self.scopes.clone());
            self.all.push(MetadataDocument { location, scopes });
        }
    }

    /// The documents of those of an entry's indicators that the server does not have from the start.
    ///
    /// # Errors
    ///
    /// Returns the first indicator that no document can be found by.
    pub(crate) fn of_entry(&self, indicators: &[Arc<str>]) -> Result<Vec<Arc<MetadataDocument>>, ConfigError> {
        let unknown = indicators.iter().filter(|indicator| find(&self.all, indicator).is_none());
        let document = |indicator: &Arc<str>| {
            let location = Location::of(indicator, self.plain)?;
            Ok(Arc::new(MetadataDocument { location, scopes: self.scopes.clone() }))
        };
        unknown.map(document).collect()
    }

    /// The path of an indicator's document.
    pub(crate) fn path<'a>(&'a self, indicator: &str, added: &'a [Arc<MetadataDocument>]) -> Option<&'a str> {
        self.document(indicator, added).map(|document| &*document.location.path)
    }

    fn document<'a>(&'a self, indicator: &str, added: &'a [Arc<MetadataDocument>]) -> Option<&'a MetadataDocument> {
        find(&self.all, indicator).or_else(|| find(added.iter().map(|document| &**document), indicator))
    }

    /// Where a challenge for these indicators finds a document: that of the resource which the request was sent to, else that
    /// of the first indicator. Where any issuer entry is accepted, the resource may have come with one. The text is always the
    /// configuration's.
    pub(crate) fn url<'a>(
        &'a self,
        indicators: impl Iterator<Item = &'a str>,
        any_issuer: bool,
        rejected: Rejected<'a>,
    ) -> Option<&'a Quotable> {
        let known = indicators.filter_map(|indicator| self.document(indicator, rejected.added));
        let host = host(rejected.request).unwrap_or_default();
        let added = rejected.added.iter().map(|document| &**document);
        let added = added.filter(|document| any_issuer && document.location.is_at(host));
        let query = rejected.request.uri.query();
        let nearness = |document: &MetadataDocument| {
            (document.location.is_at(host), document.location.covers(rejected.path, query))
        };
        nearest(known.chain(added).map(|document| (nearness(document), document)))
            .map(|document| &document.location.url)
    }

    /// The response to a request for a document; `None` for any other path. Documents of several hosts may have one path.
    pub(crate) fn response(
        &self,
        request: &Parts,
        path: &str,
        added: &[Arc<MetadataDocument>],
        servers: AuthorizationServers<'_>,
    ) -> Option<Response<Bytes>> {
        let document = self.at(request, path, added)?;
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

    /// How near the document is that a request for one receives; `None` for any other request.
    pub(crate) fn nearness(&self, request: &Parts, path: &str, added: &[Arc<MetadataDocument>]) -> Option<Nearness> {
        self.at(request, path, added).map(|document| document.nearness(host(request).unwrap_or_default()))
    }

    fn at<'a>(
        &'a self,
        request: &Parts,
        path: &str,
        added: &'a [Arc<MetadataDocument>],
    ) -> Option<&'a MetadataDocument> {
        let query = request.uri.query();
        let here = |document: &&MetadataDocument| {
            let Location { path: own, query: own_query, .. } = &document.location;
            **own == *path && own_query.as_deref().is_none_or(|own| Some(own) == query)
        };
        let documents = self.all.iter().chain(added.iter().map(|document| &**document)).filter(here);
        let host = host(request).unwrap_or_default();
        nearest(documents.map(|document| (document.nearness(host), document)))
    }

    /// Members without a value are absent (RFC 9728 section 3.2).
    fn json(&self, document: &MetadataDocument, servers: Vec<String>) -> Value {
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
            json.insert((*name).to_owned(), value.clone());
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

impl MetadataDocument {
    fn nearness(&self, host: &str) -> Nearness {
        (self.location.is_at(host), self.location.query.is_some())
    }
}

fn find<'a>(
    documents: impl IntoIterator<Item = &'a MetadataDocument>,
    indicator: &str,
) -> Option<&'a MetadataDocument> {
    documents.into_iter().find(|document| *document.location.indicator == *indicator)
}

/// The first of those that are nearest.
pub(crate) fn nearest<T, N: Ord>(ranked: impl Iterator<Item = (N, T)>) -> Option<T> {
    ranked.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, nearest)| nearest)
}

/// Where the request was sent to: by HTTP/2 the authority, else the one `Host` header.
fn host(request: &Parts) -> Option<&str> {
    if let Some(authority) = request.uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers.get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())?.to_str().ok()
}

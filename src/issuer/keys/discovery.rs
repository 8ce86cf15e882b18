//! From an issuer to its key set: discovery (`OpenID` Connect Discovery 1.0, RFC 8414), then the set itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::compromised::{Compromised, PrivateKey};
use super::jwk::{KeyRules, KeySet, Parsed};
use crate::http::url;
use crate::http::url::{PlainHttp, is_loopback};
use crate::http::{Fetch, send};
use crate::json::Object;

/// The largest discovery document or key set that is read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Both documents together must be there by then, whatever the client's own limits are.
const FETCH_LIMIT: Duration = Duration::from_secs(5);
/// However old a document is when it comes, it is not asked for more often.
const LEAST_SECONDS: u64 = 60;

/// Where the keys of an issuer entry are.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// Where the issuer's metadata says. `hint`: what may help if there is none.
    Discovery { issuer: Arc<str>, hint: Option<&'static str> },
    /// At this URL.
    Url(Uri),
}

/// All that is needed to fetch the key set of one issuer entry.
pub(crate) struct Origin {
    pub(crate) name: Arc<str>,
    pub(crate) source: KeySource,
    pub(crate) rules: KeyRules,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) allow_http: bool,
    /// It outlives a change of the settings of its entry.
    pub(crate) compromised: Compromised,
}

/// What a fetch brought.
pub(crate) enum Fetched {
    Set { document: Box<Document>, skipped: Vec<String>, private: Vec<PrivateKey>, max_age: Option<Duration> },
    NotModified { max_age: Option<Duration> },
}

/// The document to use, what was skipped in it, and for how long the issuer says that it is fresh.
type Resolved = (Arc<Document>, Vec<String>, Option<Duration>);

impl Fetched {
    /// What it means where `old` is held, and these keys are compromised.
    pub(super) fn resolve(self, old: Option<&Arc<Document>>, compromised: &Compromised) -> Result<Resolved, String> {
        match (self, old) {
            (Self::Set { mut document, skipped, max_age, .. }, old) => {
                document.set = document.set.without(|key| compromised.holds(key));
                if let Some(old) = old {
                    document.set.carry_over(&old.set);
                }
                Ok((Arc::from(document), skipped, max_age))
            }
            (Self::NotModified { max_age }, Some(old)) => Ok((old.clone(), Vec::new(), max_age)),
            (Self::NotModified { .. }, None) => Err("a 304 without an earlier key set".to_owned()),
        }
    }
}

/// A key set, and the version of the document that it was read from.
pub(crate) struct Document {
    pub(crate) set: KeySet,
    pub(crate) version: Option<Version>,
}

/// Which version of which document a key set was read from. An entity tag means nothing at another URL.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    url: Uri,
    etag: HeaderValue,
}

impl Origin {
    /// Fetches the key set; `held` is the version of the one that is held.
    pub(crate) async fn fetch(&self, held: Option<Version>) -> Result<Fetched, String> {
        match tokio::time::timeout(FETCH_LIMIT, self.fetch_documents(held)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} s", FETCH_LIMIT.as_secs())),
        }
    }

    async fn fetch_documents(&self, held: Option<Version>) -> Result<Fetched, String> {
        let url = match &self.source {
            KeySource::Url(url) => url.clone(),
            KeySource::Discovery { issuer, hint } => self.discover(issuer, *hint).await?,
        };
        let etag = held.filter(|held| held.url == url).map(|held| held.etag);
        let conditional = etag.is_some();
        let answer = self.get(&url, etag).await?;
        let max_age = max_age(answer.headers());
        match answer.status() {
            StatusCode::NOT_MODIFIED if conditional => Ok(Fetched::NotModified { max_age }),
            StatusCode::OK => {
                let Parsed { set, skipped, private } = KeySet::parse(answer.body(), &self.rules)
                    .map_err(|reason| format!("key set at {url}: {reason}"))?;
                let version = answer.headers().get(ETAG).map(|etag| Version { url, etag: etag.clone() });
                Ok(Fetched::Set { document: Box::new(Document { set, version }), skipped, private, max_age })
            }
            status => Err(format!("key set at {url}: status {status}")),
        }
    }

    /// The `jwks_uri` of the issuer, from its `OpenID` document or, where that is not there, from RFC 8414's.
    async fn discover(&self, issuer: &str, hint: Option<&'static str>) -> Result<Uri, String> {
        let mut refused = Vec::new();
        for url in metadata_urls(issuer)? {
            let answer = self.get(&url, None).await.map_err(|reason| with(&refused, reason))?;
            let status = answer.status();
            if status == StatusCode::OK {
                let read = self.read_metadata(issuer, answer.body());
                return read.map_err(|reason| with(&refused, format!("metadata at {url}: {reason}")));
            }
            refused.push(format!("metadata at {url}: status {status}"));
            // What servers say of a path that they do not have is not always 404.
            if !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        if refused.len() == 2 {
            refused.extend(hint.map(str::to_owned));
        }
        Err(refused.join("; "))
    }

    fn read_metadata(&self, issuer: &str, document: &[u8]) -> Result<Uri, String> {
        let metadata = Object::document(document)?;
        let stated = metadata.string("issuer").map_err(|error| error.to_string())?;
        if stated.as_deref() != Some(issuer) {
            let slash = |stated: &str| stated.trim_end_matches('/') == issuer.trim_end_matches('/');
            let hint = if stated.as_deref().is_some_and(slash) { "; they differ by a slash at the end" } else { "" };
            return Err(format!("its issuer is {stated:?}, not {issuer:?} (RFC 8414 section 3.3){hint}"));
        }
        let stated = metadata.string("jwks_uri").map_err(|error| error.to_string())?.ok_or("there is no jwks_uri")?;
        // A remote issuer must not point at this machine: plain http on loopback is for issuers that are there themselves.
        let plain = match issuer.parse::<Uri>() {
            _ if self.allow_http => PlainHttp::Anywhere,
            Ok(issuer) if is_loopback(&issuer) => PlainHttp::OnLoopback,
            _ => PlainHttp::Never,
        };
        url::parse(&stated, plain).map_err(|why| format!("jwks_uri {stated:?}: {why}"))
    }

    async fn get(&self, url: &Uri, etag: Option<HeaderValue>) -> Result<Response<Bytes>, String> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
        if let Some(etag) = etag {
            request.headers_mut().insert(IF_NONE_MATCH, etag);
        }
        send(&*self.fetch, request, MAX_DOCUMENT_BYTES).await.map_err(|error| format!("{url}: {error}"))
    }
}

/// A reason, after what was asked before.
fn with(before: &[String], reason: String) -> String {
    before.iter().cloned().chain([reason]).collect::<Vec<_>>().join("; ")
}

/// `OpenID` Connect Discovery appends to the issuer; RFC 8414 inserts between host and path.
fn metadata_urls(issuer: &str) -> Result<[Uri; 2], String> {
    let not_a_url = |_| format!("issuer {issuer:?} is not a URL");
    let openid =
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse().map_err(not_a_url)?;
    let mut parts = issuer.parse::<Uri>().map_err(not_a_url)?.into_parts();
    let path = parts.path_and_query.as_ref().map_or("", |path| path.path().trim_end_matches('/'));
    let path = format!("/.well-known/oauth-authorization-server{path}");
    parts.path_and_query = Some(path.parse::<PathAndQuery>().map_err(not_a_url)?);
    let oauth = Uri::from_parts(parts).map_err(|_| format!("issuer {issuer:?} is not a URL"))?;
    Ok([openid, oauth])
}

/// For how long a response is fresh: its `max-age` less its `Age` (RFC 9111 section 4.2), unless another directive says that
/// it must not be reused. A document that is nearly as old as it may get is still good for a minute.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut seconds = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',').map(str::trim) {
            if directive.eq_ignore_ascii_case("no-cache") || directive.eq_ignore_ascii_case("no-store") {
                return None;
            }
            if let Some((name, value)) = directive.split_once('=')
                && name.eq_ignore_ascii_case("max-age")
            {
                seconds = value.parse().ok();
            }
        }
    }
    let seconds: u64 = seconds?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()).map(str::trim).filter(|age| digits(age));
    let age = age.map_or(0, |age| age.parse().unwrap_or(u64::MAX));
    Some(Duration::from_secs(seconds.saturating_sub(age).max(seconds.min(LEAST_SECONDS))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_metadata_forms() {
        let urls = |issuer| metadata_urls(issuer).unwrap().map(|url| url.to_string());
        assert_eq!(
            urls("https://tenant.logto.app/oidc"),
            [
                "https://tenant.logto.app/oidc/.well-known/openid-configuration",
                "https://tenant.logto.app/.well-known/oauth-authorization-server/oidc"
            ]
        );
        assert_eq!(
            urls("https://issuer.example/"),
            [
                "https://issuer.example/.well-known/openid-configuration",
                "https://issuer.example/.well-known/oauth-authorization-server"
            ]
        );
        assert!(metadata_urls("not a url").is_err());
    }

    #[test]
    fn max_age_counts_only_alone() {
        let age = |value: &'static str| {
            max_age(&[(CACHE_CONTROL, HeaderValue::from_static(value))].into_iter().collect()).map(|age| age.as_secs())
        };
        assert_eq!(age("public, Max-Age=300"), Some(300));
        assert_eq!(age("no-cache, max-age=300"), None);
        assert_eq!(age("max-age=300, no-store"), None);
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(age("max-age=99999999999999999999999"), None);
        assert_eq!(age("public"), None);
    }

    #[test]
    fn time_in_a_cache_is_subtracted_from_max_age() {
        let left = |max_age: u64, age: &'static str| {
            let max_age = HeaderValue::try_from(format!("max-age={max_age}")).unwrap();
            let headers = [(CACHE_CONTROL, max_age), (AGE, HeaderValue::from_static(age))].into_iter().collect();
            super::max_age(&headers).map(|left| left.as_secs())
        };
        assert_eq!(left(86_400, "86000"), Some(400));
        assert_eq!(left(86_400, "0"), Some(86_400));
        assert_eq!(left(86_400, "86390"), Some(60));
        assert_eq!(left(600, "99999999"), Some(60));
        assert_eq!(left(10, "5"), Some(10), "too short to count, whatever its age");
        assert_eq!(left(600, "x"), Some(600));
        assert_eq!(left(600, "99999999999999999999999999"), Some(60));
    }
}

//! From an issuer to its key set: discovery (`OpenID` Connect Discovery 1.0, RFC 8414), then the set itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::jwk::{KeyRules, KeySet};
use crate::http::Fetch;
use crate::http::url;
use crate::http::url::{PlainHttp, is_loopback};
use crate::json::Object;

/// The largest discovery document or key set that is read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Both documents together must be there by then, whatever the client's own limits are.
const FETCH_LIMIT: Duration = Duration::from_secs(5);

/// Where the keys of an issuer entry are.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// Where the issuer's metadata says.
    Discovery { issuer: Arc<str> },
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
}

/// What a fetch brought.
pub(crate) enum Fetched {
    Set { document: Box<Document>, skipped: Vec<String>, max_age: Option<Duration> },
    NotModified { max_age: Option<Duration> },
}

impl Fetched {
    pub(crate) const fn max_age(&self) -> Option<Duration> {
        match self {
            Self::Set { max_age, .. } | Self::NotModified { max_age } => *max_age,
        }
    }
}

/// A key set, and the text that it was read from.
pub(crate) struct Document {
    pub(crate) set: KeySet,
    pub(crate) text: Bytes,
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
            KeySource::Discovery { issuer } => self.discover(issuer).await?,
        };
        let etag = held.filter(|held| held.url == url).map(|held| held.etag);
        let conditional = etag.is_some();
        let answer = self.get(&url, etag).await?;
        let max_age = max_age(answer.headers());
        match answer.status() {
            StatusCode::NOT_MODIFIED if conditional => Ok(Fetched::NotModified { max_age }),
            StatusCode::OK => {
                let (set, skipped) = KeySet::parse(answer.body(), &self.rules)
                    .map_err(|reason| format!("key set at {url}: {reason}"))?;
                let version = answer.headers().get(ETAG).map(|etag| Version { url, etag: etag.clone() });
                let document = Box::new(Document { set, text: answer.into_body(), version });
                Ok(Fetched::Set { document, skipped, max_age })
            }
            status => Err(format!("key set at {url}: status {status}")),
        }
    }

    /// The `jwks_uri` of the issuer, from its `OpenID` document or, where there is none, from RFC 8414's.
    async fn discover(&self, issuer: &str) -> Result<Uri, String> {
        let [openid, oauth] = metadata_urls(issuer)?;
        let mut url = openid;
        let mut answer = self.get(&url, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            url = oauth;
            answer = self.get(&url, None).await?;
        }
        if answer.status() != StatusCode::OK {
            return Err(format!("metadata at {url}: status {}", answer.status()));
        }
        self.read_metadata(issuer, answer.body()).map_err(|reason| format!("metadata at {url}: {reason}"))
    }

    fn read_metadata(&self, issuer: &str, document: &[u8]) -> Result<Uri, String> {
        let metadata = Object::parse(document).map_err(|error| error.to_string())?;
        let stated = metadata.string("issuer").map_err(|error| error.to_string())?;
        if stated.as_deref() != Some(issuer) {
            return Err(format!("its issuer is {stated:?}, not {issuer:?} (RFC 8414 section 3.3)"));
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
        let answer = self.fetch.fetch(request, MAX_DOCUMENT_BYTES).await.map_err(|error| format!("{url}: {error}"))?;
        if answer.body().len() > MAX_DOCUMENT_BYTES {
            return Err(format!("{url}: more than {MAX_DOCUMENT_BYTES} bytes"));
        }
        Ok(answer)
    }
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

/// `max-age`, unless another directive says that the answer must not be reused.
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
    seconds.map(Duration::from_secs)
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
}

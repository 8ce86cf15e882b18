//! The proxy through which requests are sent.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::error::ConfigError;
use crate::http::url::without_user;

/// Where it is, and how this process authenticates there.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: Uri,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Reads `http://user:password@host:port`; the scheme, the port and the user may be missing.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let fault = |why: &str| ConfigError::new(format_args!("HTTP client: proxy {:?}: {why}", without_user(text)));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = match scheme {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(fault("not an http or https URL")),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        let url = Uri::builder().scheme(scheme).authority(host).path_and_query(PathAndQuery::from_static("/")).build();
        let url = url.map_err(|_| fault("not a host with an optional port"))?;
        if url.host().is_none_or(str::is_empty) {
            return Err(fault("no host"));
        }
        let authorization = user.map(basic).transpose().map_err(|()| fault("not a user name and a password"))?;
        Ok(Self { url, authorization })
    }
}

/// RFC 7617. Both parts may be percent-encoded.
fn basic(user: &str) -> Result<HeaderValue, ()> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut credentials: Vec<u8> = percent_decode_str(name).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(password));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(credentials))).map_err(|_| ())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_but_the_host_may_be_missing() {
        for (text, url, authorization) in [
            ("proxy.example", "http://proxy.example/", None),
            ("localhost:3128", "http://localhost:3128/", None),
            ("https://proxy.example:8443/ignored?x", "https://proxy.example:8443/", None),
            ("http://[::1]:3128", "http://[::1]:3128/", None),
            ("http://user:pass@proxy.example", "http://proxy.example/", Some("Basic dXNlcjpwYXNz")),
            ("user@proxy.example:1", "http://proxy.example:1/", Some("Basic dXNlcjo=")),
            ("http://a%40b:p%3A%2F@proxy.example", "http://proxy.example/", Some("Basic YUBiOnA6Lw==")),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.url, url, "{text}");
            let authorization = authorization.map(HeaderValue::from_static);
            assert_eq!(proxy.authorization, authorization, "{text}");
            assert!(proxy.authorization.is_none_or(|value| value.is_sensitive()));
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_without_its_password() {
        for text in ["", "::", "http://", "socks5://user:s3cret@x", "http://user:s3cret@", "http://user:s3cret@a b"] {
            let error = Proxy::parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("HTTP client: proxy") && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}

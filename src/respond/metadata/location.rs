//! Where the document of a resource indicator is (RFC 9728 section 3.1).

use std::sync::Arc;

use crate::error::ConfigError;
use crate::http::url::{PlainHttp, parse, without_user};
use crate::respond::quotable::Quotable;

/// The name that is registered for these documents (RFC 8615).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// One indicator, and the address of its document.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(super) indicator: Arc<str>,
    /// Host and port as a client sends them: in lower case, without the port that its scheme has anyway.
    pub(super) authority: Box<str>,
    pub(super) path: Box<str>,
    pub(super) query: Option<Box<str>>,
    pub(super) url: Quotable,
}

impl Location {
    /// # Errors
    ///
    /// Returns an indicator that no address follows from: not an `https` URL, or with a path that clients would change.
    pub(super) fn of(indicator: &str, plain: PlainHttp) -> Result<Self, ConfigError> {
        let wrong = |why: &str| {
            let indicator = without_user(indicator);
            ConfigError::new(format_args!("metadata: resource indicator {indicator:?}: {why} (RFC 9728 section 1.2)"))
        };
        let uri = parse(indicator, plain).map_err(wrong)?;
        let path = match uri.path() {
            "/" => "",
            path => path,
        };
        if path.split('/').any(|segment| matches!(plain_segment(segment).as_str(), "." | "..")) {
            return Err(wrong("clients would resolve its path segments . and .."));
        }
        if path.contains(['{', '}', '*']) || path.split('/').any(|segment| segment.starts_with(':')) {
            return Err(wrong("a router would take its path for a pattern"));
        }
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let authority = match uri.port_u16().filter(|port| *port != default_port(scheme)) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        let path = format!("{WELL_KNOWN}{path}");
        let query = uri.query().map(Box::from);
        let rest = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            indicator: indicator.into(),
            url: Quotable::new("resource_metadata", &format!("{scheme}://{authority}{path}{rest}"))?,
            authority: authority.into(),
            path: path.into(),
            query,
        })
    }

    /// How closely a request is about this resource: the length of its path if the request's is the same or below, and a little
    /// more if it has the same query.
    pub(super) fn covers(&self, path: &str, query: Option<&str>) -> Option<usize> {
        let own = self.path.strip_prefix(WELL_KNOWN).unwrap_or_default();
        let own = own.strip_suffix('/').unwrap_or(own);
        let rest = path.strip_prefix(own)?;
        let is_below = rest.is_empty() || rest.starts_with('/');
        let has_query = self.query.as_deref().is_none_or(|own| Some(own) == query);
        (is_below && has_query).then_some(own.len() + usize::from(self.query.is_some()))
    }

    /// Whether a request that was sent to this host is for this indicator. Without a port it is that of either scheme: how
    /// clients reach the proxy in front cannot be told here.
    pub(super) fn is_at(&self, host: &str) -> bool {
        let host = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host);
        host.eq_ignore_ascii_case(&self.authority)
    }
}

/// A segment with its dots written as such.
fn plain_segment(segment: &str) -> String {
    segment.replace("%2e", ".").replace("%2E", ".")
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "http" { 80 } else { 443 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(indicator: &str) -> Result<Location, ConfigError> {
        Location::of(indicator, PlainHttp::OnLoopback)
    }

    #[test]
    fn the_name_stands_between_host_and_path() {
        for (indicator, expected) in [
            ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
            ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
            ("https://api.example.com/mcp", "https://api.example.com/.well-known/oauth-protected-resource/mcp"),
            ("https://api.example.com/mcp/", "https://api.example.com/.well-known/oauth-protected-resource/mcp/"),
            (
                "https://api.example.com:8443/a/b",
                "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b",
            ),
            ("https://api.example.com/a?t=1", "https://api.example.com/.well-known/oauth-protected-resource/a?t=1"),
            ("https://api.example.com?t=1", "https://api.example.com/.well-known/oauth-protected-resource?t=1"),
            ("https://API.example.com:443/a", "https://api.example.com/.well-known/oauth-protected-resource/a"),
            ("http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"),
        ] {
            assert_eq!(of(indicator).unwrap().url.as_str(), expected, "{indicator}");
        }
    }

    #[test]
    fn an_indicator_without_an_address_is_rejected() {
        for bad in [
            "urn:example:api",
            "api",
            "http://api.example.com",
            "https://user:secret@api.example.com",
            "https://api.example.com/a#b",
            "https://api.example.com/a/../b",
            "https://api.example.com/a/%2E%2e/b",
            "https://api.example.com/{tenant}",
            "https://api.example.com/:tenant",
            "https://api.example.com/?scope=a",
        ] {
            let error = of(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn requests_at_and_below_the_path_of_a_resource_are_about_it() {
        for (indicator, path, query, expected) in [
            ("https://api.example.com", "/orders", None, Some(0)),
            ("https://api.example.com/", "/", None, Some(0)),
            ("https://api.example.com/a", "/a", None, Some(2)),
            ("https://api.example.com/a", "/a/b", Some("x=y"), Some(2)),
            ("https://api.example.com/a/", "/a/b", None, Some(2)),
            ("https://api.example.com/a", "/ab", None, None),
            ("https://api.example.com/a/b", "/a", None, None),
            ("https://api.example.com/a?t=1", "/a", Some("t=1"), Some(3)),
            ("https://api.example.com/a?t=1", "/a", Some("t=2"), None),
            ("https://api.example.com/a?t=1", "/a", None, None),
        ] {
            assert_eq!(of(indicator).unwrap().covers(path, query), expected, "{indicator} {path} {query:?}");
        }
    }

    #[test]
    fn hosts_are_compared_as_clients_send_them() {
        let location = of("https://API.example.com/mcp").unwrap();
        for same in ["api.example.com", "API.EXAMPLE.COM", "api.example.com:443"] {
            assert!(location.is_at(same), "{same}");
        }
        for other in ["", "api.example.com:8443", "api.example.com.evil.example", "evil.example"] {
            assert!(!location.is_at(other), "{other}");
        }
        assert!(of("https://api.example.com:8443").unwrap().is_at("api.example.com:8443"));
    }
}

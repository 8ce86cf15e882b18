//! The label in front of a domain, in the host that the request was sent to.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

/// A host name in lower case; `None` if it is none.
pub(super) fn normalized_domain(domain: &str) -> Option<String> {
    let labels_fit = domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    labels_fit.then(|| domain.to_ascii_lowercase())
}

/// The one label in front of `domain`. `None` when the host is another, has more labels, or is not clear.
pub(super) fn label_below(parts: &Parts, domain: &str) -> Option<String> {
    let host = request_host(parts)?;
    let label = host.strip_suffix(domain)?.strip_suffix('.')?;
    (!label.is_empty() && !label.contains('.')).then(|| label.to_owned())
}

/// The host of the request in lower case, without port: from the target (HTTP/2, absolute form) or from the one `Host`
/// header; where both are, they must agree.
fn request_host(parts: &Parts) -> Option<String> {
    let mut headers = parts.headers.get_all(HOST).iter();
    let header = match (headers.next(), headers.next()) {
        (Some(value), None) => Some(Authority::try_from(value.as_bytes()).ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let authority = match (parts.uri.authority(), header) {
        (Some(target), Some(header)) if *target != header => return None,
        (Some(target), _) => target.clone(),
        (None, header) => header?,
    };
    let has_user = authority.as_str().contains('@');
    (!has_user).then(|| authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn label(target: &str, hosts: &[&'static str]) -> Option<String> {
        let mut request = Request::builder().uri(target).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_static(host));
        }
        label_below(&request.into_parts().0, "example.com")
    }

    #[test]
    fn one_label_in_front() {
        assert_eq!(label("/", &["acme.example.com"]).as_deref(), Some("acme"));
        assert_eq!(label("/", &["ACME.Example.com:8080"]).as_deref(), Some("acme"));
        assert_eq!(label("https://acme.example.com/", &[]).as_deref(), Some("acme"));
        assert_eq!(label("http://acme.example.com/", &["acme.example.com"]).as_deref(), Some("acme"));
    }

    #[test]
    fn anything_else_is_unclear() {
        assert_eq!(label("/", &[]), None);
        for host in [
            "example.com",
            ".example.com",
            "a.b.example.com",
            "acmeexample.com",
            "acme.example.com.evil.test",
            "acme.example.com.",
            "u@acme.example.com",
            "",
            "acme.example.com, b.example.com",
        ] {
            assert_eq!(label("/", &[host]), None, "{host}");
        }
        assert_eq!(label("/", &["acme.example.com", "acme.example.com"]), None);
        assert_eq!(label("http://acme.example.com/", &["other.example.com"]), None);
    }

    #[test]
    fn domains() {
        assert_eq!(normalized_domain("Example.COM").as_deref(), Some("example.com"));
        for bad in ["", ".", "a..b", ".example.com", "exa mple.com", "example.com:80", "http://example.com"] {
            assert_eq!(normalized_domain(bad), None, "{bad}");
        }
    }
}

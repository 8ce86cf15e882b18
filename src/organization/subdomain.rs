//! The label in front of a domain, in the host that the request was sent to.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

/// A host name in lower case, without the dot of the root; `None` if it is none.
pub(super) fn normalized_domain(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
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
    let default_port = match parts.uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    let header = header.as_ref().map(|header| host_and_port(header, default_port));
    match (parts.uri.authority().map(|target| host_and_port(target, default_port)), header) {
        (Some(target), Some(header)) if target != header => None,
        (Some(found), _) | (None, Some(found)) => found.map(|(host, _)| host),
        (None, None) => None,
    }
}

/// Host in lower case without the dot of the root, and port; `None` if there is a user in front.
fn host_and_port(authority: &Authority, default_port: Option<u16>) -> Option<(String, Option<u16>)> {
    let host = authority.host();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let port = authority.port_u16().or(default_port);
    (!authority.as_str().contains('@')).then_some((host, port))
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
    fn a_trailing_dot_and_the_default_port_name_the_same_host() {
        for (target, host) in [
            ("/", "acme.example.com."),
            ("/", "ACME.example.com.:443"),
            ("https://acme.example.com/", "acme.example.com:443"),
            ("https://acme.example.com:443/", "ACME.example.com."),
            ("http://acme.example.com./", "acme.example.com:80"),
            ("http://acme.example.com:8080/", "acme.example.com.:8080"),
        ] {
            assert_eq!(label(target, &[host]).as_deref(), Some("acme"), "{target} {host}");
        }
        for (target, host) in [
            ("/", "acme.example.com.."),
            ("/", "acme..example.com"),
            ("https://acme.example.com/", "acme.example.com:80"),
            ("http://acme.example.com:8080/", "acme.example.com"),
            ("http://acme.example.com:8080/", "acme.example.com:80"),
            ("http://acme.example.com/", "u@acme.example.com"),
        ] {
            assert_eq!(label(target, &[host]), None, "{target} {host}");
        }
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
        assert_eq!(normalized_domain("example.com.").as_deref(), Some("example.com"));
        assert_eq!(normalized_domain("my-app_2.example.com").as_deref(), Some("my-app_2.example.com"));
        let label = "a".repeat(63);
        assert_eq!(normalized_domain(&label), Some(label.clone()));
        assert_eq!(normalized_domain(&format!("{label}a")), None);
        for bad in
            ["", ".", "a..b", "example.com..", ".example.com", "exa mple.com", "example.com:80", "http://example.com"]
        {
            assert_eq!(normalized_domain(bad), None, "{bad}");
        }
    }
}

//! Which headers cross the proxy, and which are written anew.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::subprotocol;
use crate::net::Peer;

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what is meant for the next hop alone (RFC 9110 section 7.6.1), and what `Connection` names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // A request has one host, whatever its client says of it.
        .filter(|name| *name != HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Prepares the headers of a request for being judged: what is left is what upstream gets, but for the token.
pub(super) fn prepare_request(headers: &mut HeaderMap) {
    let accepts_trailers = headers.get_all(TE).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    // Of two lengths the one that framed the body counts.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    headers.remove(EXPECT);
    join_cookies(headers);
    let forwarded: Vec<HeaderName> = headers.keys().filter(|name| is_forwarding(name)).cloned().collect();
    for name in forwarded {
        headers.remove(name);
    }
    // gRPC servers expect it.
    if accepts_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Joins what HTTP/2 may cut (RFC 9113 section 8.2.3): a server of HTTP/1.1 reads one field.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn is_forwarding(name: &HeaderName) -> bool {
    *name == FORWARDED
        || crate::identity::same_variable(name.as_str().as_bytes(), b"x-real-ip")
        || name.as_str().as_bytes().get(..12).is_some_and(|name| crate::identity::same_variable(name, b"x-forwarded-"))
}

/// Tells upstream where the request came from.
pub(super) fn write_forwarded(headers: &mut HeaderMap, peer: &Peer, host: Option<HeaderValue>, scheme: &'static str) {
    let ip = peer.address.map(|ip| ip.to_string());
    let node = ip.as_deref().unwrap_or("unknown");
    let (open, close) = if peer.address.is_some_and(|ip| ip.is_ipv6()) { ("\"[", "]\"") } else { ("", "") };
    let parts = ["for=", open, node, close, ";proto=", scheme];
    let forwarded = match host.as_ref().and_then(|host| host.to_str().ok()) {
        Some(host) => [&parts[..], &[";host=\"", host, "\""]].concat().concat(),
        None => parts.concat(),
    };
    let written = [
        (FORWARDED, HeaderValue::try_from(forwarded).ok()),
        (HeaderName::from_static("x-forwarded-for"), ip.and_then(|ip| HeaderValue::try_from(ip).ok())),
        (HeaderName::from_static("x-forwarded-host"), host),
        (HeaderName::from_static("x-forwarded-proto"), Some(HeaderValue::from_static(scheme))),
    ];
    for (name, value) in written {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// Removes what proves who the caller is: the upstream receives the gateway's statement instead.
pub(super) fn remove_token(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    headers.remove(HeaderName::from_static("dpop"));
    subprotocol::remove_token(headers);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_for_the_next_hop_is_removed_before_judging() {
        let mut headers = headers(&[
            ("connection", "close, X-Organization-Id"),
            ("connection", "host,,a b"),
            ("x-organization-id", "acme"),
            ("host", "a"),
            ("keep-alive", "5"),
            ("te", "gzip, Trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Bearer x"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_proto", "https"),
            ("x-real-ip", "1.2.3.4"),
            ("accept", "*/*"),
        ]);
        prepare_request(&mut headers);
        assert_eq!(names(&headers), ["accept", "host", "te"]);
        assert_eq!(headers[TE], "trailers");
    }

    #[test]
    fn upstream_is_told_where_the_request_came_from() {
        let mut headers = HeaderMap::new();
        let peer = Peer { address: Some("::1".parse().unwrap()), ..Peer::default() };
        write_forwarded(&mut headers, &peer, Some(HeaderValue::from_static("api.example.com:8443")), "https");
        assert_eq!(headers[FORWARDED], "for=\"[::1]\";proto=https;host=\"api.example.com:8443\"");
        assert_eq!(headers["x-forwarded-for"], "::1");
        assert_eq!(headers["x-forwarded-proto"], "https");
    }
}

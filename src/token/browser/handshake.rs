//! The request that opens a WebSocket.

use http::header::{AUTHORIZATION, CONNECTION, HeaderName, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

use super::offer::Offer;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// Whether a request opens a WebSocket: by `Upgrade` (RFC 6455 section 4.1), or as an extended CONNECT of HTTP/2 (RFC 8441
/// section 4) or HTTP/3 (RFC 9220).
///
/// Which protocol an extended CONNECT is for, only the service behind can see; no page of a browser can send another one.
pub(crate) fn is_handshake(request: &Parts) -> bool {
    if request.version >= Version::HTTP_2 {
        return request.method == Method::CONNECT;
    }
    request.method == Method::GET
        && lists(&request.headers, &UPGRADE, "websocket")
        && lists(&request.headers, &CONNECTION, "upgrade")
}

/// Rejects credentials in a handshake whose token comes in the first message: of two tokens, which one counts is unclear.
pub(crate) fn refuse_credentials(headers: &mut HeaderMap) -> Result<(), Rejection> {
    let offer = Offer::read(headers);
    offer.mark_sensitive(headers);
    if let Some(value) = headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
        return Err(malformed("an Authorization header, where the token comes in the first message"));
    }
    if offer.has_credentials() {
        return Err(malformed("a token in Sec-WebSocket-Protocol, where the token comes in the first message"));
    }
    Ok(())
}

pub(super) fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail)
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let members = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|&octet| octet == b','));
    members.into_iter().any(|member| member.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn handshakes_are_told_from_other_requests() {
        let upgrade = [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")];
        assert!(is_handshake(&parts("GET", Version::HTTP_11, &upgrade)));
        assert!(is_handshake(&parts("CONNECT", Version::HTTP_2, &[])));
        assert!(is_handshake(&parts("CONNECT", Version::HTTP_3, &[])));
        for other in [
            parts("GET", Version::HTTP_11, &[]),
            parts("GET", Version::HTTP_11, &upgrade[..1]),
            parts("GET", Version::HTTP_11, &upgrade[1..]),
            parts("POST", Version::HTTP_11, &upgrade),
            parts("CONNECT", Version::HTTP_11, &upgrade),
            parts("GET", Version::HTTP_2, &upgrade),
            parts("GET", Version::HTTP_11, &[("upgrade", "h2c"), ("connection", "upgrade")]),
            parts("GET", Version::HTTP_11, &[("upgrade", "websocket2"), ("connection", "upgrade")]),
        ] {
            assert!(!is_handshake(&other), "{other:?}");
        }
    }

    #[test]
    fn a_handshake_with_credentials_is_not_one_for_a_first_message() {
        let judge = |headers: &[(&str, &str)]| {
            let mut parts = parts("GET", Version::HTTP_11, headers);
            let outcome = refuse_credentials(&mut parts.headers).map_err(|rejection| rejection.status().as_u16());
            assert!(!format!("{:?}", parts.headers).contains("secret"), "{parts:?}");
            outcome
        };
        assert_eq!(judge(&[]), Ok(()));
        assert_eq!(judge(&[("sec-websocket-protocol", "chat.v1")]), Ok(()));
        for bad in [
            ("authorization", "Bearer secret"),
            ("authorization", "Basic secret"),
            ("sec-websocket-protocol", "chat.v1, bearer.secret"),
            ("sec-websocket-protocol", "BEARER.secret"),
        ] {
            assert_eq!(judge(&[bad]), Err(400), "{bad:?}");
        }
    }
}

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};

use super::headers::remove_hop_by_hop;
use crate::net::{Body, empty};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's wish to speak WebSocket (RFC 6455 section 4). Other upgrades are not forwarded.
pub(super) struct Handshake {
    key: HeaderValue,
}

impl Handshake {
    pub(super) fn read<B>(request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        let mut upgrades = headers.get_all(UPGRADE).iter();
        let (Some(upgrade), None) = (upgrades.next(), upgrades.next()) else { return None };
        let wants = upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
            && request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && has_token(headers, b"upgrade");
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) if wants => Some(Self { key: key.clone() }),
            _ => None,
        }
    }

    /// Adds to a request what was removed as being for the gateway alone.
    pub(super) fn write(headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }

    /// Returns whether this response accepts this handshake.
    pub(super) fn is_accepted<B>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        let key = [self.key.as_bytes(), GUID].concat();
        let expected = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &key));
        let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == expected.as_bytes());
        let upgrade = headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        accepted && upgrade && has_token(headers, b"upgrade")
    }

    pub(super) fn accept<B>(response: Response<B>) -> Response<Body> {
        let (mut head, _) = response.into_parts();
        remove_hop_by_hop(&mut head.headers);
        Self::write(&mut head.headers);
        Response::from_parts(head, empty())
    }
}

fn has_token(headers: &HeaderMap, token: &[u8]) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    const WISH: [(&str, &str); 3] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn only_a_whole_handshake_is_one() {
        assert!(Handshake::read(&request(&WISH)).is_some());
        for left_out in 0..WISH.len() {
            let mut headers = WISH.to_vec();
            headers.remove(left_out);
            assert!(Handshake::read(&request(&headers)).is_none());
        }
        for other in [("upgrade", "h2c"), ("sec-websocket-key", "x"), ("upgrade", "websocket")] {
            assert!(Handshake::read(&request(&[&WISH[..], &[other]].concat())).is_none(), "{other:?}");
        }
        let mut post = request(&WISH);
        *post.method_mut() = Method::POST;
        assert!(Handshake::read(&post).is_none());
    }

    #[test]
    fn response_must_prove_that_it_read_the_key() {
        let handshake = Handshake::read(&request(&WISH)).unwrap();
        let response = |accept: &str| {
            Response::builder()
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", accept)
                .body(())
                .unwrap()
        };
        assert!(handshake.is_accepted(&response("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!handshake.is_accepted(&response("AAAALMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!handshake.is_accepted(&Response::new(())));
    }
}

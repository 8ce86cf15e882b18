use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

const PREFIX: &[u8] = b"bearer.";

/// Removes what pages of browsers send as a token (`bearer.{token}`, in any case) from the protocols of a WebSocket.
pub(super) fn remove_token(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let is_token = |member: &[u8]| {
        let word = member.strip_prefix(b"\"").unwrap_or(member);
        word.get(..PREFIX.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(PREFIX))
    };
    let fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let members = fields.flat_map(|value| value.as_bytes().split(|octet| *octet == b',')).map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = members.filter(|member| !member.is_empty() && !is_token(member)).collect();
    let value = HeaderValue::from_bytes(&kept.join(&b", "[..])).ok().filter(|value| !value.is_empty());
    match value {
        Some(value) => _ = headers.insert(SEC_WEBSOCKET_PROTOCOL, value),
        None => _ = headers.remove(SEC_WEBSOCKET_PROTOCOL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_removed_and_protocols_stay() {
        for (fields, left) in [
            (&["chat.v1, bearer.abc"][..], Some("chat.v1")),
            (&["bearer.abc", "chat.v1", "Bearer.x,v2"], Some("chat.v1, v2")),
            (&["BEARER.abc,\"bearer.abc\", bearer."], None),
            (&["chat.v1"], Some("chat.v1")),
            (&["bearer, xbearer.a"], Some("bearer, xbearer.a")),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(field));
            }
            remove_token(&mut headers);
            let found: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().map(|it| it.to_str().unwrap()).collect();
            assert_eq!(found, left.into_iter().collect::<Vec<_>>(), "{fields:?}");
        }
    }
}

//! The protocols that a client offers in `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4), and the token among them.

use std::sync::Arc;

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

/// What marks the member that holds the token. The names of protocols are compared in their case.
const PREFIX: &[u8] = b"bearer.";

/// What is offered, in the order of the members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) tokens: Vec<Arc<str>>,
    /// The application's own protocols.
    pub(super) protocols: Vec<String>,
    /// Members that are no token of RFC 9110 section 5.6.2.
    pub(super) has_malformed: bool,
    /// The prefix in another case, or without a token behind it.
    pub(super) has_misspelled: bool,
}

impl Offer {
    /// Reads all fields of the name as one list. Empty members say nothing (RFC 9110 section 5.6.1.2).
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut offer = Self::default();
        let fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let members = fields.flat_map(|value| value.as_bytes().split(|&octet| octet == b','));
        for member in members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            offer.add(member);
        }
        offer
    }

    fn add(&mut self, member: &[u8]) {
        let text = std::str::from_utf8(member).ok().filter(|_| member.iter().all(|&octet| is_token_character(octet)));
        let begins = member.split_at_checked(PREFIX.len());
        let after = begins.filter(|(begin, _)| begin.eq_ignore_ascii_case(PREFIX)).map(|(begin, _)| begin == PREFIX);
        match (text, after) {
            (None, after) => {
                self.has_malformed = true;
                self.has_misspelled |= after.is_some();
            }
            (Some(text), None) => self.protocols.push(text.to_owned()),
            (Some(text), Some(is_exact)) => match text.get(PREFIX.len()..).filter(|_| is_exact) {
                Some(token) if !token.is_empty() => self.tokens.push(token.into()),
                _ => self.has_misspelled = true,
            },
        }
    }

    /// Whether there is a token, or what may have been meant as one.
    pub(super) fn has_credentials(&self) -> bool {
        !self.tokens.is_empty() || self.has_misspelled
    }

    /// Keeps the header out of logs.
    pub(super) fn mark_sensitive(&self, headers: &mut HeaderMap) {
        if *self != Self::default() {
            let fields = headers.iter_mut().filter(|(name, _)| **name == SEC_WEBSOCKET_PROTOCOL);
            fields.for_each(|(_, value)| value.set_sensitive(true));
        }
    }

    /// Leaves the application's own protocols in the header, and nothing else.
    pub(super) fn leave_protocols(&self, headers: &mut HeaderMap) {
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        if let Ok(mut value) = HeaderValue::try_from(self.protocols.join(", "))
            && !self.protocols.is_empty()
        {
            value.set_sensitive(true);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
    }
}

const fn is_token_character(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        fields.iter().map(|value| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_bytes(value).unwrap())).collect()
    }

    fn offer(fields: &[&str]) -> Offer {
        Offer::read(&headers(&fields.iter().map(|field| field.as_bytes()).collect::<Vec<_>>()))
    }

    #[test]
    fn the_token_is_told_from_the_protocols() {
        for fields in [
            &["chat.v1, bearer.abc.def.ghi"][..],
            &["bearer.abc.def.ghi,chat.v1"],
            &["chat.v1 ,, ", "\tbearer.abc.def.ghi"],
        ] {
            let found = offer(fields);
            assert_eq!((&*found.tokens[0], &*found.protocols), ("abc.def.ghi", &["chat.v1".to_owned()][..]));
            assert!(found.tokens.len() == 1 && !found.has_malformed && !found.has_misspelled, "{found:?}");
        }
        assert_eq!(offer(&[]), Offer::default());
        assert_eq!(offer(&["chat"]).protocols, ["chat"]);
    }

    #[test]
    fn other_spellings_are_seen() {
        for misspelled in ["bearer.", "Bearer.abc", "BEARER.abc"] {
            let found = offer(&[misspelled]);
            assert!(found.has_misspelled && found.has_credentials() && found.tokens.is_empty(), "{misspelled}");
            assert_eq!(found.protocols, Vec::<String>::new());
        }
        for malformed in ["a b", "\"chat\"", "a/b", "chat;q=1", "a=b"] {
            assert!(offer(&[malformed]).has_malformed, "{malformed}");
        }
        let both = offer(&["bearer.a/b="]);
        assert!(both.has_malformed && both.has_misspelled && both.tokens.is_empty());
        for protocol in ["bearer", "bearerx.abc", "xbearer.abc"] {
            assert_eq!(offer(&[protocol]).protocols, [protocol]);
        }
    }

    proptest! {
        /// Whatever is sent, nothing that begins with the prefix stays behind.
        #[test]
        fn no_token_is_left_in_the_header(
            fields in prop::collection::vec("(bearer\\.|BEARER\\.|chat|,| |\t|[!-~]|\u{e9}){0,12}", 0..3)
        ) {
            let values: Vec<&[u8]> = fields.iter().map(String::as_bytes).collect();
            let mut headers = headers(&values);
            let offer = Offer::read(&headers);
            offer.leave_protocols(&mut headers);
            let left = Offer::read(&headers);
            prop_assert!(!left.has_credentials() && !left.has_malformed);
            prop_assert_eq!(left.protocols, offer.protocols);
            prop_assert!(headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().count() <= 1);
        }
    }
}

//! The headers in which clients say what the body says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

use super::answer::Fault;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The first version whose servers compare headers and body.
const COMPARED_SINCE: &str = "2026-07-28";

/// Each of them once, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) version: Option<String>,
    pub(super) method: Option<String>,
    /// Decoded.
    pub(super) name: Option<String>,
    pub(super) session: Option<String>,
}

impl Headers {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        let name = text(headers, &NAME)?.map(decode).transpose()?;
        let owned = |name: &HeaderName| text(headers, name).map(|text| text.map(str::to_owned));
        Ok(Self { version: owned(&VERSION)?, method: owned(&METHOD)?, name, session: owned(&SESSION)? })
    }

    /// Whether the request has a version whose servers must compare the headers with the body.
    pub(super) fn are_compared(&self) -> bool {
        self.version.as_deref().is_some_and(|version| is_date(version) && version >= COMPARED_SINCE)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Fault::Header("a header of the protocol occurs twice"));
    }
    value.to_str().map(Some).map_err(|_| Fault::Header("a header of the protocol is not text"))
}

/// `=?base64?...?=`, for names that cannot stand in a header.
fn decode(name: &str) -> Result<String, Fault> {
    let wrong = Fault::Header("Mcp-Name is not encoded as the protocol says");
    let Some(encoded) = name.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return if name.to_ascii_lowercase().starts_with("=?base64?") { Err(wrong) } else { Ok(name.to_owned()) };
    };
    let octets = STANDARD.decode(encoded).ok();
    octets.and_then(|octets| String::from_utf8(octets).ok()).ok_or(wrong)
}

fn is_date(version: &str) -> bool {
    let is_digit_or_dash =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    version.len() == 10 && version.bytes().enumerate().all(is_digit_or_dash)
}

/// Whether a body is JSON in UTF-8 as it stands, so that whoever reads it after us reads the same.
pub(super) fn check_plain_json(headers: &HeaderMap) -> Result<(), Fault> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::Type("the body has a content encoding"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return Err(Fault::Type("not one Content-Type")) };
    let wrong = Fault::Type("the content type is not application/json in UTF-8");
    let Ok(text) = only.to_str() else { return Err(wrong) };
    let mut parts = text.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(wrong);
    }
    let is_fine = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    if parts.all(is_fine) { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_header_twice_or_not_as_text_is_rejected() {
        for name in ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"] {
            assert!(Headers::read(&headers(&[(name, b"a")])).is_ok(), "{name}");
            assert!(Headers::read(&headers(&[(name, b"a"), (name, b"a")])).is_err(), "{name}");
            assert!(Headers::read(&headers(&[(name, b"\xff")])).is_err(), "{name}");
        }
    }

    #[test]
    fn names_are_decoded_exactly() {
        let name =
            |value: &str| Headers::read(&headers(&[("mcp-name", value.as_bytes())])).ok().and_then(|read| read.name);
        assert_eq!(name("whoami").as_deref(), Some("whoami"));
        assert_eq!(name("=?base64?d2hvYW1p?=").as_deref(), Some("whoami"));
        for bad in
            ["=?BASE64?d2hvYW1p?=", "=?base64?d2hvYW1p", "=?base64?d2hvYW1?=", "=?base64?/w==?=", "=?base64?d2 hv?="]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_version_that_compares_counts() {
        let compared = |value: &str| Headers { version: Some(value.to_owned()), ..Headers::default() }.are_compared();
        assert!(compared("2026-07-28") && compared("2027-01-01"));
        for old in ["2025-11-25", "2026-07-27", "", "draft", "9", "2026-07-28x", "zzzz-zz-zz"] {
            assert!(!compared(old), "{old}");
        }
        assert!(!Headers::default().are_compared());
    }

    #[test]
    fn only_plain_json_is_read() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; x=y"] {
            assert!(check_plain_json(&headers(&[("content-type", good.as_bytes())])).is_ok(), "{good}");
        }
        for bad in ["", "text/plain", "application/json; charset=utf-16", "application/jsonx", "multipart/form-data"] {
            assert!(check_plain_json(&headers(&[("content-type", bad.as_bytes())])).is_err(), "{bad}");
        }
        let json = ("content-type", &b"application/json"[..]);
        assert!(check_plain_json(&headers(&[])).is_err() && check_plain_json(&headers(&[json, json])).is_err());
        assert!(check_plain_json(&headers(&[json, ("content-encoding", b"gzip")])).is_err());
        assert!(check_plain_json(&headers(&[json, ("content-encoding", b"identity")])).is_ok());
    }
}

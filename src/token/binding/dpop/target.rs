//! The URI that a proof is for: `htu`, compared with the public URL of this server and the path of the request.
//!
//! Both sides are normalized by RFC 3986 sections 6.2.2 and 6.2.3. Nothing that a client sends, `Host` for instance, says
//! what the public URL is.

use std::fmt::Write as _;

use http::uri::Authority;

use crate::error::ConfigError;
use crate::http::url::{PlainHttp, parse};

/// Where clients reach this server, perhaps below a prefix that a proxy removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicUrl {
    /// `https://api.example.com`, normalized.
    origin: String,
    /// `/base`, normalized, or empty.
    prefix: String,
}

impl PublicUrl {
    pub(super) fn parse(text: &str, plain: PlainHttp) -> Result<Self, ConfigError> {
        let fault = |why| ConfigError::new(format_args!("DPoP public URL {text:?}: {why}"));
        parse(text, plain).map_err(fault)?;
        if text.contains('?') {
            return Err(fault("it has a query"));
        }
        let (origin, path) = split(text).ok_or_else(|| fault("not a URL"))?;
        let path = normalized_path(path).ok_or_else(|| fault("its path is not valid"))?;
        Ok(Self { origin, prefix: path.trim_end_matches('/').to_owned() })
    }

    /// Whether a normalized URI is the one of a request with this normalized path.
    fn is_target(&self, uri: &str, path: &str) -> bool {
        let below = uri.strip_prefix(&*self.origin).and_then(|rest| rest.strip_prefix(&*self.prefix));
        // A proxy that removes a prefix makes `/` of the prefix itself, too.
        below.is_some_and(|rest| rest == path || rest.is_empty() && path == "/")
    }
}

/// The URI of a request as its proof must state it: the one of these public URLs that `htu` names, and the path.
///
/// `None` if `htu` is not a URI, or the URI of another request.
pub(super) fn target(htu: &str, urls: &[PublicUrl], path: &str) -> Option<String> {
    let stated = htu.split(['?', '#']).next().unwrap_or_default();
    let (mut uri, stated_path) = split(stated)?;
    let normalized = normalized_path(stated_path)?;
    uri.push_str(&normalized);
    let path = if path == stated_path { normalized } else { normalized_path(path)? };
    let url = urls.iter().find(|url| url.is_target(&uri, &path))?;
    Some(format!("{}{}{path}", url.origin, url.prefix))
}

/// The origin of an `http` or `https` URI, normalized, and its path as it stands.
fn split(uri: &str) -> Option<(String, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match &*scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return None;
    }
    // An empty port is the default one (RFC 3986 section 6.2.3), and no port to the parser.
    let authority: Authority = authority.strip_suffix(':').unwrap_or(authority).parse().ok()?;
    let mut origin = format!("{scheme}://{}", authority.host().to_ascii_lowercase());
    match authority.port() {
        Some(port) if port.as_u16() != default_port => write!(origin, ":{}", port.as_u16()).ok()?,
        None if authority.as_str().len() != authority.host().len() => return None,
        _ => {}
    }
    Some((origin, path))
}

/// An absolute path without dot segments, with each octet in its one spelling; `/` if it is empty.
fn normalized_path(path: &str) -> Option<String> {
    match path.as_bytes() {
        [] => return Some("/".to_owned()),
        [b'/', ..] => {}
        _ => return None,
    }
    let spelled = respell(path)?;
    Some(if spelled.contains("/.") { without_dot_segments(&spelled) } else { spelled })
}

/// RFC 3986 sections 6.2.2.1 and 6.2.2.2: unreserved characters are not encoded, all others that may not stand in a path
/// are, with digits in upper case.
fn respell(path: &str) -> Option<String> {
    let mut spelled = String::with_capacity(path.len());
    let mut octets = path.bytes();
    while let Some(octet) = octets.next() {
        let (octet, was_encoded) = match octet {
            b'%' => (hex(octets.next()?)? << 4 | hex(octets.next()?)?, true),
            octet => (octet, false),
        };
        if is_unreserved(octet) || !was_encoded && b"!$&'()*+,;=:@/".contains(&octet) {
            spelled.push(char::from(octet));
        } else {
            write!(spelled, "%{octet:02X}").ok()?;
        }
    }
    Some(spelled)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 section 5.2.4, for a path that begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;

//! What single settings must be like.

use std::time::Duration;

use http::Uri;

use crate::challenge::Quotable;
use crate::error::ConfigError;
use crate::jwt::{ORGANIZATION_URN, Profile};
use crate::keys::is_loopback;

pub(super) fn check_range(what: &str, value: Duration, most: Duration) -> Result<(), ConfigError> {
    if value <= most { Ok(()) } else { Err(ConfigError::new(format_args!("{what} {value:?}: more than {most:?}"))) }
}

/// An absolute `https` URL with a host; `http` on loopback, or where it was allowed.
pub(super) fn check_url(what: &str, text: &str, allow_http: bool) -> Result<Uri, ConfigError> {
    let wrong = |why: &str| ConfigError::new(format_args!("{what} {text:?}: {why}"));
    let url: Uri = text.parse().map_err(|_| wrong("not a URL"))?;
    let authority = url.authority().ok_or_else(|| wrong("not an absolute URL"))?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(wrong("a host, and no user name, must be in it"));
    }
    if text.contains('#') {
        return Err(wrong("it has a fragment"));
    }
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if allow_http || is_loopback(&url) => Ok(url),
        Some("http") => Err(wrong("plain http: use https (or dangerous_allow_http)")),
        _ => Err(wrong("not an https URL")),
    }
}

/// RFC 8414 section 2: no query and no fragment.
pub(super) fn check_issuer(text: &str, allow_http: bool) -> Result<(), ConfigError> {
    let url = check_url("issuer", text, allow_http)?;
    if url.query().is_some() {
        return Err(ConfigError::new(format_args!("issuer {text:?}: it has a query")));
    }
    Ok(())
}

/// RFC 8707 section 2: an absolute URI without fragment. Issuers outside RFC 9068 name audiences as they like.
pub(super) fn check_resource(text: &str, profile: Profile) -> Result<(), ConfigError> {
    let wrong = |why: &str| Err(ConfigError::new(format_args!("resource indicator {text:?}: {why}")));
    if text.is_empty() || text.starts_with(ORGANIZATION_URN) {
        return wrong("it is what an organization's audience looks like, or empty");
    }
    if profile == Profile::Rfc9068 {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme
            || text.contains(|character: char| character == '#' || character.is_whitespace() || character.is_control())
        {
            return wrong("not an absolute URI without fragment (RFC 8707 section 2)");
        }
    }
    Ok(())
}

pub(super) fn metadata_url(text: &str) -> Result<Quotable, ConfigError> {
    check_url("resource_metadata", text, false)?;
    Quotable::new("resource_metadata", text)
}

//! What single settings must be like.

use std::time::Duration;

use crate::error::ConfigError;
pub(super) use crate::http::url::check as check_url;
use crate::issuer::Profile;
use crate::logto::preset;
use crate::respond::Quotable;

pub(super) fn check_range(what: &str, value: Duration, most: Duration) -> Result<(), ConfigError> {
    if value <= most { Ok(()) } else { Err(ConfigError::new(format_args!("{what} {value:?}: more than {most:?}"))) }
}

pub(super) fn check_count(what: &str, value: usize, most: usize) -> Result<(), ConfigError> {
    if (1..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::new(format_args!("{what} {value}: not in 1 ..= {most}")))
    }
}

/// RFC 8414 section 2: no query and no fragment.
pub(super) fn check_issuer(text: &str, allow_http: bool) -> Result<(), ConfigError> {
    let url = check_url("issuer", text, allow_http)?;
    if text.contains("/.well-known/") {
        return Err(ConfigError::new(format_args!(
            "issuer {text:?}: give the issuer itself, not its metadata document"
        )));
    }
    if url.query().is_some() {
        return Err(ConfigError::new(format_args!("issuer {text:?}: it has a query")));
    }
    preset::check_issuer(text)
}

/// RFC 7519 section 2: any string without a colon, or a URI. It is compared, and never fetched.
pub(super) fn check_issuer_name(text: &str) -> Result<(), ConfigError> {
    let is_name = !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    if !is_name {
        return Err(ConfigError::new(format_args!("issuer {text:?}: empty, or with white space")));
    }
    preset::check_issuer(text)
}

/// RFC 8707 section 2: an absolute URI without fragment. Issuers outside RFC 9068 name audiences as they like.
pub(super) fn check_resource(text: &str, profile: Profile, organization_prefix: &str) -> Result<(), ConfigError> {
    let wrong = |why: &str| Err(ConfigError::new(format_args!("resource indicator {text:?}: {why}")));
    if text.is_empty() {
        return wrong("it is empty");
    }
    if let Some(why) = preset::mistaken_resource(text) {
        return wrong(why);
    }
    if text.starts_with(organization_prefix) {
        return wrong("it is what an organization's audience looks like");
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

/// A name that is printed, compared or looked up must not be empty.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ConfigError> {
    if name.is_empty() { Err(ConfigError::new(format_args!("{what}: an empty name"))) } else { Ok(()) }
}

pub(super) fn metadata_url(text: &str) -> Result<Quotable, ConfigError> {
    check_url("resource_metadata", text, false)?;
    Quotable::new("resource_metadata", text)
}

//! Which URLs may be fetched: one rule for those of the configuration and those of a discovery document.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::error::ConfigError;

/// Where plain `http` is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    Never,
    OnLoopback,
    Anywhere,
}

/// An absolute `https` URL with a host, without user name and fragment. The error says what is wrong.
pub(crate) fn parse(text: &str, plain: PlainHttp) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().map_err(|_| "not a URL")?;
    let authority = url.authority().ok_or("not an absolute URL")?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err("a host, and no user name, must be in it");
    }
    if text.contains('#') {
        return Err("it has a fragment");
    }
    let allowed = match plain {
        PlainHttp::Never => false,
        PlainHttp::OnLoopback => is_loopback(&url),
        PlainHttp::Anywhere => true,
    };
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if allowed => Ok(url),
        Some("http") => Err("plain http: use https (or dangerous_allow_http)"),
        _ => Err("not an https URL"),
    }
}

/// Checks a configured URL.
pub(crate) fn check(what: &str, text: &str, allow_http: bool) -> Result<Uri, ConfigError> {
    let plain = if allow_http { PlainHttp::Anywhere } else { PlainHttp::OnLoopback };
    parse(text, plain).map_err(|why| ConfigError::new(format_args!("{what} {:?}: {why}", without_user(text))))
}

/// Checks a configured URL to which paths are appended: it has no query.
pub(crate) fn check_base(what: &str, text: &str, allow_http: bool) -> Result<Uri, ConfigError> {
    let url = check(what, text, allow_http)?;
    if text.contains('?') {
        return Err(ConfigError::new(format_args!("{what} {:?}: it has a query", without_user(text))));
    }
    Ok(url)
}

/// For messages: what stands before an `@` may be a password.
pub(crate) fn without_user(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("...@{host}"),
        Some((_, host)) => format!("{scheme}://...@{host}"),
        None => text.to_owned(),
    }
}

/// Whether an `iss` value can be the identifier of an authorization server (RFC 8414 section 2), and not only a name.
pub(crate) fn is_issuer_identifier(iss: &str) -> bool {
    parse(iss, PlainHttp::Anywhere).is_ok_and(|url| url.query().is_none())
}

/// `localhost`, 127.0.0.0/8 or `[::1]`: this machine.
pub(crate) fn is_loopback(url: &Uri) -> bool {
    let Some(host) = url.host() else { return false };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_fetched() {
        use PlainHttp::{Anywhere, Never, OnLoopback};
        for plain in [Never, OnLoopback, Anywhere] {
            assert!(parse("https://keys.example/jwks?a=b", plain).is_ok());
            for bad in [
                "",
                "/jwks",
                "https://",
                "https:///x",
                "ftp://x.example",
                "https://u:p@x.example",
                "https://x.example/#f",
                "data:,x",
            ] {
                assert!(parse(bad, plain).is_err(), "{bad}");
            }
        }
        let allowed = |text| [Never, OnLoopback, Anywhere].map(|plain| parse(text, plain).is_ok());
        assert_eq!(allowed("http://127.0.0.1:1/jwks"), [false, true, true]);
        assert_eq!(allowed("http://keys.example/jwks"), [false, false, true]);
    }

    #[test]
    fn passwords_are_not_printed() {
        assert_eq!(without_user("http://user:s3cret@proxy.example:1/x"), "http://...@proxy.example:1/x");
        assert_eq!(without_user("user:s3cret@proxy.example"), "...@proxy.example");
        assert_eq!(without_user("https://proxy.example/"), "https://proxy.example/");
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for yes in [
            "http://localhost:1",
            "http://LOCALHOST",
            "http://127.0.0.1:80/x",
            "http://127.9.9.9",
            "http://[::1]:8080/",
        ] {
            assert!(is_loopback(&yes.parse().unwrap()), "{yes}");
        }
        for no in [
            "http://localhost.evil.example",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "http://[::2]",
            "/relative",
        ] {
            assert!(!is_loopback(&no.parse().unwrap()), "{no}");
        }
    }
}

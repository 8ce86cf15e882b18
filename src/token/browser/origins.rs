//! Which pages may open a WebSocket (RFC 6455 section 10.2): browsers let every page open one to every server.

use http::HeaderMap;
use http::header::ORIGIN;

use super::handshake::malformed;
use crate::error::ConfigError;
use crate::explain::shown;
use crate::http::url::{PlainHttp, parse};
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// Origins in the form in which browsers send them (RFC 6454 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// # Errors
    ///
    /// Returns the first value that no browser sends as the origin of a page, or the lack of any.
    pub(crate) fn check(origins: &[String]) -> Result<Self, ConfigError> {
        if origins.is_empty() {
            return Err(ConfigError::new("WebSockets of browsers: no origin is allowed"));
        }
        for origin in origins {
            check(origin).map_err(|why| ConfigError::new(format_args!("origin {origin:?}: {why}")))?;
        }
        Ok(Self(origins.to_vec()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Judges the page that opens the connection. Origins are compared octet by octet.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let mut sent = headers.get_all(ORIGIN).iter();
        let origin = match (sent.next(), sent.next()) {
            (Some(origin), None) => origin.as_bytes(),
            (None, _) => return Err(malformed("no Origin header beside the token of a browser")),
            (Some(_), Some(_)) => return Err(malformed("more than one Origin header")),
        };
        if self.iter().any(|allowed| allowed.as_bytes() == origin) {
            return Ok(());
        }
        let detail = format!("Origin is {}, expected one of {:?}", shown(&String::from_utf8_lossy(origin)), self.0);
        Err(Rejection::new(RejectionKind::Denied, Remediation::None, detail))
    }
}

fn check(origin: &str) -> Result<(), &'static str> {
    const NOT_ONE: &str = "not an origin as browsers send it, such as https://app.example.com";
    let (scheme, authority) = origin.split_once("://").ok_or(NOT_ONE)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"+-.".contains(&octet));
    let is_authority = !authority.is_empty()
        && !authority.ends_with(':')
        && authority
            .bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-._~[]:".contains(&octet));
    if !is_scheme || !is_authority {
        return Err(NOT_ONE);
    }
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        // The page of an application that is no web site: `capacitor://localhost`.
        _ => return Ok(()),
    };
    let url = parse(origin, PlainHttp::OnLoopback)?;
    match url.port_u16() {
        Some(port) if port == default_port => Err("browsers leave out the default port"),
        Some(_) => Ok(()),
        None if url.authority().is_some_and(|authority| authority.as_str() == authority.host()) => Ok(()),
        None => Err(NOT_ONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Result<Origins, String> {
        Origins::check(&list.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn origins_that_browsers_send_are_taken() {
        for good in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert!(origins(&[good]).is_ok(), "{good}: {:?}", origins(&[good]));
        }
    }

    #[test]
    fn values_that_no_browser_sends_are_configuration_errors() {
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*.example.com",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/live",
            "https://app.example.com?a",
            "https://app.example.com:443",
            "http://localhost:80",
            "https://app.example.com:",
            "https://app.example.com:65536",
            "https://user@app.example.com",
            "http://app.example.com",
            "https://bücher.example",
            "https://a.example https://b.example",
        ] {
            let fault = origins(&["https://app.example.com", bad]).unwrap_err();
            assert!(fault.contains(&format!("{bad:?}")), "{bad}: {fault}");
        }
        assert!(origins(&[]).unwrap_err().contains("no origin is allowed"));
    }

    #[test]
    fn a_page_is_allowed_by_its_whole_origin() {
        let allowed = origins(&["https://app.example.com", "http://localhost:5173"]).unwrap();
        let judge = |sent: &[&str]| {
            let headers: HeaderMap = sent.iter().map(|origin| (ORIGIN, origin.parse().unwrap())).collect();
            allowed.judge(&headers).map_err(|rejection| rejection.status().as_u16())
        };
        for good in ["https://app.example.com", "http://localhost:5173"] {
            assert_eq!(judge(&[good]), Ok(()), "{good}");
        }
        for bad in [
            "null",
            "",
            "https://app.example.com.",
            "https://app.example.com:443",
            "https://APP.example.com",
            "https://app.example.com.evil.example",
            "https://evil.example",
            "http://app.example.com",
            "http://localhost",
            "https://app.example.com https://evil.example",
        ] {
            assert_eq!(judge(&[bad]), Err(403), "{bad}");
        }
        assert_eq!(judge(&[]), Err(400));
        assert_eq!(judge(&["https://app.example.com", "https://app.example.com"]), Err(400));
    }
}

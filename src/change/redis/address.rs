//! Where a server is, and who asks it.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::error::ConfigError;

const DEFAULT_PORT: u16 = 6379;

/// One server, as its URL says.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
}

impl Address {
    /// Of `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. An error does not repeat what may be a
    /// password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let faulty = |why: &str| {
            let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
            Err(ConfigError::new(format_args!("redis {shown:?}: {why}")))
        };
        let (tls, rest) = match url.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            _ => return faulty("expected redis:// or rediss://"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let Ok(database) = (if path.is_empty() { Ok(0) } else { path.parse::<u16>() }) else {
            return faulty("the path is not the number of a database");
        };
        let (credentials, server) = match authority.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials), server),
            None => (None, authority),
        };
        let Ok(server) = server.parse::<http::uri::Authority>() else { return faulty("expected a host") };
        let host = server.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || server.port_u16().is_none() && server.as_str() != server.host() {
            return faulty("expected a host");
        }
        let (user, password) = match credentials.map(|credentials| credentials.split_once(':')) {
            None => (None, None),
            Some(None) => (credentials, None),
            Some(Some((user, password))) => (Some(user).filter(|user| !user.is_empty()), Some(password)),
        };
        let decoded =
            |text: Option<&str>| text.map(|text| percent_decode_str(text).decode_utf8().map(String::from)).transpose();
        let (Ok(user), Ok(password)) = (decoded(user), decoded(password)) else {
            return faulty("user and password are UTF-8, percent-encoded");
        };
        let (host, port) = (host.to_owned(), server.port_u16().unwrap_or(DEFAULT_PORT));
        Ok(Self { host, port, tls, user, password, database: database.into() })
    }

    /// The same user at another server.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, ..self.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let address = Address::parse("rediss://orgate:p%40ss%2Fw@[::1]:6380/3").unwrap();
        assert_eq!((&*address.host, address.port, address.tls, address.database), ("::1", 6380, true, 3));
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("orgate"), Some("p@ss/w")));
        let address = Address::parse("redis://:secret@localhost").unwrap();
        assert_eq!((address.port, address.user, address.password.as_deref()), (6379, None, Some("secret")));
    }

    #[test]
    fn faulty_urls_are_rejected_without_the_password() {
        for url in
            ["http://h", "redis://", "redis://u:secret@", "redis://u:secret@h:x", "redis://u:secret@h/x", "u:secret@h"]
        {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

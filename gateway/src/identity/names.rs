use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Claims, Part, dictionary};

/// The headers that carry an identity.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    dictionary: HeaderName,
    separate: Vec<(Part, HeaderName)>,
    assertion: Option<HeaderName>,
}

/// What is wrong with the name of an identity header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NamesError {
    Malformed,
    Standard,
    Twice,
}

/// Returns whether a CGI-like application reads both names as one variable: letters and digits are the same but for case,
/// and every other character becomes an underscore.
pub(crate) fn same_variable(one: &[u8], other: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    one.len() == other.len() && one.iter().map(fold).eq(other.iter().map(fold))
}

impl Names {
    /// # Errors
    ///
    /// Returns an error for the dictionary's name if that cannot be an identity header.
    pub(crate) fn new(dictionary: &str) -> Result<Self, NamesError> {
        Ok(Self { dictionary: checked(dictionary)?, separate: Vec::new(), assertion: None })
    }

    /// # Errors
    ///
    /// Returns an error if the name cannot be an identity header, or is one already.
    pub(crate) fn separate(&mut self, part: Part, name: &str) -> Result<(), NamesError> {
        let name = self.another(name)?;
        self.separate.push((part, name));
        Ok(())
    }

    /// # Errors
    ///
    /// Returns an error if the name cannot be an identity header, or is one already.
    pub(crate) fn assertion(&mut self, name: &str) -> Result<(), NamesError> {
        self.assertion = Some(self.another(name)?);
        Ok(())
    }

    fn another(&self, name: &str) -> Result<HeaderName, NamesError> {
        let name = checked(name)?;
        if self.is_identity(&name) { Err(NamesError::Twice) } else { Ok(name) }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &HeaderName> {
        let separate = self.separate.iter().map(|(_, name)| name);
        std::iter::once(&self.dictionary).chain(separate).chain(&self.assertion)
    }

    /// Returns the names that an application could read under another spelling.
    pub(crate) fn with_aliases(&self) -> impl Iterator<Item = &HeaderName> {
        self.all().filter(|name| !name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }

    /// Returns whether an application could take this header for one of the gateway's.
    pub(crate) fn is_identity(&self, name: &HeaderName) -> bool {
        self.all().any(|own| same_variable(own.as_str().as_bytes(), name.as_str().as_bytes()))
    }

    /// Removes every header that an application could take for one of the gateway's.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let names: Vec<HeaderName> = headers.keys().filter(|name| self.is_identity(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }

    /// Returns every header with its value, empty where nothing is known, or `None` if a value does not fit its header.
    pub(crate) fn write(&self, claims: &Claims<'_>, assertion: Option<&str>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut written = vec![(self.dictionary.clone(), dictionary(claims)?)];
        for (part, name) in &self.separate {
            written.push((name.clone(), plain(claims.get(*part).unwrap_or_default())?));
        }
        if let Some(name) = &self.assertion {
            written.push((name.clone(), HeaderValue::from_str(assertion.unwrap_or_default()).ok()?));
        }
        Some(written)
    }
}

/// Recipients trim spaces at the ends and disagree on bytes outside ASCII, so that two subjects would look the same.
fn plain(value: &str) -> Option<HeaderValue> {
    let inner = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !inner || value.starts_with(' ') || value.ends_with(' ') {
        return None;
    }
    HeaderValue::from_str(value).ok()
}

fn checked(name: &str) -> Result<HeaderName, NamesError> {
    let name: HeaderName = name.parse().map_err(|_| NamesError::Malformed)?;
    let text = name.as_str();
    let reserved = ["x-forwarded-", "sec-", "proxy-", "grpc-", "access-control-", "x-envoy-", "if-", "content-"];
    if reserved.iter().any(|beginning| text.starts_with(beginning)) || STANDARD.contains(&name) {
        return Err(NamesError::Standard);
    }
    Ok(name)
}

const STANDARD: [HeaderName; 38] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::AGE,
    header::ALLOW,
    header::ALT_SVC,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::FORWARDED,
    header::FROM,
    header::HOST,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::ORIGIN,
    header::PRAGMA,
    header::RANGE,
    header::REFERER,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "expected the name of a header",
            Self::Standard => "this header has a meaning of its own",
            Self::Twice => "another identity header has this name, or a name that an application reads as this one",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::new("Orgate").unwrap();
        names.separate(Part::Subject, "X-Auth-Subject").unwrap();
        names.assertion("Orgatejwt").unwrap();
        names
    }

    #[test]
    fn every_alias_is_stripped() {
        let mut headers = HeaderMap::new();
        for separator in "!#$%&'*+-.^_`|~".chars() {
            let name = format!("x{separator}auth{separator}subject");
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("root"));
        }
        for name in ["ORGATE", "orgateJWT", "x_auth-subject", "x9auth.subject", "orgate2"] {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("root"));
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("twice"));
        }
        names().strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["orgate2", "x9auth.subject"]);
    }

    #[test]
    fn every_header_is_written_also_without_a_caller() {
        let written = names().write(&Claims::default(), None).unwrap();
        let names: Vec<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["orgate", "x-auth-subject", "orgatejwt"]);
        assert!(written.iter().all(|(_, value)| value.is_empty()));
    }

    #[test]
    fn value_that_a_recipient_could_misread_is_not_written() {
        for subject in [" admin", "admin ", "adm\u{ed}n", "a\tb", "a\nb"] {
            let claims = Claims { subject: Some(subject), ..Claims::default() };
            assert!(names().write(&claims, None).is_none(), "{subject:?}");
        }
    }

    #[test]
    fn standard_malformed_and_repeated_names_are_rejected() {
        for name in ["Authorization", "cookie", "X-Forwarded-User", "Sec-Id", "Host", "content-type"] {
            assert_eq!(Names::new(name).unwrap_err(), NamesError::Standard, "{name}");
        }
        for name in ["", "a b", "a:b", "é"] {
            assert_eq!(Names::new(name).unwrap_err(), NamesError::Malformed, "{name}");
        }
        assert_eq!(names().separate(Part::Client, "x_auth_subject").unwrap_err(), NamesError::Twice);
    }

    #[test]
    fn only_names_with_other_characters_have_aliases() {
        let with_aliases: Vec<String> = names().with_aliases().map(ToString::to_string).collect();
        assert_eq!(with_aliases, ["x-auth-subject"]);
    }
}

use std::io;

use aws_lc_rs::rand;
use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};

/// The name of this process among the proxies that a request came by (RFC 9110 section 7.6.3). It says nothing about where it
/// runs.
pub(crate) struct Via {
    name: String,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    /// # Errors
    ///
    /// Returns an error if the system has no random octets.
    pub(crate) fn new() -> io::Result<Self> {
        let mut octets = [0; 8];
        rand::fill(&mut octets).map_err(|_| io::Error::other("the system has no random octets"))?;
        let name = format!("orgate-{:016x}", u64::from_be_bytes(octets));
        let value = |version| HeaderValue::try_from(format!("{version} {name}")).map_err(io::Error::other);
        let (http10, http11, http2) = (value("1.0")?, value("1.1")?, value("2")?);
        Ok(Self { name, http10, http11, http2 })
    }

    /// Returns whether a request came by this process already.
    pub(super) fn has_seen(&self, headers: &HeaderMap) -> bool {
        let words = headers
            .get_all(VIA)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b',' || byte.is_ascii_whitespace()));
        words.into_iter().any(|word| word.eq_ignore_ascii_case(self.name.as_bytes()))
    }

    /// Adds this process behind those that a request came by before.
    pub(super) fn write(&self, headers: &mut HeaderMap, received: Version) {
        let value = match received {
            Version::HTTP_10 => &self.http10,
            Version::HTTP_2 => &self.http2,
            _ => &self.http11,
        };
        headers.append(VIA, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_knows_its_own_name_wherever_it_stands() {
        let (via, other) = (Via::new().unwrap(), Via::new().unwrap());
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let mut headers = HeaderMap::new();
            headers.append(VIA, HeaderValue::from_static("1.1 proxy.example:80 (some, comment), 2 edge"));
            assert!(!via.has_seen(&headers));
            via.write(&mut headers, version);
            other.write(&mut headers, Version::HTTP_11);
            assert!(via.has_seen(&headers) && other.has_seen(&headers));
            // Proxies may join the fields of one name.
            let joined: Vec<&str> = headers.get_all(VIA).iter().map(|value| value.to_str().unwrap()).collect();
            let joined = HeaderMap::from_iter([(VIA, HeaderValue::try_from(joined.join(",")).unwrap())]);
            assert!(via.has_seen(&joined) && other.has_seen(&joined) && !Via::new().unwrap().has_seen(&joined));
        }
    }
}

use http::HeaderMap;
use http::header::HOST;
use http::uri::{Authority, Uri};

use super::RequestFault;

/// Returns the one host of a request, as its target or its `Host` field names it.
///
/// # Errors
///
/// Returns a fault if there are two, if they differ, or if a name is no host with an optional port.
pub(crate) fn host_of(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, RequestFault> {
    let mut fields = headers.get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(field), None) => Some(read_host(field.as_bytes())?),
        (Some(_), Some(_)) => return Err(RequestFault::Host),
    };
    let Some(authority) = uri.authority() else { return Ok(field) };
    let authority = read_host(authority.as_str().as_bytes())?;
    match field {
        Some(field) if !field.eq_ignore_ascii_case(&authority) => Err(RequestFault::HostsDiffer),
        _ => Ok(Some(authority)),
    }
}

/// Reads `host` or `host:port`: no user, no list, no path.
pub(crate) fn read_host(bytes: &[u8]) -> Result<String, RequestFault> {
    let authority = Authority::try_from(bytes).map_err(|_| RequestFault::Host)?;
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host()).ok_or(RequestFault::Host)?;
    let port_is_sound = port.is_empty() || port == ":" || authority.port_u16().is_some();
    let host_is_sound = authority.host().bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':' | b'[' | b']' | b'%')
    });
    if authority.host().is_empty() || !port_is_sound || !host_is_sound {
        return Err(RequestFault::Host);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn host(target: &str, fields: &[&str]) -> Result<Option<String>, RequestFault> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(HOST, HeaderValue::from_str(field).unwrap());
        }
        host_of(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn one_host_is_read_from_target_or_field() {
        assert_eq!(host("/a", &["Acme.example.com:8443"]), Ok(Some("Acme.example.com:8443".to_owned())));
        assert_eq!(host("http://a.example/x", &[]), Ok(Some("a.example".to_owned())));
        assert_eq!(host("http://A.example/x", &["a.example"]), Ok(Some("A.example".to_owned())));
        assert_eq!(host("/a", &["[::1]:80"]), Ok(Some("[::1]:80".to_owned())));
        assert_eq!(host("/a", &[]), Ok(None));
    }

    #[test]
    fn two_or_unclear_hosts_are_rejected() {
        assert_eq!(host("/a", &["a.example", "a.example"]), Err(RequestFault::Host));
        assert_eq!(host("http://a.example/x", &["b.example"]), Err(RequestFault::HostsDiffer));
        for field in ["", "a,b", "u@a", "a/b", "a b", "a:x", "a:99999", "a?b", "a#b", ":80"] {
            assert_eq!(host("/a", &[field]), Err(RequestFault::Host), "{field}");
        }
    }
}

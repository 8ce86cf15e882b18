use http::{HeaderMap, HeaderName, HeaderValue};

/// The header in which the resource server reads ids of requests. What a client sends under this name is removed or rejected,
/// as what steers is.
pub(crate) const REQUEST_ID: &str = "orgate-request-id";

/// What a proxy calls one request of a client, however often it asks about it. No client can choose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the id; an empty one, or one that is no header value, says nothing.
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty()).map(Self)
    }

    /// Returns the id in the one header of this name: none if the header is not there, or there twice.
    pub(crate) fn of_header(headers: &HeaderMap, name: &str) -> Option<Self> {
        let mut fields = headers.get_all(name).iter();
        match (fields.next(), fields.next()) {
            (Some(id), None) => Self::new(id.as_bytes()),
            _ => None,
        }
    }

    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static(REQUEST_ID), self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_one_value_that_is_not_empty() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-request-id", HeaderValue::from_static(value));
            }
            RequestId::of_header(&headers, "x-request-id")
        };
        assert_eq!(read(&["a"]), RequestId::new(b"a"));
        assert!(read(&["a"]).is_some());
        for nothing in [&[][..], &[""], &["a", "a"], &["a", "b"]] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
        assert_eq!(RequestId::new(b"a\nb"), None);
    }
}

//! One request and its response, decoded and within bounds, whichever client sends it.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Request, Response};

use super::{Fetch, FetchError};
use crate::trace;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Sends a request and returns the response, of whatever status: at most `most_bytes`, decoded, without a byte order mark.
///
/// No coding is asked for. Some servers and caches compress all the same, and `gzip` and `deflate` are understood.
pub(crate) async fn send(
    fetch: &dyn Fetch,
    mut request: Request<Bytes>,
    most_bytes: usize,
) -> Result<Response<Bytes>, FetchError> {
    request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
    if let Some(context) = trace::current() {
        context.add_to(request.headers_mut());
    }
    let (mut head, body) = fetch.fetch(request, most_bytes).await?.into_parts();
    if body.len() > most_bytes {
        return Err(FetchError::too_large(most_bytes));
    }
    let body = decode(&mut head.headers, body, most_bytes)?;
    let body = if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body };
    Ok(Response::from_parts(head, body))
}

fn decode(headers: &mut HeaderMap, body: Bytes, most_bytes: usize) -> Result<Bytes, FetchError> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(body),
        (Some(coding), None) => coding.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => "more than one".to_owned(),
    };
    let decoded = match &*coding {
        "" | "identity" => return Ok(body),
        // A 304 and an empty response have nothing to decode.
        _ if body.is_empty() => return Ok(body),
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&*body), most_bytes),
        "deflate" => inflate(ZlibDecoder::new(&*body), most_bytes),
        other => {
            let other: String = other.chars().take(64).collect();
            return Err(FetchError::unusable(format!(
                "the response has the content coding {other:?}, which was not asked for"
            )));
        }
    };
    let decoded = decoded
        .map_err(|error| FetchError::unusable(format!("the response does not decode as {coding}: {error}")))?
        .ok_or_else(|| FetchError::too_large(most_bytes))?;
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(decoded.into())
}

/// `None`: it is longer.
fn inflate(coded: impl Read, most_bytes: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut decoded = Vec::new();
    let bound = u64::try_from(most_bytes).unwrap_or(u64::MAX).saturating_add(1);
    coded.take(bound).read_to_end(&mut decoded)?;
    Ok((decoded.len() <= most_bytes).then_some(decoded))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::future::BoxFuture;

    struct Canned(Vec<&'static str>, Vec<u8>);

    impl Fetch for Canned {
        fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
            assert_eq!(request.headers().get(ACCEPT_ENCODING).unwrap(), "identity");
            let mut response = Response::new(self.1.clone().into());
            for coding in &self.0 {
                response.headers_mut().append(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    async fn received(codings: &[&'static str], body: &[u8]) -> Result<Bytes, String> {
        let canned = Canned(codings.to_vec(), body.to_vec());
        let response = send(&canned, Request::new(Bytes::new()), 1000).await;
        response.map(Response::into_body).map_err(|error| error.to_string())
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn codings_are_decoded_and_a_byte_order_mark_is_skipped() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"{}").unwrap();
        for (codings, body) in [
            (&[][..], b"{}".to_vec()),
            (&["identity"], b"{}".to_vec()),
            (&["gzip"], gzip(b"{}")),
            (&["X-GZIP"], gzip(b"\xEF\xBB\xBF{}")),
            (&["deflate"], zlib.finish().unwrap()),
            (&[], b"\xEF\xBB\xBF{}".to_vec()),
        ] {
            assert_eq!(received(codings, &body).await.as_deref(), Ok(&b"{}"[..]), "{codings:?}");
        }
    }

    #[tokio::test]
    async fn body_that_grows_beyond_the_bound_is_rejected() {
        let body = gzip(&[b' '; 1001]);
        assert!(body.len() < 100);
        assert!(received(&["gzip"], &body).await.unwrap_err().contains("1000 bytes"));
        assert_eq!(received(&["gzip"], &gzip(&[b' '; 1000])).await.unwrap().len(), 1000);
        assert!(received(&[], &[b' '; 1001]).await.unwrap_err().contains("1000 bytes"));
    }

    #[tokio::test]
    async fn coding_that_is_not_understood_is_named() {
        assert!(received(&["br"], b"x").await.unwrap_err().contains("\"br\""));
        assert!(received(&["gzip", "gzip"], b"x").await.unwrap_err().contains("more than one"));
        assert!(received(&["gzip"], b"{}").await.unwrap_err().contains("gzip"));
        let whole = gzip(b"{}");
        assert!(received(&["gzip"], &whole[..whole.len() - 1]).await.is_err());
    }
}

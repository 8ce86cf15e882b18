//! How long a response asks its reader to wait.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Reads `Retry-After` (RFC 9110 section 10.2.3), seconds or a date. `now` is the time since the Unix epoch; without it, a date
/// counts from the response's own `Date`.
pub(crate) fn retry_after(headers: &HeaderMap, now: Option<Duration>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let now = now.or_else(|| date(headers.get(DATE)?.to_str().ok()?))?;
    Some(date(text)?.saturating_sub(now))
}

/// Since the Unix epoch.
fn date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |value: &str| {
            let headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_str(value).unwrap())].into_iter().collect();
            retry_after(&headers, Some(Duration::from_secs(784_111_770))).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sun Nov  6 08:49:37 1994"), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:30 GMT"), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        for bad in ["-1", "1.5", "soon", "", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49 GMT"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), None), None);
    }

    #[test]
    fn date_counts_from_the_response_where_no_time_is_given() {
        let value = HeaderValue::from_static;
        let mut headers: HeaderMap = [(RETRY_AFTER, value("Sun, 06 Nov 1994 08:49:37 GMT"))].into_iter().collect();
        assert_eq!(retry_after(&headers, None), None);
        headers.insert(DATE, value("Sun, 06 Nov 1994 08:49:07 GMT"));
        assert_eq!(retry_after(&headers, None), Some(Duration::from_secs(30)));
    }
}

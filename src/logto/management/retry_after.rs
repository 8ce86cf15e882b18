//! How long to wait after a response that asks for patience.

use std::time::Duration;

use http::HeaderMap;

use crate::http::retry_after;

const LEAST: Duration = Duration::from_secs(1);
/// A tenant that wants more is asked again all the same.
const MOST: Duration = Duration::from_secs(60);

/// How long to wait; `now` is since the Unix epoch.
pub(super) fn read(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    Some(retry_after(headers, Some(now))?.clamp(LEAST, MOST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn seconds_or_a_date_within_a_minute() {
        let wait = |value: &str| {
            let headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_str(value).unwrap())].into_iter().collect();
            read(&headers, Duration::from_secs(784_111_770)).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("0"), Some(1));
        assert_eq!(wait("3600"), Some(60));
        assert_eq!(wait("99999999999999999999999"), Some(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:30 GMT"), Some(1));
        assert_eq!(wait("Sat, 06 Nov 2094 08:49:37 GMT"), Some(60));
        assert_eq!((wait("-1"), wait("1.5"), wait("soon"), wait("")), (None, None, None, None));
        assert_eq!(read(&HeaderMap::new(), Duration::ZERO), None);
    }
}

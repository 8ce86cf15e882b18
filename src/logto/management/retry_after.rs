//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

const LEAST: Duration = Duration::from_secs(1);
/// A tenant that wants more is asked again all the same.
const MOST: Duration = Duration::from_secs(60);

/// How long to wait; `now` is since the Unix epoch.
pub(super) fn read(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(MOST, Duration::from_secs)
    } else {
        Duration::from_secs(date(text)?).saturating_sub(now)
    };
    Some(wait.clamp(LEAST, MOST))
}

/// An IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`, in seconds since the Unix epoch. The obsolete forms are not read.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = *words else { return None };
    let clock: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = *clock else { return None };
    let number = |text: &str, range: std::ops::RangeInclusive<u64>| {
        text.parse().ok().filter(|number| text.len() <= 4 && range.contains(number))
    };
    let month = u64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let (day, year) = (number(day, 1..=31)?, number(year, 1970..=9999)?);
    let seconds = number(hour, 0..=23)? * 3600 + number(minute, 0..=59)? * 60 + number(second, 0..=60)?;
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some(days.checked_sub(719_468)? * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Tue, 29 Feb 2000 23:59:59 GMT"), Some(951_868_799));
        assert_eq!(date("Fri, 01 Jan 2100 00:00:00 GMT"), Some(4_102_444_800));
        for bad in [
            "",
            "tomorrow",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49 GMT",
            "x, 00 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

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
        assert_eq!(wait("Sun, 06 Nov 2094 08:49:37 GMT"), Some(60));
        assert_eq!((wait("-1"), wait("1.5"), wait("soon"), wait("")), (None, None, None, None));
        assert_eq!(read(&HeaderMap::new(), Duration::ZERO), None);
    }
}

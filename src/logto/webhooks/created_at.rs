//! `createdAt`, read.

use std::time::Duration;

/// `2026-11-20T13:34:45.914Z`, as JavaScript's `toISOString` writes it, as the time since the Unix epoch. `None` for any
/// other form (RFC 3339 knows many), for what is no date, and before 1970.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.into_iter().any(|(at, mark)| text.get(at) != Some(&mark)) {
        return None;
    }
    let number = |from: usize, to: usize, range: std::ops::RangeInclusive<u64>| {
        let digits = text.get(from..to)?.iter();
        let number = digits.map(|digit| digit.is_ascii_digit().then(|| u64::from(digit - b'0')));
        number.reduce(|high, low| Some(high? * 10 + low?))?.filter(|number| range.contains(number))
    };
    let (year, month) = (number(0, 4, 1970..=9999)?, number(5, 7, 1..=12)?);
    let day = number(8, 10, 1..=days_in(year, month))?;
    let (hour, minute, second) = (number(11, 13, 0..=23)?, number(14, 16, 0..=59)?, number(17, 19, 0..=59)?);
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let days = days + (1..month).map(|month| days_in(year, month)).sum::<u64>() + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Duration::from_secs(seconds) + Duration::from_millis(number(20, 23, 0..=999)?))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:01.001Z", 1_001),
            ("1999-12-31T23:59:59.999Z", 946_684_799_999),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("2000-03-01T00:00:00.000Z", 951_868_800_000),
            ("2024-12-31T00:00:00.000Z", 1_735_603_200_000),
            ("2026-11-20T13:34:46.721Z", 1_795_181_686_721),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn no_dates() {
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T13:34:46Z",
            "2026-11-20T13:34:46.72Z",
            "2026-11-20T13:34:46.7210Z",
            "2026-11-20T13:34:46.721",
            "2026-11-20T13:34:46.721z",
            "2026-11-20t13:34:46.721Z",
            "2026-11-20 13:34:46.721Z",
            "2026-11-20T13:34:46.721+00:00",
            "+02026-11-20T13:34:46.721Z",
            "1969-12-31T23:59:59.999Z",
            "2026-00-20T13:34:46.721Z",
            "2026-13-20T13:34:46.721Z",
            "2026-11-00T13:34:46.721Z",
            "2026-11-31T13:34:46.721Z",
            "2026-02-29T13:34:46.721Z",
            "2100-02-29T13:34:46.721Z",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T13:60:46.721Z",
            "2026-11-20T13:34:60.721Z",
            "2026-11-20T13:34:4\u{661}.21Z",
            "2026-11-20T13:34:4-.721Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_follow_one_another(day in 0..2_932_896_u64) {
            // The civil calendar the other way round.
            let (mut year, mut rest) = (1970, day);
            while rest >= 337 + days_in(year, 2) {
                rest -= 337 + days_in(year, 2);
                year += 1;
            }
            let mut month = 1;
            while rest >= days_in(year, month) {
                rest -= days_in(year, month);
                month += 1;
            }
            let text = format!("{year:04}-{month:02}-{:02}T23:59:59.000Z", rest + 1);
            prop_assert_eq!(parse(&text), Some(Duration::from_secs(day * 86_400 + 86_399)));
        }

        #[test]
        fn never_panics(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}

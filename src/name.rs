//! How a printed policy writes what a person chose: names bare where nothing can be mistaken, else as JSON strings.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// The words of the grammar. A name that is one of them is written as a string.
const KEYWORDS: [&str; 52] = [
    "about",
    "acr",
    "acting",
    "all",
    "allow",
    "allowed",
    "and",
    "any",
    "argument",
    "authenticated",
    "authorization-detail",
    "by",
    "check",
    "claim",
    "client",
    "contains",
    "custom",
    "decide",
    "dpop",
    "error",
    "false",
    "for",
    "fresh",
    "freshness",
    "from",
    "header",
    "hidden",
    "in",
    "issued",
    "issuer",
    "keep",
    "live",
    "machine",
    "max-auth-age",
    "member",
    "mtls",
    "of",
    "on",
    "only",
    "optional",
    "or",
    "organization",
    "path",
    "resource",
    "scope",
    "sender-constrained",
    "shadow",
    "stale",
    "subdomain",
    "token",
    "true",
    "user",
];

pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word).is_ok()
}

/// Whether a bare word may begin with this character.
pub(crate) fn begins_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a bare word may go on with this character.
pub(crate) fn continues_word(c: char) -> bool {
    begins_word(c) || matches!(c, '.' | ':' | '/' | '@' | '*' | '~' | '-')
}

fn is_bare(text: &str) -> bool {
    text.starts_with(begins_word) && text.chars().all(continues_word) && !is_keyword(text)
}

/// A name: bare if it can be.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// A JSON string. What a reader could not see, or what would turn the line around, is escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c => write_visible(f, c)?,
            }
        }
        f.write_char('"')
    }
}

/// A piece of a text, for an error: what a reader could not see is escaped.
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_visible(f, c))
    }
}

fn write_visible(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if !is_invisible(c) {
        return f.write_char(c);
    }
    let mut units = [0; 2];
    c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A duration as one integer and the largest unit that is exact.
pub(crate) struct Span(pub(crate) Duration);

/// Units, with their nanoseconds.
pub(crate) const UNITS: [(&str, u128); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        let exact = UNITS.iter().find(|(_, size)| nanoseconds.is_multiple_of(*size));
        let (unit, size) = exact.copied().unwrap_or(("ns", 1));
        write!(f, "{}{unit}", nanoseconds / size)
    }
}

/// Reads what [`Span`] writes.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|&digits| digits > 0)?;
    let (number, unit) = text.split_at_checked(digits)?;
    let size = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let nanoseconds = number.parse::<u128>().ok()?.checked_mul(size)?;
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

/// Gives a public enumeration stable names for its variants.
macro_rules! stable_names {
    ($type:ident { $($variant:ident => $name:literal,)+ }) => {
        impl $type {
            /// Returns the stable name, for logs and metrics.
            #[must_use]
            #[allow(clippy::trivially_copy_pass_by_ref, reason = "the same for all enumerations")]
            pub const fn as_str(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                }
            }
        }
    };
}

pub(crate) use stable_names;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keywords_are_sorted_for_the_search() {
        assert!(KEYWORDS.is_sorted() && KEYWORDS.iter().all(|word| is_keyword(word)));
    }

    #[test]
    fn names_are_bare_only_where_nothing_can_be_mistaken() {
        for bare in ["a", "0", "read:orders", "https://api.example.com/v1", "x@y", "a*~-", "_"] {
            assert_eq!(Name(bare).to_string(), bare);
        }
        for (name, written) in [
            ("", r#""""#),
            ("and", r#""and""#),
            ("x) or (resource", r#""x) or (resource""#),
            ("-a", r#""-a""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("a\nb\u{7f}\u{202e}", r#""a\nb\u007f\u202e""#),
            ("é", "\"é\""),
        ] {
            assert_eq!(Name(name).to_string(), written);
        }
    }

    #[test]
    fn durations_use_the_largest_exact_unit() {
        for (nanoseconds, written) in
            [(0, "0s"), (1, "1ns"), (1_500_000_000, "1500ms"), (60_000_000_000, "60s"), (2_000, "2us")]
        {
            assert_eq!(Span(Duration::from_nanos(nanoseconds)).to_string(), written);
        }
        for bad in [
            "",
            "s",
            "5",
            "5m",
            "-5s",
            "5 s",
            "1.5s",
            "18446744073709551616s",
            "99999999999999999999999999999999999999999ns",
        ] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn strings_are_json(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&Quoted(&text).to_string()).unwrap(), text);
        }

        #[test]
        fn durations_are_read_as_written(seconds in any::<u64>(), nanoseconds in 0..1_000_000_000_u32) {
            let duration = Duration::new(seconds, nanoseconds);
            prop_assert_eq!(parse_span(&Span(duration).to_string()), Some(duration));
        }
    }
}

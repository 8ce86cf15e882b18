//! The name that was probably meant.

use strsim::{normalized_damerau_levenshtein, sorensen_dice};

/// Longer names are not compared: the effort grows with both lengths.
const LONGEST: usize = 256;
const ALIKE: f64 = 0.6;
/// For names of the same pieces in another order: `orders:read`, `read:orders`.
const SAME_PIECES: f64 = 0.75;

/// The most similar of several names, if one is similar at all.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        let alike = normalized_damerau_levenshtein(&lower, &other);
        let pieces = sorensen_dice(&lower, &other);
        (alike >= ALIKE || pieces >= SAME_PIECES).then_some(alike.max(pieces))
    };
    let alike = known.filter(|other| other.len() <= LONGEST).filter_map(|other| Some((likeness(other)?, other)));
    alike.max_by(|(one, _), (two, _)| one.total_cmp(two)).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["read:orders", "write:orders", "read:invoices", "admin"];
        for (name, expected) in [
            ("read:order", Some("read:orders")),
            ("Read:Orders", Some("read:orders")),
            ("raed:orders", Some("read:orders")),
            ("orders:read", Some("read:orders")),
            ("wite:orders", Some("write:orders")),
            ("admni", Some("admin")),
            ("billing", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), known.into_iter()), None);
    }
}

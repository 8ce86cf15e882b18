//! What public enumerations promise, how often a feature is asked for, and where a vendor is named.

use std::collections::BTreeSet;

use crate::source::{Source, Token};

/// The lines that ask for a feature: features gate dependencies and vendors only.
pub(crate) const MOST_FEATURES: usize = 45;

/// Public enumerations whose variants with fields are final, and why. (Other crates cannot match a tuple variant by its
/// position if it is `#[non_exhaustive]`.)
const FINAL: [(&str, &str); 14] = [
    ("Access", READ),
    ("AuditError", READ),
    ("ChangeError", READ),
    ("EventKind", READ),
    ("Fault", CONSTRUCTED),
    ("FileSync", CONSTRUCTED),
    ("IssuerDescription", SERIALIZED),
    ("MachineMark", CONSTRUCTED),
    ("OnErrorDescription", SERIALIZED),
    ("Peer", CONSTRUCTED),
    ("ScopesDescription", SERIALIZED),
    ("SourceDescription", SERIALIZED),
    ("Update", CONSTRUCTED),
    ("Written", SERIALIZED),
];
const CONSTRUCTED: &str = "callers construct it";
const READ: &str = "the one field is of a type that can grow";
const SERIALIZED: &str = "the serialized form is that of the one field, and stable";

/// Where code names Logto outside of its own folder, and why. Elsewhere it is one issuer among others.
const LOGTO: [(&str, &str); 11] = [
    ("axum/webhooks.rs", "its webhooks as a route"),
    ("guide.rs", "titles of pages"),
    ("issuer/rules.rs", "the default of a setting"),
    ("lib.rs", "the module"),
    ("logto/", "its folder"),
    ("openapi/scheme.rs", "a scheme with its endpoints"),
    ("permit/", "its events as another vendor's users"),
    ("policy/", "an example in an error"),
    ("server/check.rs", "mistakes that can be told from a URL"),
    ("server/entry.rs", "mistakes that can be told from a URL"),
    ("testing/", "its double"),
];

/// Variants with fields that could not get another field: `#[non_exhaustive]` is missing.
pub(crate) fn variant_violations(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut needed = BTreeSet::new();
    for source in sources {
        for (name, variant, is_of_one_field, token) in closed_variants(&source.tokens) {
            if let Some((known, why)) = FINAL.iter().find(|(known, _)| *known == name) {
                needed.insert(*known);
                if *why != CONSTRUCTED && !is_of_one_field {
                    violations.push(format!("{}: {name}::{variant} has more than one field", source.at(token)));
                }
            } else {
                violations
                    .push(format!("{}: {name}::{variant} has fields and is not #[non_exhaustive]", source.at(token)));
            }
        }
    }
    let unneeded = FINAL.iter().filter(|(name, _)| !needed.contains(name));
    violations.extend(unneeded.map(|(name, why)| format!("{name} has no such variant ({why}): no exception")));
    violations
}

/// Enumeration, variant, whether it is a tuple of one field, and where.
fn closed_variants(tokens: &[Token]) -> Vec<(&str, &str, bool, &Token)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| &*token.text);
    let mut closed = Vec::new();
    for start in (0..tokens.len()).filter(|&at| (text(at), text(at + 1)) == ("pub", "enum")) {
        let name = text(start + 2);
        let body = (start..tokens.len()).find(|&at| text(at) == "{").unwrap_or(tokens.len());
        let (mut depth, mut is_open, mut at) = (0, false, body);
        while at < tokens.len() {
            match text(at) {
                "non_exhaustive" if depth == 2 => is_open = true,
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                word if depth == 1 && word.starts_with(char::is_uppercase) => {
                    if matches!(text(at + 1), "(" | "{") && !is_open {
                        closed.push((name, word, is_of_one_field(&tokens[at + 1..]), &tokens[at]));
                    }
                    is_open = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            at += 1;
        }
    }
    closed
}

/// `(..)` without a comma that is outside of what brackets of any kind enclose.
fn is_of_one_field(tokens: &[Token]) -> bool {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match &*token.text {
            "{" if at == 0 => return false,
            "(" | "[" | "<" | "{" => depth += 1,
            ")" | "]" | ">" | "}" => depth -= 1,
            "," if depth == 1 => return false,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    true
}

/// The lines that ask for a feature, as `grep -E 'feature *= *"'` finds them.
pub(crate) fn feature_lines(text: &str) -> usize {
    let asks = |line: &&str| {
        line.split("feature").skip(1).any(|rest| {
            rest.trim_start_matches(' ')
                .strip_prefix('=')
                .is_some_and(|rest| rest.trim_start_matches(' ').starts_with('"'))
        })
    };
    text.lines().filter(asks).count()
}

pub(crate) fn vendor_violations(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut needed = BTreeSet::new();
    for source in sources {
        let place = LOGTO.iter().find(|(place, _)| super::is_in(&source.path, place));
        for token in vendor_words(&source.tokens) {
            match place {
                Some((place, _)) => _ = needed.insert(*place),
                None => violations.push(format!("{}: `{}`, where no vendor is named", source.at(token), token.text)),
            }
        }
    }
    let unneeded = LOGTO.iter().filter(|(place, _)| !needed.contains(place));
    violations.extend(unneeded.map(|(place, why)| format!("src/{place} does not name it ({why}): no exception")));
    violations
}

/// Identifiers and literals with the vendor's name; not the feature that is called so.
fn vendor_words(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    let is_feature = |at: usize| at > 1 && tokens[at - 1].text == "=" && tokens[at - 2].text == "feature";
    let words = tokens.iter().enumerate().filter(move |(at, _)| !is_feature(*at)).map(|(_, token)| token);
    words.filter(|token| token.text.to_ascii_lowercase().contains("logto"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(violations: Vec<String>) -> Vec<String> {
        violations.into_iter().filter(|violation| !violation.ends_with("no exception")).collect()
    }

    #[test]
    fn variants_with_fields_that_callers_could_name() {
        let text = "pub enum A { B, C(u8), #[non_exhaustive] D(u8), E { f: u8 }, #[non_exhaustive] #[doc(hidden)] G { h: u8 } }
            pub(crate) enum I { J(u8) }
            #[non_exhaustive] pub enum K { #[serde(rename = \"l\")] L(#[serde(skip)] Option<M>), N }";
        let source = Source::read("a.rs", text);
        let closed = closed_variants(&source.tokens).into_iter();
        let closed: Vec<_> =
            closed.map(|(name, variant, is_of_one_field, _)| (name, variant, is_of_one_field)).collect();
        assert_eq!(closed, [("A", "C", true), ("A", "E", false), ("K", "L", true)]);
        assert_eq!(found(variant_violations(&[source])).len(), 3);
        assert_eq!(found(variant_violations(&[Source::read("a.rs", "pub enum FileSync { Every(u8) }")])), [""; 0]);
        let access = |fields: &str| format!("pub enum Access {{ Policy({fields}) }}");
        for (fields, count) in [("Map<A, B>", 0), ("A, B", 1)] {
            assert_eq!(found(variant_violations(&[Source::read("a.rs", &access(fields))])).len(), count, "{fields}");
        }
        assert_eq!(variant_violations(&[]).len(), FINAL.len(), "an exception that nothing needs");
    }

    #[test]
    fn lines_that_ask_for_a_feature() {
        assert_eq!(feature_lines("#[cfg(any(feature = \"a\", feature = \"b\"))]\nx\n#![cfg(feature=\"a\")]"), 2);
        assert_eq!(feature_lines("// a feature, of which = \"a\"\nfeatures = [\"a\"]\nlet feature = 1;"), 0);
    }

    #[test]
    fn code_that_names_a_vendor() {
        for text in
            ["Issuer::logto(a)", "url.ends_with(\".logto.app\")", "struct LogtoUser;", "const LOGTO_PATH: u8 = 1;"]
        {
            assert_eq!(found(vendor_violations(&[Source::read("token/a.rs", text)])).len(), 1, "{text}");
            assert_eq!(found(vendor_violations(&[Source::read("logto/a.rs", text)])), [""; 0], "{text}");
        }
        for text in ["/// As Logto does.", "#[cfg(feature = \"logto\")] mod a;", "#[cfg(test)] mod tests { logto(); }"]
        {
            assert_eq!(found(vendor_violations(&[Source::read("token/a.rs", text)])), [""; 0], "{text}");
        }
        assert_eq!(vendor_violations(&[]).len(), LOGTO.len(), "an exception that nothing needs");
    }
}

//! Whose types are in public signatures.

use std::collections::BTreeSet;

use crate::source::{Source, Token};

/// The dependencies whose types a user of this crate meets.
const PUBLIC_DEPENDENCIES: [&str; 9] =
    ["axum", "bytes", "futures_core", "http", "http_body", "serde", "tower_layer", "tower_service", "utoipa"];

/// The dependencies that a public signature must not name.
pub(crate) fn foreign_crates(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).expect("dependencies");
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().replace('-', "_"));
    names.filter(|name| !PUBLIC_DEPENDENCIES.contains(&&**name)).collect()
}

pub(crate) fn signature_violations(source: &Source, foreign: &BTreeSet<String>) -> Vec<String> {
    let imported = imported(source, foreign);
    let mut violations = Vec::new();
    for signature in public_signatures(&source.tokens) {
        let named = signature.iter().enumerate().find(|(at, token)| {
            let is_path = signature.get(at + 1).is_some_and(|next| next.text == "::");
            let is_inner = *at > 0 && signature[at - 1].text == "::";
            !is_inner && (imported.contains(&token.text) || is_path && foreign.contains(&token.text))
        });
        if let Some((_, token)) = named {
            violations.push(format!("{}: a public signature names `{}`", source.at(token), token.text));
        }
    }
    violations
}

/// The names that `use` brings in from these crates.
fn imported(source: &Source, crates: &BTreeSet<String>) -> BTreeSet<String> {
    let tokens = &source.tokens;
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text != "use" || !tokens.get(at + 1).is_some_and(|root| crates.contains(&root.text)) {
            continue;
        }
        for leaf in at + 1.. {
            let ends = matches!(&*tokens[leaf + 1].text, "," | "}" | ";");
            if ends && tokens[leaf].text.starts_with(char::is_alphabetic) {
                names.insert(tokens[leaf].text.clone());
            }
            if tokens[leaf + 1].text == ";" {
                break;
            }
        }
    }
    names
}

/// Every `pub` item as far as it is a promise, and the head of every `impl`, unless it is for a type, or of a trait, of this
/// file that is not public.
fn public_signatures(tokens: &[Token]) -> Vec<&[Token]> {
    let private: BTreeSet<&str> = tokens
        .windows(3)
        .filter(|window| &*window[0].text != "pub" && matches!(&*window[1].text, "struct" | "enum" | "trait"))
        .map(|window| &*window[2].text)
        .collect();
    let mut signatures = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| &tokens[before].text);
        let after = tokens.get(at + 1).map_or("", |after| &after.text);
        let rest = &tokens[at..];
        if token.text == "impl" && matches!(before, "" | "}" | ";" | "]" | "{") {
            let head = until(rest, &["{"]);
            let at = head.iter().rposition(|token| token.text == "for");
            let names = at.map_or(&[][..], |at| &head[at.saturating_sub(1)..head.len().min(at + 2)]);
            if !names.iter().any(|name| private.contains(&&*name.text)) {
                signatures.push(head);
            }
        }
        if token.text != "pub" || after == "(" {
            continue;
        }
        let kind = rest.iter().skip(1).find(|token| !matches!(&*token.text, "async" | "unsafe" | "extern"));
        signatures.push(match kind.map_or("", |kind| &kind.text) {
            "mod" => &[],
            "struct" | "union" => until(rest, &["{", "(", ";"]),
            "enum" | "trait" => until_closed(rest),
            "const" if !rest.iter().take(3).any(|token| token.text == "fn") => until(rest, &["=", ";"]),
            "static" => until(rest, &["=", ";"]),
            "fn" | "const" => until(rest, &["{", ";"]),
            "use" | "type" => until(rest, &[";"]),
            _ => field(rest),
        });
    }
    signatures
}

fn until<'a>(tokens: &'a [Token], ends: &[&str]) -> &'a [Token] {
    let end = tokens.iter().position(|token| ends.contains(&&*token.text));
    &tokens[..end.unwrap_or(tokens.len())]
}

fn until_closed(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += i32::from(token.text == "{") - i32::from(token.text == "}");
        depth == 0 && token.text == "}"
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

fn field(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| match &*token.text {
        "<" | "(" | "[" => {
            depth += 1;
            false
        }
        ">" | ")" | "]" => {
            depth -= 1;
            depth < 0
        }
        "," => depth == 0,
        "}" => true,
        _ => false,
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_with_a_dependency_of_ours() {
        let foreign: BTreeSet<String> = ["serde_json", "tokio", "reqwest"].map(str::to_owned).into();
        for text in [
            "pub fn a() -> serde_json::Value { }",
            "pub async fn a(b: Option<tokio::sync::Mutex<u8>>);",
            "pub const fn a(b: reqwest::Client) {}",
            "use reqwest::{Client, Error}; pub fn a(b: Client) {}",
            "use reqwest::Client as Web; impl A { pub fn a(b: &Web) {} }",
            "pub struct A { pub b: Vec<serde_json::Value>, c: u8 }",
            "pub enum A { B(serde_json::Value) }",
            "pub trait A { fn b() -> serde_json::Value; }",
            "pub type A = serde_json::Value;",
            "pub const A: Option<serde_json::Value> = None;",
            "pub use reqwest::Client;",
            "use reqwest::Error; impl From<Error> for A { }",
            "use reqwest::Error; pub struct A; impl From<Error> for A { }",
            "use reqwest::Error; pub trait A { } impl<T: Into<Error>> A for T { }",
        ] {
            assert_eq!(signature_violations(&Source::read("a.rs", text), &foreign).len(), 1, "{text}");
        }
        for text in [
            "pub struct A(serde_json::Value);",
            "pub struct A { b: serde_json::Value, pub c: u8 }",
            "pub fn a() { serde_json::Value::Null }",
            "pub(crate) fn a() -> serde_json::Value { }",
            "fn a() -> serde_json::Value { }",
            "pub fn a() -> Result<u8, std::io::Error> { }",
            "use reqwest::Error; struct A; impl From<Error> for A { }",
            "use reqwest::Error; trait A { } impl<T: Into<Error>> A for T { }",
        ] {
            assert_eq!(signature_violations(&Source::read("a.rs", text), &foreign), [""; 0], "{text}");
        }
    }
}

//! How the crate is built: who may use whom, what stands in one place only, how long a file may be, and whose types
//! are in public signatures. Read from the source, without what is compiled for tests only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::needless_pass_by_value, clippy::similar_names, reason = "they read better here")]

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, Token, crate_sources};

/// A module uses floors below its own, and its own folder. The ground floor is a vocabulary, and itself in order.
const FLOORS: [&[&str]; 14] = [
    &["error", "json", "signature", "time"],
    &["fetch", "scope", "scoped", "webhooks"],
    &["challenge", "remote"],
    &["rejection"],
    &["bearer", "keys", "token"],
    &["live"],
    &["jwt"],
    &["opaque", "organization", "revocation"],
    &["decision"],
    &["authzen", "permit"],
    &["policy"],
    &["middleware"],
    &["server"],
    &["router", "testing"],
];

/// Something that stands in these files and folders only.
struct OnlyIn {
    what: &'static str,
    patterns: &'static [&'static [&'static str]],
    places: &'static [&'static str],
}

const ONLY_IN: [OnlyIn; 12] = [
    OnlyIn {
        what: "a clock is read",
        patterns: &[&["Instant"], &["SystemTime", "::", "now"], &["SystemTime", "as"], &[".", "elapsed", "("]],
        places: &["time.rs"],
    },
    OnlyIn { what: "the crypto library is named", patterns: &[&["aws_lc_rs"]], places: &["signature.rs", "testing/"] },
    OnlyIn { what: "the JWT library is named", patterns: &[&["jsonwebtoken"]], places: &["keys/jwk.rs", "testing/"] },
    OnlyIn {
        what: "a challenge is sent",
        patterns: &[&["WWW_AUTHENTICATE"], &["\"WWW-Authenticate\""], &["\"www-authenticate\""]],
        places: &["middleware/respond.rs"],
    },
    OnlyIn {
        what: "a response is built",
        patterns: &[&["Response", "::", "new"], &["Response", "::", "builder"], &["status_mut"]],
        places: &["fetch/http_client.rs", "middleware/respond.rs", "testing/"],
    },
    OnlyIn {
        what: "a status is chosen, or told from others",
        patterns: &[&["StatusCode", "::"], &["StatusCode", "as"]],
        places: &[
            "authzen/client.rs",
            "authzen/discovery.rs",
            "keys/discovery.rs",
            "live/logto/api.rs",
            "live/logto/token.rs",
            "live/logto/transport.rs",
            "middleware/respond.rs",
            "opaque/answer.rs",
            "permit/client.rs",
            "permit/lookup.rs",
            "permit/sync.rs",
            "rejection/kind.rs",
            "remote/call.rs",
            "router/webhooks.rs",
            "testing/",
        ],
    },
    OnlyIn { what: "axum is named", patterns: &[&["axum"]], places: &["organization/path_params.rs", "router/"] },
    OnlyIn {
        what: "something may wait",
        patterns: &[&["async"], &["Future", "for"], &["fn", "poll", "("], &["poll_fn"]],
        places: &[
            "authzen/client.rs",
            "authzen/discovery.rs",
            "decision/decider.rs",
            "decision/point.rs",
            "fetch/http_client.rs",
            "keys/discovery.rs",
            "keys/ready.rs",
            "keys/operate.rs",
            "keys/refresh.rs",
            "keys/store.rs",
            "live/flight.rs",
            "live/logto/api.rs",
            "live/logto/limits.rs",
            "live/logto/shared.rs",
            "live/logto/snapshot.rs",
            "live/logto/together.rs",
            "live/logto/token.rs",
            "live/logto/transport.rs",
            "live/store.rs",
            "middleware/future.rs",
            "middleware/known.rs",
            "middleware/permits.rs",
            "middleware/verdict.rs",
            "opaque/ask.rs",
            "permit/bridge/reconcile.rs",
            "permit/bridge/work.rs",
            "permit/client.rs",
            "permit/lookup.rs",
            "permit/sync.rs",
            "remote/call.rs",
            "router/",
            "testing/",
        ],
    },
    OnlyIn {
        what: "a task is started",
        patterns: &[&["spawn"], &["spawn_blocking"], &["spawn_local"], &["spawn_on"]],
        places: &["keys/ready.rs", "keys/refresh.rs", "live/flight.rs", "opaque/ask.rs", "testing/"],
    },
    OnlyIn {
        what: "an access token is minted",
        patterns: &[&["::", "mint"], &["::", "mint_introspected"]],
        places: &["jwt/verify.rs", "opaque/answer.rs"],
    },
    OnlyIn {
        what: "an organization is called verified",
        patterns: &[&["::", "verified"]],
        places: &["policy/decide.rs", "testing/double/request.rs"],
    },
    OnlyIn { what: "a webhook is believed", patterns: &[&["Event", "::", "read"]], places: &["webhooks/verify.rs"] },
];

const LONGEST_FILE: usize = 320;
const MEDIAN_FILE: usize = 200;

/// The dependencies whose types a user of this crate meets.
const PUBLIC_DEPENDENCIES: [&str; 7] = ["axum", "bytes", "http", "http_body", "serde", "tower_layer", "tower_service"];

#[test]
fn modules_use_the_floors_below() {
    let sources = crate_sources();
    report(floor_violations(&sources));
}

#[test]
fn what_stands_in_one_place_only() {
    let sources = crate_sources();
    report(ONLY_IN.iter().flat_map(|rule| place_violations(rule, &sources)).collect());
}

#[test]
fn files_are_short() {
    let sources = crate_sources();
    report(length_violations(&sources));
}

#[test]
fn public_signatures_name_few_dependencies() {
    let foreign = foreign_crates(include_str!("../../Cargo.toml"));
    assert!(foreign.contains("jsonwebtoken") && foreign.contains("serde_json") && !foreign.contains("http"));
    report(crate_sources().iter().flat_map(|source| signature_violations(source, &foreign)).collect());
}

fn report(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn floor_violations(sources: &[Source]) -> Vec<String> {
    let root = sources.iter().find(|source| source.path == "lib.rs").expect("the crate's root");
    let reexports = reexports(root);
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let user = source.module();
        let Some(own) = floor(user) else {
            violations.push(format!("src/{}:1: the module `{user}` has no floor", source.path));
            continue;
        };
        for (token, head) in crate_paths(source) {
            let used = reexports.get(&head).map_or(&*head, String::as_str);
            let why = match floor(used) {
                _ if used == user => continue,
                Some(theirs) if theirs < own => continue,
                Some(_) => "which is not below it",
                None => "which has no floor",
            };
            violations.push(format!("{}: `{user}` uses `crate::{head}` (of `{used}`), {why}", source.at(token)));
        }
    }
    violations
}

/// Which module a name at the root comes from.
fn reexports(root: &Source) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (at, window) in root.tokens.windows(4).enumerate() {
        if let [public, using, module, colons] = window
            && (&*public.text, &*using.text, &*colons.text) == ("pub", "use", "::")
        {
            let tree = root.tokens[at + 3..].iter().take_while(|token| token.text != ";");
            let leaves = tree.filter(|token| token.text.starts_with(char::is_alphabetic));
            names.extend(leaves.map(|leaf| (leaf.text.clone(), module.text.clone())));
        }
    }
    names
}

/// The first names of all paths that lead to the crate's root: `crate::…`, and `super::…` as far as it goes.
fn crate_paths(source: &Source) -> Vec<(&Token, String)> {
    let tokens = &source.tokens;
    let mut paths = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_inner = at > 0 && tokens[at - 1].text == "::";
        let follows = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
        if is_inner || !follows(at + 1, "::") {
            continue;
        }
        let mut module = token.module.clone();
        let mut next = at + 2;
        match &*token.text {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
                while follows(next, "super") && follows(next + 1, "::") {
                    module.pop();
                    next += 2;
                }
            }
            _ => continue,
        }
        if let Some(first) = module.first() {
            paths.push((token, first.clone()));
        } else if follows(next, "{") {
            paths.extend(group_heads(&tokens[next..]));
        } else if let Some(head) = tokens.get(next) {
            paths.push((token, head.text.clone()));
        }
    }
    paths
}

/// The first name of each path in `{a::b, c}`.
fn group_heads(tokens: &[Token]) -> Vec<(&Token, String)> {
    let mut heads = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match &*token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if depth == 1 && matches!(&*tokens[at - 1].text, "{" | ",") => heads.push((token, name.to_owned())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn is_in(path: &str, place: &str) -> bool {
    path == place || place.ends_with('/') && path.starts_with(place)
}

fn place_violations(rule: &OnlyIn, sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut visited = BTreeSet::new();
    for source in sources {
        let place = rule.places.iter().find(|place| is_in(&source.path, place));
        for token in rule.patterns.iter().flat_map(|pattern| source.matches(pattern)) {
            match place {
                Some(place) => _ = visited.insert(*place),
                None => violations.push(format!(
                    "{}: {} here (`{}`), and not in {}",
                    source.at(token),
                    rule.what,
                    token.text,
                    rule.places.join(", ")
                )),
            }
        }
    }
    // An exception that nothing needs any more would hide the next one.
    let unneeded = rule.places.iter().filter(|place| !visited.contains(*place));
    violations.extend(unneeded.map(|place| format!("src/{place}: no longer does it happen here that {}", rule.what)));
    violations
}

fn length_violations(sources: &[Source]) -> Vec<String> {
    let mut violations: Vec<String> = sources
        .iter()
        .filter(|source| source.lines > LONGEST_FILE)
        .map(|source| format!("src/{}:{LONGEST_FILE}: {} lines, tests aside", source.path, source.lines))
        .collect();
    let mut lengths: Vec<usize> = sources.iter().map(|source| source.lines).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    if median >= MEDIAN_FILE {
        violations.push(format!("the median file has {median} lines, not under {MEDIAN_FILE}"));
    }
    violations
}

/// The dependencies that a public signature must not name.
fn foreign_crates(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).expect("dependencies");
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().replace('-', "_"));
    names.filter(|name| !PUBLIC_DEPENDENCIES.contains(&&**name)).collect()
}

fn signature_violations(source: &Source, foreign: &BTreeSet<String>) -> Vec<String> {
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

/// Every `pub` item as far as it is a promise, and the head of every `impl`, unless it is for a type of this file that is
/// not public.
fn public_signatures(tokens: &[Token]) -> Vec<&[Token]> {
    let private: BTreeSet<&str> = tokens
        .windows(3)
        .filter(|window| &*window[0].text != "pub" && matches!(&*window[1].text, "struct" | "enum"))
        .map(|window| &*window[2].text)
        .collect();
    let mut signatures = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| &tokens[before].text);
        let after = tokens.get(at + 1).map_or("", |after| &after.text);
        let rest = &tokens[at..];
        if token.text == "impl" && matches!(before, "" | "}" | ";" | "]" | "{") {
            let head = until(rest, &["{"]);
            let implementor = head.iter().rposition(|token| token.text == "for").and_then(|at| head.get(at + 1));
            if implementor.is_none_or(|name| !private.contains(&&*name.text)) {
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

mod catches {
    use super::*;

    const ROOT: &str = "mod keys; pub use server::{Builder, ResourceServer}; pub use router::Guard;";

    fn floors(path: &str, text: &str) -> Vec<String> {
        floor_violations(&[Source::read("lib.rs", ROOT), Source::read(path, text)])
    }

    #[test]
    fn a_use_of_an_upper_floor() {
        for (path, text) in [
            ("keys/store.rs", "use crate::jwt::Profile;"),
            ("keys/store.rs", "use crate::token::Subject;"),
            ("keys/store.rs", "use crate::{json::Object, bearer};"),
            ("bearer.rs", "use crate::keys;"),
            ("server/mod.rs", "fn guard() -> crate::Guard { }"),
            ("router/guard.rs", "use crate::testing::TestIssuer;"),
            ("policy/value.rs", "use crate::ResourceServer;"),
            ("policy/check.rs", "use super::super::middleware::State;"),
            ("token.rs", "use super::jwt::verify;"),
            ("token.rs", "mod a { use super::super::jwt::verify; }"),
            ("scope.rs", "use crate::challenge::Challenge;"),
            ("error.rs", "use crate::scope::Scope;"),
            ("webhooks/event.rs", "use crate::revocation::apply;"),
            ("revocation/apply.rs", "use crate::middleware::State;"),
            ("keys/store.rs", "use crate::*;"),
            ("keys/store.rs", "use crate::nowhere::X;"),
            ("attic.rs", ""),
        ] {
            assert_eq!(floors(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn and_lets_the_rest_pass() {
        for (path, text) in [
            ("keys/store.rs", "use crate::keys::jwk; use super::state::Advice; use crate::json::Object;"),
            ("keys/store.rs", "pub(crate) fn a() { self::b(); } // crate::jwt"),
            ("keys/mod.rs", "use super::error::ConfigError; mod c { use super::d; }"),
            ("router/guard.rs", "use crate::{ResourceServer, policy::{Policy, check}}; use super::path;"),
            ("token.rs", "#[cfg(test)] mod tests { use crate::jwt::verify; }"),
        ] {
            assert_eq!(floors(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn what_stands_elsewhere() {
        for text in [
            "let a = std::time::Instant::now();",
            "use std::time::Instant;",
            "SystemTime :: now()",
            "use std::time::SystemTime as T;",
            "a.elapsed()",
            "use aws_lc_rs::digest;",
            "jsonwebtoken::decode()",
            "headers.insert(WWW_AUTHENTICATE, a)",
            "headers.insert(\"www-authenticate\", a)",
            "Response::new(a)",
            "http::Response::builder()",
            "*a.status_mut() = b",
            "(StatusCode::FORBIDDEN, a)",
            "use axum::Router;",
            "async fn a() {}",
            "Box::pin(async move { a })",
            "impl<T> Future for A<T> {}",
            "fn poll(self: Pin<&mut Self>) {}",
            "std::future::poll_fn(a)",
            "tokio::spawn(a)",
            "handle.spawn(a)",
            "tokio::task::spawn_blocking(a)",
            "AccessToken::mint(a)",
            "Organization::verified(a, b)",
            "Event::read(a)",
        ] {
            let bad = [Source::read("policy/value.rs", text)];
            let found = ONLY_IN.iter().flat_map(|rule| place_violations(rule, &bad));
            let found: Vec<String> =
                found.filter(|violation| violation.starts_with("src/policy/value.rs:1: ")).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
    }

    #[test]
    fn an_exception_that_nothing_needs() {
        let rule = &OnlyIn { what: "x", patterns: &[&["x"]], places: &["a.rs", "b/"] };
        assert_eq!(place_violations(rule, &[Source::read("a.rs", "x"), Source::read("b/c.rs", "x")]), [""; 0]);
        assert_eq!(place_violations(rule, &[Source::read("a.rs", "x"), Source::read("b.rs", "")]).len(), 1);
    }

    #[test]
    fn long_files() {
        let file = |lines: usize| Source::read("a.rs", &"a\n".repeat(lines));
        assert_eq!(length_violations(&[file(320), file(199), file(1)]), [""; 0]);
        assert_eq!(length_violations(&[file(321), file(199), file(1)]).len(), 1);
        assert_eq!(length_violations(&[file(320), file(200), file(1)]).len(), 1);
    }

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
        ] {
            assert_eq!(signature_violations(&Source::read("a.rs", text), &foreign), [""; 0], "{text}");
        }
    }
}

//! How the crate is built, as far as neither visibility nor `clippy.toml` can say it: which module may use which, what
//! happens in one place only, what never waits, how long a file may be, and what is public: its signatures, paths and variants. Read
//! from the source, without what is compiled for tests only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod claims;
mod graph;
mod paths;
mod shape;
mod signatures;
mod source;

use std::collections::BTreeSet;

use graph::Graph;
use paths::path_violations;
use shape::{MOST_FEATURES, feature_lines, variant_violations, vendor_violations};
use signatures::{foreign_crates, signature_violations};
use source::{Source, crate_sources, crate_texts};

/// The floors of the house, from the ground up. A module uses its own floor and those below.
const FLOORS: [&[&str]; 14] = [
    &["bounded", "error", "future", "json", "lock", "meter", "name", "scope", "scoped", "signature", "time", "trace"],
    &["flight", "guide", "http"],
    &["rejection"],
    &["explain", "respond"],
    &["issuer"],
    &["token"],
    &["change", "organization", "permissions"],
    &["decision"],
    &["policy"],
    &["engine", "lease", "route"],
    &["observe", "server", "tower"],
    &["audit", "feed"],
    &["authzen", "logto", "mcp", "metrics", "openapi", "permit", "websocket"],
    &["axum", "testing"],
];

/// What a module uses of an upper floor all the same: the file, and why.
const UPWARD: [(&str, &str, &str); 14] = [
    ("token", "engine/need", "one type says no or not yet, and what is missing"),
    ("policy", "engine/need", "one type says no or not yet, and what is missing"),
    ("rejection", "organization", "the record of a rejection names the organization that was verified"),
    ("server", "logto/preset", "what a vendor's issuers look like is for its own folder to know"),
    ("issuer", "token/provenance", "the identity of an entry"),
    ("issuer", "permissions/source", "an entry has its source of live permissions"),
    ("issuer", "permissions/source_error", "an entry has its source of live permissions"),
    ("issuer", "permissions/store", "an entry has its source of live permissions"),
    ("server", "testing/ports", "issuers of tests listen on loopback"),
    ("issuer", "token/introspect/ask", "an entry has its introspection endpoint"),
    ("issuer", "token/introspect/settings", "an entry has its introspection endpoint"),
    ("issuer", "change/invalidations", "an entry has its own invalidations"),
    ("token", "change/epoch", "an answer is as old as its question"),
    ("token", "change/invalidations", "an answer is as old as its question"),
];

/// Files of one folder that need each other: a type, its builder and its parts.
const LARGEST_CIRCLE: usize = 3;

/// Larger circles, which may shrink and not grow: a file of it, and the number of its files.
const LARGER_CIRCLES: [(&str, usize); 3] = [("engine/decide", 8), ("testing/server", 13), ("issuer/trusted", 3)];

/// Something that happens in these files and folders only.
struct OnlyIn {
    what: &'static str,
    patterns: &'static [&'static [&'static str]],
    places: &'static [&'static str],
}

const ONLY_IN: [OnlyIn; 10] = [
    OnlyIn {
        what: "the crypto library is named",
        patterns: &[&["aws_lc_rs"]],
        places: &["signature.rs", "testing/", "change/redis/tls.rs"],
    },
    OnlyIn {
        what: "the JWT library is named",
        patterns: &[&["jsonwebtoken"]],
        places: &["issuer/keys/jwk.rs", "testing/"],
    },
    OnlyIn {
        what: "axum is named",
        patterns: &[&["axum"]],
        places: &["lib.rs", "axum/", "organization/path_params.rs"],
    },
    OnlyIn {
        what: "a challenge is sent or described",
        patterns: &[&["WWW_AUTHENTICATE"], &["\"WWW-Authenticate\""], &["\"www-authenticate\""]],
        places: &["openapi/responses.rs", "respond/response.rs"],
    },
    OnlyIn {
        what: "a response is built",
        patterns: &[&["Response", "::", "new"], &["Response", "::", "builder"], &["status_mut"]],
        places: &["http/", "respond/plain.rs", "respond/response.rs", "testing/"],
    },
    OnlyIn {
        what: "an access token is minted",
        patterns: &[&["::", "mint"], &["::", "mint_introspected"]],
        places: &["token/verify/jwt.rs", "token/introspect/answer.rs"],
    },
    OnlyIn {
        what: "an organization is called verified",
        patterns: &[&["Organization", "::", "verified"]],
        places: &["policy/", "testing/facts.rs"],
    },
    OnlyIn {
        what: "a request is granted",
        patterns: &[&["Grant", "::", "new"], &["Grant", "::", "anonymous"]],
        places: &["engine/decide.rs", "testing/tenant/"],
    },
    OnlyIn {
        what: "a webhook is believed",
        patterns: &[&["Event", "::", "read"]],
        places: &["logto/webhooks/verify.rs"],
    },
    OnlyIn {
        what: "a task is started",
        patterns: &[&["spawn"], &["spawn_blocking"], &["spawn_local"], &["spawn_on"]],
        places: &["change/", "flight/", "issuer/keys/", "observe/", "permissions/", "testing/"],
    },
];

/// Decisions are functions of what is known: nothing in these files and folders waits.
const NEVER_WAITS: [&str; 16] = [
    "change/change.rs",
    "change/fact.rs",
    "change/revocations/",
    "engine/decide.rs",
    "error.rs",
    "json.rs",
    "organization/mod.rs",
    "organization/source.rs",
    "organization/subdomain.rs",
    "policy/",
    "rejection.rs",
    "rejection/",
    "respond/",
    "scope.rs",
    "signature.rs",
    "token/verify/",
];
const WAITS: [&[&str]; 5] = [&["async"], &["await"], &["poll"], &["Future", "for"], &["block_on"]];

const LONGEST_FILE: usize = 320;
const MEDIAN_FILE: usize = 200;

/// The names at the root. Everything else is under its module, one path a type.
const ROOT: [&str; 9] = [
    "AccessToken",
    "Claims",
    "ConfigError",
    "Guard",
    "Issuer",
    "Organization",
    "Policy",
    "Rejection",
    "ResourceServer",
];

#[test]
fn modules_use_the_floors_below() {
    report(&floor_violations(&Graph::of(crate_sources())));
}

#[test]
fn files_do_not_need_each_other_in_circles() {
    report(&circle_violations(&Graph::of(crate_sources())));
}

#[test]
fn some_things_happen_in_one_place_only() {
    let sources = crate_sources();
    report(&ONLY_IN.iter().flat_map(|rule| place_violations(rule, sources)).collect::<Vec<_>>());
}

#[test]
fn decisions_never_wait() {
    report(&waiting_violations(crate_sources()));
}

#[test]
fn files_are_short() {
    report(&length_violations(crate_sources()));
}

#[test]
fn public_signatures_name_few_dependencies() {
    let foreign = foreign_crates(include_str!("../../Cargo.toml"));
    assert!(foreign.contains("jsonwebtoken") && foreign.contains("serde_json") && !foreign.contains("http"));
    report(&crate_sources().iter().flat_map(|source| signature_violations(source, &foreign)).collect::<Vec<_>>());
}

#[test]
fn what_is_public_has_one_path() {
    report(&path_violations(crate_sources(), &ROOT));
}

#[test]
fn variants_that_callers_only_read_can_get_fields() {
    report(&variant_violations(crate_sources()));
}

#[test]
fn features_gate_few_places() {
    let lines: usize = crate_texts().iter().map(|(_, text)| feature_lines(text)).sum();
    assert!(
        lines <= MOST_FEATURES,
        "{lines} lines ask for a feature, not {MOST_FEATURES} at most: gate a folder where it is declared"
    );
}

#[test]
fn vendor_is_named_at_the_edge_only() {
    report(&vendor_violations(crate_sources()));
}

/// Logs and metrics of applications name them. Of two with one name, each has its own.
#[test]
fn every_public_enumeration_has_stable_names() {
    let sources = crate_sources();
    let names_it = |source: &Source, name: &str| {
        let by_hand = source.matches(&["impl", name, "{"]).any(|start| {
            let after = source.tokens.iter().skip_while(|token| !std::ptr::eq(*token, start));
            let item = after.skip(1).take_while(|token| token.text != "impl");
            item.into_iter().any(|token| token.text == "as_str")
        });
        by_hand || source.matches(&["stable_names", "!", "(", name]).next().is_some()
    };
    let mut enumerations = Vec::new();
    for source in sources {
        for start in source.matches(&["pub", "enum"]) {
            let mut after = source.tokens.iter().skip_while(|token| !std::ptr::eq(*token, start));
            enumerations.push((source, source.at(start), after.nth(2).unwrap().text.clone()));
        }
    }
    let is_unique = |name: &str| enumerations.iter().filter(|(.., other)| other == name).count() == 1;
    let is_nameless = |(own, _, name): &&(&Source, String, String)| {
        let places = sources.iter().filter(|place| place.path == own.path || is_unique(name));
        !places.into_iter().any(|place| names_it(place, name))
    };
    let nameless = enumerations.iter().filter(is_nameless);
    report(&nameless.map(|(_, at, name)| format!("{at}: {name} has no as_str()")).collect::<Vec<_>>());
}

#[test]
fn nine_names_are_at_the_root() {
    let sources = crate_sources();
    let root = sources.iter().find(|source| source.path == "lib.rs").expect("the crate's root");
    assert_eq!(root_names(root), ROOT.into());
}

fn report(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn folder(file: &str) -> &str {
    file.split('/').next().unwrap()
}

fn floor_violations(graph: &Graph) -> Vec<String> {
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut violations = Vec::new();
    let mut needed = BTreeSet::new();
    for (user, used) in &graph.uses {
        let Some(own) = floor(folder(user)) else {
            violations.push(format!("{user}: it has no floor"));
            continue;
        };
        for used in used.iter().filter(|used| floor(folder(used)).is_none_or(|theirs| theirs > own)) {
            match UPWARD.iter().position(|(module, file, _)| folder(user) == *module && used == file) {
                Some(exception) => _ = needed.insert(exception),
                None => violations.push(format!("{user} uses {used}, which is on a floor above it")),
            }
        }
    }
    // An exception that nothing needs any more would hide the next one.
    let unneeded = UPWARD.iter().enumerate().filter(|(at, _)| !needed.contains(at));
    violations.extend(unneeded.map(|(_, (module, file, _))| format!("{module} no longer uses {file}: no exception")));
    violations
}

fn circle_violations(graph: &Graph) -> Vec<String> {
    let mut violations = Vec::new();
    let mut needed = BTreeSet::new();
    for circle in graph.circles() {
        let folders: BTreeSet<&str> = circle.iter().map(|file| folder(file)).collect();
        let known = LARGER_CIRCLES.iter().find(|(file, _)| circle.contains(file));
        match known {
            Some((file, most)) if circle.len() <= *most => _ = needed.insert(*file),
            _ if folders.len() == 1 && circle.len() <= LARGEST_CIRCLE => {}
            _ => violations.push(format!("{} files need each other: {}", circle.len(), circle.join(", "))),
        }
    }
    let unneeded = LARGER_CIRCLES.iter().filter(|(file, _)| !needed.contains(file) && violations.is_empty());
    let unneeded: Vec<String> =
        unneeded.map(|(file, _)| format!("{file} is in no larger circle: no exception")).collect();
    violations.extend(unneeded);
    violations
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
    let unneeded = rule.places.iter().filter(|place| !visited.contains(*place));
    violations.extend(unneeded.map(|place| format!("src/{place}: no longer does it happen here that {}", rule.what)));
    violations
}

fn waiting_violations(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for place in NEVER_WAITS {
        let inside: Vec<&Source> = sources.iter().filter(|source| is_in(&source.path, place)).collect();
        if inside.is_empty() {
            violations.push(format!("src/{place} is not there"));
        }
        for source in inside {
            let waits = WAITS.iter().flat_map(|pattern| source.matches(pattern));
            violations
                .extend(waits.map(|token| format!("{}: `{}`, where nothing waits", source.at(token), token.text)));
        }
    }
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

fn root_names(root: &Source) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, _) in root.tokens.iter().enumerate().filter(|(_, token)| token.text == "use") {
        let tree = root.tokens[at..].iter().take_while(|token| token.text != ";");
        names.extend(tree.map(|token| &*token.text).filter(|text| text.starts_with(char::is_uppercase)));
    }
    names
}

mod catches {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        Graph::of(&files.iter().map(|(path, text)| Source::read(path, text)).collect::<Vec<_>>())
    }

    /// Without the exceptions that a house of a few files does not need.
    fn floors(path: &str, text: &str) -> Vec<String> {
        let house = [
            ("lib.rs", "pub use server::ResourceServer;"),
            ("json.rs", ""),
            ("token/mod.rs", ""),
            ("token/provenance.rs", ""),
            ("engine/mod.rs", "pub use need::Stop;"),
            ("engine/need.rs", ""),
            ("engine/state.rs", ""),
            ("server/mod.rs", ""),
        ];
        let found = floor_violations(&graph(&[&house[..], &[(path, text)]].concat()));
        found.into_iter().filter(|violation| !violation.ends_with("no exception")).collect()
    }

    #[test]
    fn a_use_of_an_upper_floor() {
        for (path, text) in [
            ("json/x.rs", "use crate::token::Subject;"),
            ("token/x.rs", "use crate::engine::state::State;"),
            ("token/x.rs", "use crate::engine::State;"),
            ("policy/x.rs", "use crate::ResourceServer;"),
            ("policy/x.rs", "fn a() { super::super::server::b(); }"),
            ("http/x.rs", "use crate::{json, engine::Stop};"),
            ("attic.rs", ""),
        ] {
            assert_eq!(floors(path, text).len(), 1, "{path}: {text}");
        }
        for (path, text) in [
            ("token/x.rs", "use crate::engine::Stop; use crate::json::Object;"),
            ("issuer/x.rs", "use crate::token::provenance::IssuerId;"),
            ("axum/x.rs", "use crate::ResourceServer; use crate::testing;"),
            ("token/x.rs", "#[cfg(test)] mod tests { use crate::server; }"),
        ] {
            assert_eq!(floors(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn an_exception_that_nothing_needs() {
        assert_eq!(floor_violations(&graph(&[("lib.rs", "")])).len(), UPWARD.len());
        let rule = &OnlyIn { what: "x", patterns: &[&["x"]], places: &["a.rs", "b/"] };
        assert_eq!(place_violations(rule, &[Source::read("a.rs", "x"), Source::read("b/c.rs", "x")]), [""; 0]);
        assert_eq!(place_violations(rule, &[Source::read("a.rs", "x"), Source::read("b.rs", "")]).len(), 1);
    }

    #[test]
    fn circles() {
        let circles = |files: &[(&str, &str)]| {
            let found = circle_violations(&graph(files));
            found.into_iter().filter(|violation| !violation.ends_with("no exception")).count()
        };
        assert_eq!(
            circles(&[("a/mod.rs", ""), ("a/b.rs", "use crate::c;"), ("c.rs", "use crate::a::b;")]),
            1,
            "two folders"
        );
        assert_eq!(
            circles(&[("a/mod.rs", ""), ("a/b.rs", "use super::c;"), ("a/c.rs", "use super::b;")]),
            0,
            "two files of one folder"
        );
        let four = [
            ("a/mod.rs", ""),
            ("a/b.rs", "use super::c;"),
            ("a/c.rs", "use super::d;"),
            ("a/d.rs", "use super::e;"),
            ("a/e.rs", "use super::b;"),
        ];
        assert_eq!(circles(&four), 1, "four files");
    }

    #[test]
    fn what_happens_elsewhere() {
        for text in [
            "use aws_lc_rs::digest;",
            "jsonwebtoken::decode()",
            "headers.insert(WWW_AUTHENTICATE, a)",
            "headers.insert(\"www-authenticate\", a)",
            "Response::new(a)",
            "http::Response::builder()",
            "*a.status_mut() = b",
            "use axum::Router;",
            "tokio::spawn(a)",
            "handle.spawn(a)",
            "tokio::task::spawn_blocking(a)",
            "AccessToken::mint(a)",
            "Organization::verified(a, b)",
            "Grant::new(a)",
            "Event::read(a)",
        ] {
            let bad = [Source::read("server/entry.rs", text)];
            let found = ONLY_IN.iter().flat_map(|rule| place_violations(rule, &bad));
            let found: Vec<String> =
                found.filter(|violation| violation.starts_with("src/server/entry.rs:1: ")).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_waits() {
        let waits = |text: &str| {
            let found = waiting_violations(&[Source::read("json.rs", text)]);
            found.into_iter().filter(|violation| violation.ends_with("where nothing waits")).count()
        };
        for text in ["async fn a() {}", "a.await", "impl Future for A {}", "fn poll(self) {}", "handle.block_on(a)"] {
            assert_eq!(waits(text), 1, "{text}");
        }
        assert_eq!(waits("fn a() {} // async"), 0);
        assert_eq!(waiting_violations(&[]).len(), NEVER_WAITS.len(), "a place that is gone");
    }

    #[test]
    fn long_files() {
        let file = |lines: usize| Source::read("a.rs", &"a\n".repeat(lines));
        assert_eq!(length_violations(&[file(320), file(199), file(1)]), [""; 0]);
        assert_eq!(length_violations(&[file(321), file(199), file(1)]).len(), 1);
        assert_eq!(length_violations(&[file(320), file(200), file(1)]).len(), 1);
    }

    #[test]
    fn names_at_the_root() {
        let root = Source::read("lib.rs", "pub mod a; pub use a::{B, c::D}; pub use e::F as G;");
        assert_eq!(root_names(&root), ["B", "D", "F", "G"].into());
    }
}

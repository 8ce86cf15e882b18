//! The gateway's one reading of a path: what is matched is what another decoder reads, and no route takes a path that means
//! something else to a careless server.

use std::sync::LazyLock;

use http::Method;

use crate::path::{Match, Oddities, Table, TrailingSlash, read};

static TABLE: LazyLock<Table<&'static str>> = LazyLock::new(|| {
    let mut table = Table::new(TrailingSlash::Distinct);
    for pattern in [
        "/",
        "/public",
        "/admin",
        "/admin/{*rest}",
        "/orgs/{org}",
        "/orgs/{org}/documents/{id}",
        "/orgs/{org}/{kind}/{id}",
        "/a b",
        "/{*rest}",
    ] {
        table.insert(pattern, Some(vec![Method::GET]), Oddities::default(), pattern).unwrap();
    }
    table
});

pub(crate) fn run(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else { return };
    let reading = match read(target) {
        Ok(reading) => reading,
        Err(fault) => {
            assert!(!fault.as_str().is_empty());
            return;
        }
    };
    let raw = target.split('?').next().unwrap();
    let segments: Vec<String> = raw[1..].split('/').map(decoded).collect();
    assert_eq!(reading.segments(), segments, "{target}");
    let is_plain = segments.iter().all(|segment| !segment.contains(['/', '\\']));
    if reading.check(Oddities::default()).is_ok() {
        assert!(is_plain, "{target}");
        assert!(segments.iter().rev().skip(1).all(|segment| !segment.is_empty()), "{target}");
    }
    let found = TABLE.find(&Method::GET, &reading);
    if let Match::Route { pattern, .. } = &found {
        // Parameters go before escapes are read, or after.
        let before: Vec<String> = raw[1..].split('/').map(|segment| decoded(named(segment))).collect();
        let after: Vec<String> = segments.iter().map(|segment| named(segment).to_owned()).collect();
        for merged in [before, after].map(merged) {
            match read(&merged) {
                Ok(other) => match TABLE.find(&Method::GET, &other) {
                    Match::Route { pattern: other, .. } => assert_eq!(*pattern, other, "{target} and {merged}"),
                    Match::Nothing | Match::WrongMethod { .. } | Match::Refused(_) => {}
                },
                Err(fault) => panic!("{target} is {merged} to another server: {fault}"),
            }
        }
    }
    assert!(segments.iter().all(|segment| !matches!(segment.as_str(), "." | "..")), "{target}");
    if let Match::Route { pattern, params, .. } = found {
        let value = |name: &str| params.iter().find(|(known, _)| *known == name).expect("a parameter").1.clone();
        let rebuilt = pattern.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.map_or_else(|| segment.to_owned(), |name| value(name.trim_start_matches('*')))
        });
        let rebuilt: Vec<String> = rebuilt.collect();
        assert_eq!(rebuilt.join("/"), format!("/{}", segments.join("/")), "{pattern} for {target}");
        assert!(reading.check(Oddities::default()).is_ok(), "{target}");
    }
}

/// A segment without its parameters.
fn named(segment: &str) -> &str {
    segment.split(';').next().unwrap()
}

/// The path of a server that merges slashes.
fn merged(segments: Vec<String>) -> String {
    let last = segments.len() - 1;
    let kept = segments.iter().enumerate().filter(|(at, segment)| *at == last || !segment.is_empty());
    kept.flat_map(|(_, segment)| ["/".to_owned(), segment.bytes().map(|byte| format!("%{byte:02X}")).collect()]).collect()
}

/// One escape at a time.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

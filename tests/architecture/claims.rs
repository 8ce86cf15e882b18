//! The page of security claims: each test that it names exists, and each subject of SECURITY.md has its part.

use std::fs;
use std::path::Path;

const PAGE: &str = "docs/security-claims.md";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `path.rs::name`, in backticks.
fn named_tests(page: &str) -> Vec<(&str, &str)> {
    page.split('`').filter_map(|code| code.split_once(".rs::")).collect()
}

#[test]
fn every_test_that_the_security_claims_name_exists() {
    let page = read(PAGE);
    let named = named_tests(&page);
    assert!(named.len() > 100, "{} tests are named", named.len());
    let is_missing = |(file, name): &&(&str, &str)| {
        let source = read(&format!("{file}.rs"));
        let at = source.find(&format!("fn {name}("));
        // In a block of `proptest!` the attribute stands in front as well.
        !at.is_some_and(|at| source[..at].trim_end().rsplit('\n').take(8).any(|line| line.contains("test")))
    };
    let missing: Vec<_> = named.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{PAGE} names tests that are not there: {missing:#?}");
}

#[test]
fn every_subject_of_the_security_page_has_claims() {
    let (page, security) = (read(PAGE), read("SECURITY.md"));
    let bold = security.lines().filter_map(|line| line.strip_prefix("**")?.split("**").next());
    let heads = security.lines().filter_map(|line| line.strip_prefix("## "));
    let whole = ["Reporting", "What is protected", "Who can do what", "Out of scope"];
    let subjects: Vec<&str> = bold.chain(heads.filter(|head| !whole.contains(head))).collect();
    assert!(subjects.len() > 10, "{subjects:?}");
    let missing: Vec<_> = subjects.iter().filter(|subject| !page.contains(&format!("\n## {subject}\n"))).collect();
    assert!(missing.is_empty(), "{PAGE} has no claims about {missing:?}");
}

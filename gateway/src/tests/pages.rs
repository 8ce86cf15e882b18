//! What the guide lists is what the program knows.

use std::collections::BTreeSet;
use std::path::Path;

use orgate::Policy;

use crate::compile::{Purpose, compile};
use crate::config::load;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide").join(name)).unwrap()
}

/// Returns the rows of the table below the line that begins with this, each as its cells.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let at = page.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("no table {heading}")) + 1;
    let lines = page[at..].lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &'a str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    lines.map(cells).collect()
}

/// Returns what stands between backticks.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn text_of_every_word_of_a_policy_can_be_parsed() {
    let page = page("policies.md");
    let (mut parsed, mut in_rust) = (0, 0);
    for row in
        [rows(&page, "| begins with | accepts | as text |"), rows(&page, "| condition | holds if | as text |")].concat()
    {
        let [_, _, text] = row[..] else { panic!("three cells: {row:?}") };
        if text == "Rust only" {
            in_rust += 1;
            continue;
        }
        assert!(text.contains('`'), "{row:?}");
        for text in code(text) {
            let policy: Policy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(policy.to_string(), text);
            parsed += 1;
        }
    }
    assert_eq!((parsed, in_rust), (29, 2));
}

#[test]
fn policies_of_the_page_of_the_gateway_can_be_parsed() {
    let page = page("gateway.md");
    let block = page
        .split("```text\n")
        .find_map(|rest| rest.split_once("```").filter(|(block, _)| block.starts_with("resource")))
        .unwrap()
        .0;
    let table = rows(&page, "| begins with | the token is for |");
    let texts: Vec<&str> = block.lines().chain(table.iter().flat_map(|row| code(row[0]))).collect();
    assert_eq!(texts.len(), 11);
    for text in texts {
        let parsed = text.parse::<Policy>();
        assert!(parsed.is_ok(), "{text}: {parsed:?}");
    }
}

fn fault(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let compiled = load(&path).and_then(|loaded| compile(loaded, Purpose::Inspect));
    compiled.map_or_else(|fault| fault.to_string(), |_| String::new())
}

const API: &str = "[api]\nresource = \"https://api.example.com\"\npublic_url = \"https://api.example.com\"\n";

/// The error about a key that is not known names all keys that are.
#[test]
fn tables_of_keys_are_complete() {
    let page = page("gateway.md");
    let issuer = "[[issuer]]\nurl = \"https://i\"\n";
    for (heading, text) in [
        ("## Keys of `[api]`\n\n| key |", API.to_owned()),
        ("## Keys of `[[issuer]]`\n\n| key |", format!("{API}{issuer}")),
        ("\n| key of `[issuer.logto_management]` |", format!("{API}{issuer}[issuer.logto_management]\n")),
    ] {
        let at = page.find(heading).unwrap_or_else(|| panic!("no table {heading}"));
        let rows = rows(&page[at..], "| key");
        let documented: BTreeSet<&str> = rows.iter().flat_map(|row| code(row[0])).collect();
        let fault = fault(&format!("{text}no_such_key = 1\n"));
        let (_, known) = fault.split_once("expected one of ").unwrap_or_else(|| panic!("{fault}"));
        let known: BTreeSet<&str> = code(known).collect();
        assert!(known.len() > 6 && documented == known, "{heading}\n{documented:?}\n{known:?}");
    }
}

#[test]
fn entry_of_every_issuer_page_compiles() {
    for name in ["keycloak", "auth0", "entra", "okta", "cognito", "zitadel"] {
        let page = page(&format!("issuers/{name}.md"));
        let (entry, _) = page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap();
        assert!(entry.starts_with("[[issuer]]\n"), "{name}");
        let rest = "[listen]\nforward_auth = \"127.0.0.1:0\"\n[forward_auth]\npreset = \"nginx\"\n";
        assert_eq!(fault(&format!("{API}{entry}{rest}")), "", "{name}");
        // The same names as in Rust.
        for line in entry.lines().filter(|line| line.starts_with("url = ")) {
            let url = line.trim_start_matches("url = ");
            assert!(page.contains(&format!("Issuer::new({url})")), "{name}: {url}");
        }
    }
}

/// A file has no structs, methods and builders.
#[test]
fn faults_speak_of_the_file_and_not_of_rust() {
    let issuer = "[[issuer]]\nname = \"a\"\nurl = \"https://a.example\"\n";
    let other = "[[issuer]]\nname = \"b\"\nurl = \"https://b.example\"\n";
    let rest = "[listen]\nforward_auth = \"127.0.0.1:0\"\n[forward_auth]\npreset = \"nginx\"\n";
    let route = |policy: &str| format!("{rest}[[route]]\npath = \"/a\"\npolicy = '{policy}'\n");
    for (text, expected) in [
        (format!("{API}{issuer}{other}{}", route("resource")), "add `issued by NAME` or `any issuer`"),
        (format!("{API}{issuer}{}", route("resource and live")), "has no permission source"),
        (format!("{API}{issuer}{}", route("resource and fresh within 0s")), "fresh within 0ns: not in 1s"),
        (format!("{API}{issuer}{}", route("scope read")), "begin with `resource`"),
        (format!("{API}{issuer}{}", route("authenticated and scope a")), "use `resource` or `organization`"),
        (
            format!("{API}{issuer}{}", route("resource for member of organization from header x")),
            "add `live` or `fresh within`",
        ),
        (format!("{API}{issuer}{}", route("resource and max-auth-age 0s")), "max-auth-age 0ns: not in"),
        (format!("{API}{issuer}{}", route("resource and decide a b from header c")), "no decision point"),
        (
            format!("{API}{issuer}scope_claim = \"scp\"\n{rest}"),
            "expected a table such as { name = \"scp\", array = true }",
        ),
        (format!("{API}{issuer}machine_mark = \"x\"\n{rest}"), "expected a table with one of the keys claim, present"),
        (format!("{API}{issuer}organization_claim = 1\n{rest}"), "expected the name of a claim, or an array"),
        (format!("{API}{issuer}{rest}[dpop]\n").replace("[dpop]\n", "dpop = 1\n"), "unknown field `dpop`"),
        (format!("dpop = 1\n{API}{issuer}{rest}"), "expected a table [dpop]"),
        (format!("log = 1\n{API}{issuer}{rest}"), "expected a table [log]"),
        (format!("{API}require_sender_constrained = true\n{issuer}{rest}"), "configure dpop or mutual TLS"),
    ] {
        let fault = fault(&text);
        assert!(fault.contains(expected), "expected {expected}, found {fault}");
        for rust in ["::", "()", "(..)", "(name)", "struct ", "Builder"] {
            assert!(!fault.contains(rust), "{rust} in {fault}");
        }
    }
}

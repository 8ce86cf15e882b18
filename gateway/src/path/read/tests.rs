use proptest::prelude::*;

use super::*;

fn segments(target: &str) -> Vec<String> {
    read(target).unwrap().segments.into_iter().map(Cow::into_owned).collect()
}

/// What a route without a relaxation says.
fn strict(target: &str) -> Result<(), PathFault> {
    read(target)?.check(Oddities::default())
}

#[test]
fn segments_are_decoded_once() {
    assert_eq!(segments("/orgs/%61cme/orders?q=/../%zz"), ["orgs", "acme", "orders"]);
    assert_eq!(segments("/%252e%252e/caf%C3%A9/"), ["%2e%2e", "café", ""]);
    assert_eq!(segments("/"), [""]);
    assert_eq!(segments("/a;p=1/b./..a/;x"), ["a;p=1", "b.", "..a", ";x"]);
}

#[test]
fn target_with_two_readings_is_rejected() {
    use PathFault as F;
    for (target, fault) in [
        ("", F::NoPath),
        ("*", F::NoPath),
        ("a", F::NoPath),
        ("?/a", F::NoPath),
        ("http://h/a", F::NoPath),
        ("/a b", F::Byte),
        ("/a\u{e9}", F::Byte),
        ("/a\u{7f}", F::Byte),
        ("/a\r\n", F::Byte),
        ("/a?q=\u{1}", F::Byte),
        ("/a#f", F::Fragment),
        ("/a?q#f", F::Fragment),
        ("/a\\b", F::Backslash),
        ("/a%", F::Escape),
        ("/a%4", F::Escape),
        ("/a%zz", F::Escape),
        ("/%%61", F::Escape),
        ("/a%00", F::EncodedControl),
        ("/a%0d%0a", F::EncodedControl),
        ("/a%7f", F::EncodedControl),
        ("/a%C2%85", F::EncodedControl),
        ("/%c0%ae%c0%ae/a", F::NotUtf8),
        ("/%ff", F::NotUtf8),
        ("/%ed%a0%80", F::NotUtf8),
        ("/a/../b", F::DotSegment),
        ("/./a", F::DotSegment),
        ("/a/.", F::DotSegment),
        ("/a/..", F::DotSegment),
        ("/a/%2E%2e/b", F::DotSegment),
        ("/a/.%2e/b", F::DotSegment),
        ("/a/..;/b", F::DotSegment),
        ("/a/..;x=1/b", F::DotSegment),
        ("/a/.%3bx/b", F::DotSegment),
        ("/a%2f..%2fb", F::DotSegment),
        ("/a/..%5cb", F::DotSegment),
        ("/a/..%20/b", F::DotSegment),
        ("/a/..%20", F::DotSegment),
        ("/a/.%20.;x/b", F::DotSegment),
        ("/a/%20../b", F::DotSegment),
        ("/a/.../b", F::DotSegment),
        ("/a/...%20", F::DotSegment),
        ("/a%2f..%20%2fb", F::DotSegment),
        ("/a%2Fb", F::EncodedSlash),
        ("/a%5Cb", F::EncodedBackslash),
        ("//a", F::EmptySegment),
        ("/a//b", F::EmptySegment),
        ("/a//", F::EmptySegment),
        ("/;x/a", F::EmptySegment),
        ("/;/a", F::EmptySegment),
        ("/a/;x=1;y=2/b", F::EmptySegment),
        ("/a/%3Bx/b", F::EmptySegment),
        ("/%20/a", F::EmptySegment),
        ("/a/%20%20;x/b", F::EmptySegment),
        ("/a/;x/", F::EmptySegment),
    ] {
        assert_eq!(strict(target), Err(fault), "{target:?}");
    }
}

#[test]
fn last_empty_segment_passes() {
    assert_eq!(strict("/a/"), Ok(()));
    assert_eq!(strict("/"), Ok(()));
    assert_eq!(strict("/a/;x"), Ok(()));
}

#[test]
fn relaxation_lets_pass_what_it_names_and_nothing_else() {
    let path = read("/a%2Fb").unwrap();
    assert_eq!(path.check(Oddities { encoded_slash: true, ..Oddities::default() }), Ok(()));
    let backslash = Oddities { encoded_backslash: true, empty_segment: true, ..Oddities::default() };
    assert_eq!(path.check(backslash), Err(PathFault::EncodedSlash));
    let empty = Oddities { empty_segment: true, ..Oddities::default() };
    assert_eq!(read("/;x/a").unwrap().check(empty), Ok(()));
}

/// A server that decodes first, takes `\` for `/`, ignores `;…` and spaces at the end, merges slashes, and resolves dots.
fn generous(target: &str) -> Vec<String> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let decode =
        |text: &str| String::from_utf8_lossy(&percent_decode(text.as_bytes()).collect::<Vec<_>>()).into_owned();
    let mut out: Vec<String> = Vec::new();
    for segment in decode(path).replace('\\', "/").split('/') {
        match segment.split(';').next().unwrap_or_default().trim_end_matches(' ') {
            "" | "." => {}
            ".." => drop(out.pop()),
            name => out.push(name.to_owned()),
        }
    }
    out
}

proptest! {
    /// Nothing panics, and what is accepted has no second reading: a server that resolves everything finds the same
    /// segments, up to a parameter behind `;` and spaces at the end. The last one may be empty.
    #[test]
    fn accepted_path_means_the_same_to_a_server_that_resolves_everything(
        target in "/([ab;/]|[c./;\\\\#?]|%2[0eEfF]|%3[bB]|%5[cC]|%00|%c0%ae|%6[1-3]|%25|\u{e9}){0,10}",
    ) {
        if let Ok(path) = read(&target) && path.check(Oddities::default()).is_ok() {
            let mut mine: Vec<String> = path.segments().iter()
                .map(|segment| segment.split(';').next().unwrap_or_default().trim_end_matches(' ').to_owned())
                .collect();
            mine.pop_if(|last| last.is_empty());
            prop_assert_eq!(mine, generous(&target));
        }
    }

    #[test]
    fn no_target_panics(target in ".{0,64}") {
        _ = read(&target);
    }
}

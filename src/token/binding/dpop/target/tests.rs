use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn url(text: &str) -> PublicUrl {
    PublicUrl::parse(text, PlainHttp::OnLoopback).unwrap()
}

fn of(htu: &str, base: &str, path: &str) -> Option<String> {
    target(htu, &[url(base)], path)
}

#[test]
fn equivalent_spellings_name_the_request() {
    for htu in [
        "https://api.example.com/orders/~x",
        "HTTPS://API.Example.COM/orders/~x",
        "https://api.example.com:443/orders/~x",
        "https://api.example.com:/orders/~x",
        "https://api.example.com/%6frders/%7Ex",
        "https://api.example.com/%6Frders/%7ex",
        "https://api.example.com/./a/../orders/~x",
        "https://api.example.com/%2E/a/%2e%2E/orders/~x",
        "https://api.example.com/../orders/~x",
        "https://api.example.com/orders/~x?a=b",
        "https://api.example.com/orders/~x#a/b",
        "https://api.example.com/orders/~x?#",
    ] {
        let expected = Some("https://api.example.com/orders/~x".to_owned());
        assert_eq!(of(htu, "https://api.example.com", "/orders/~x"), expected, "{htu}");
        assert_eq!(of(htu, "https://API.example.com:443/", "/%6Frders/b/../%7ex"), expected, "{htu}");
    }
}

#[test]
fn another_request_is_not_named() {
    for htu in [
        "",
        "/orders",
        "//api.example.com/orders",
        "api.example.com/orders",
        "https:/api.example.com/orders",
        "https:///orders",
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/orders/",
        "https://api.example.com//orders",
        "https://api.example.com/Orders",
        "https://api.example.com/order",
        "https://api.example.com/orders1",
        "https://api.example.com/%2Forders",
        "https://api.example.com/orders%3Fa",
        "https://api.example.com/orders%",
        "https://api.example.com/orders%4",
        "https://api.example.com/orders%zz",
        "https://api.example.com/orders ",
        " https://api.example.com/orders",
        "https://api.example.com\\orders",
        "https://api.example.com/orders/..",
        "http://api.example.com/orders",
        "http://api.example.com:443/orders",
        "https://api.example.com:80/orders",
        "https://api.example.com:8443/orders",
        "https://api.example.com:65979/orders",
        "https://api.example.com:x/orders",
        "https://api.example.com:443:443/orders",
        "https://api.example.com./orders",
        "https://api.example.com@evil.example/orders",
        "https://user@api.example.com/orders",
        "https://evil.example/https://api.example.com/orders",
        "https://api.example.com.evil.example/orders",
        "https://api.example.co/orders",
        "wss://api.example.com/orders",
        "https://xn--pi-example.com/orders",
        "https://api.example.com/orders\u{0}",
        "https://api.éxample.com/orders",
    ] {
        assert_eq!(of(htu, "https://api.example.com", "/orders"), None, "{htu}");
    }
}

#[test]
fn a_reserved_character_is_not_its_encoded_form() {
    for (htu, path) in [("/a%2Fb", "/a/b"), ("/a%3Bb", "/a;b"), ("/a%40b", "/a@b"), ("/a%2Cb", "/a,b")] {
        let htu = format!("https://api.example.com{htu}");
        assert_eq!(of(&htu, "https://api.example.com", path), None, "{htu}");
    }
    // What may not stand in a path at all has one meaning in both spellings.
    for (htu, path) in [("/a%7Cb", "/a|b"), ("/%C3%A9", "/é"), ("/a%22", "/a\""), ("/|", "/%7c")] {
        let htu = format!("https://api.example.com{htu}");
        assert!(of(&htu, "https://api.example.com", path).is_some(), "{htu}");
    }
}

#[test]
fn a_prefix_that_a_proxy_removes_is_part_of_the_target() {
    let base = "https://api.example.com/v1/base/";
    let found = |htu: &str, path: &str| of(htu, base, path);
    let target = Some("https://api.example.com/v1/base/orders".to_owned());
    assert_eq!(found("https://api.example.com/v1/base/orders", "/orders"), target);
    assert_eq!(found("https://api.example.com/orders", "/orders"), None);
    assert_eq!(found("https://api.example.com/v1/baseorders", "/orders"), None);
    assert_eq!(found("https://api.example.com/v1/base/../orders", "/../orders"), None);
    // Both spellings of the prefix itself are one target, so that a proof passes once.
    let root = Some("https://api.example.com/v1/base/".to_owned());
    assert_eq!(found("https://api.example.com/v1/base", "/"), root);
    assert_eq!(found("https://api.example.com/v1/base/", "/"), root);
    assert_eq!(of("https://api.example.com", "https://api.example.com", "/"), Some("https://api.example.com/".into()));
}

#[test]
fn one_of_several_public_urls_is_named() {
    let urls = [url("https://api.example.com"), url("https://api.example.net/x"), url("http://127.0.0.1:3000")];
    for (htu, expected) in [
        ("https://api.example.com/a", Some("https://api.example.com/a")),
        ("https://api.example.net/x/a", Some("https://api.example.net/x/a")),
        ("https://api.example.net/a", None),
        ("http://127.0.0.1:3000/a", Some("http://127.0.0.1:3000/a")),
        ("http://127.0.0.1/a", None),
    ] {
        assert_eq!(target(htu, &urls, "/a").as_deref(), expected, "{htu}");
    }
    assert_eq!(target("https://api.example.com/a", &[], "/a"), None);
    assert!(target("https://[2001:DB8::1]:443/a", &[url("https://[2001:db8::1]")], "/a").is_some());
}

#[test]
fn a_request_without_an_absolute_path_has_no_target() {
    for path in ["*", "a", "example.com:443"] {
        assert_eq!(of("https://api.example.com/a", "https://api.example.com", path), None, "{path}");
    }
}

#[test]
fn a_public_url_that_cannot_be_one_is_a_config_error() {
    for bad in [
        "",
        "api.example.com",
        "http://api.example.com",
        "https://user@api.example.com",
        "https://api.example.com/?a",
        "https://api.example.com/#a",
        "https://api.example.com/%zz",
        "wss://api.example.com",
    ] {
        let error = PublicUrl::parse(bad, PlainHttp::OnLoopback).unwrap_err();
        assert!(error.to_string().starts_with(&format!("DPoP public URL {bad:?}: ")), "{error}");
    }
}

/// A segment in its normalized form.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_~!$&'()*+,;=:@-]{1,6}",
        1 => "(%2F|%3F|%25|%C3%A9|%20){1,2}",
        1 => Just(String::new()),
    ]
}

/// The same path, written in another way.
fn respelled(path: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut spelled = String::new();
    for character in path.chars() {
        let choice = choices.next().copied().unwrap_or(0) % 6;
        match (character, choice) {
            ('/', 0) => spelled.push_str("/./"),
            ('/', 1) => spelled.push_str("/x/%2e%2E/"),
            (character, 2) if is_unreserved(character as u8) => write!(spelled, "%{:02x}", character as u8).unwrap(),
            (character, _) => spelled.push(character),
        }
    }
    spelled
}

proptest! {
    #[test]
    fn spellings_of_one_path_are_one_target(
        segments in prop::collection::vec(segment(), 1..6),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        others in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let path = format!("/{}", segments.join("/"));
        // The digits of an encoded octet are not characters of the path.
        let (htu, request) = if path.contains('%') { (path.replace("%2F", "%2f").replace("%C3%A9", "%c3%a9"), path.clone()) } else { (respelled(&path, &choices), respelled(&path, &others)) };
        let found = of(&format!("https://API.example.com:443{htu}?{path}"), "https://api.example.com", &request);
        prop_assert_eq!(found, Some(format!("https://api.example.com{path}")));
    }

    #[test]
    fn different_paths_are_different_targets(
        one in prop::collection::vec(segment(), 1..4),
        other in prop::collection::vec(segment(), 1..4),
    ) {
        let (one, other) = (format!("/{}", one.join("/")), format!("/{}", other.join("/")));
        let found = of(&format!("https://api.example.com{one}"), "https://api.example.com", &other);
        prop_assert_eq!(found.is_some(), one == other, "{} {}", one, other);
    }

    #[test]
    fn normalizing_twice_changes_nothing(path in "/[ -~é]{0,30}") {
        if let Some(normalized) = normalized_path(&path) {
            prop_assert_eq!(normalized_path(&normalized), Some(normalized.clone()));
            prop_assert!(normalized.is_ascii() && !normalized.split('/').any(|part| part == "." || part == ".."));
        }
    }

    #[test]
    fn foreign_input_never_panics(htu in any::<String>(), path in any::<String>()) {
        let _ = of(&htu, "https://api.example.com/base", &path);
    }
}

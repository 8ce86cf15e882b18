//! Another reader of `WWW-Authenticate`: RFC 9110 section 11.6.1, as strict as the grammar is.

use http::HeaderValue;

const PARAMETERS: [&str; 9] =
    ["error", "scope", "resource_metadata", "error_description", "error_uri", "realm", "algs", "acr_values", "max_age"];

/// The scheme of a challenge and its parameters.
pub(crate) type Challenge = (String, Vec<(String, String)>);

/// One challenge in one header, in the form `Scheme name="value", name="value"`.
pub(crate) fn read(value: &HeaderValue) -> Challenge {
    let text = value.to_str().expect("visible ASCII");
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    assert!(!scheme.is_empty() && scheme.bytes().all(is_token), "{text}");
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no quoted value: {text}"));
        assert!(PARAMETERS.contains(&name), "{name} in {text}");
        let end = after.find('"').unwrap_or_else(|| panic!("no end: {text}"));
        let value = &after[..end];
        assert!(!value.contains('\\'), "an escape in {text}");
        assert!(parameters.iter().all(|(known, _)| known != name), "{name} twice in {text}");
        parameters.push((name.to_owned(), value.to_owned()));
        rest = &after[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(", ").unwrap_or_else(|| panic!("no comma: {text}"));
            assert!(!rest.is_empty(), "a comma at the end: {text}");
        }
    }
    (scheme.to_owned(), parameters)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Clients that search for `name=` find what the challenge means, and nothing else.
pub(crate) fn by_search(value: &HeaderValue, name: &str) -> Option<String> {
    let text = value.to_str().unwrap();
    let at = text.find(&format!("{name}=\""))? + name.len() + 2;
    Some(text[at..].split('"').next().unwrap().to_owned())
}

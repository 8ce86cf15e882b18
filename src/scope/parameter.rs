//! Words that clients read as parameters of a challenge.

/// The parameters that clients search for.
const NAMES: [&str; 9] =
    ["error", "scope", "resource_metadata", "error_description", "error_uri", "realm", "algs", "acr_values", "max_age"];

/// Returns the parameter that a client finds in a text if it searches the whole challenge for `name=`, in either case.
pub(crate) fn misread_in(text: &str) -> Option<&'static str> {
    // Most texts are words.
    if !text.contains('=') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    NAMES.into_iter().find(|name| lower.contains(&format!("{name}=")))
}

//! What axum's router would panic on, found first.

use std::collections::HashSet;

use crate::error::ConfigError;

/// The names of the parameters in a path, in order: `{name}` and `{*name}`.
pub(super) fn parameters(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some((_, from_brace)) = rest.split_once('{') {
        if let Some(escaped) = from_brace.strip_prefix('{') {
            rest = escaped;
            continue;
        }
        let Some((name, after)) = from_brace.split_once('}') else { break };
        names.push(name.strip_prefix('*').unwrap_or(name));
        rest = after;
    }
    names
}

/// A path on its own: its form, and that no parameter is named twice.
pub(super) fn check(path: &str) -> Result<(), ConfigError> {
    let wrong = |why: &str| Err(ConfigError::new(format_args!("path {path:?}: {why}")));
    if !path.starts_with('/') {
        return wrong("it does not begin with a slash");
    }
    if path.split('/').any(|segment| segment.starts_with(':') || segment.starts_with('*')) {
        return wrong("a segment begins with : or *; parameters are written {name} and {*name}");
    }
    let mut seen = HashSet::new();
    if let Some(twice) = parameters(path).into_iter().find(|name| !seen.insert(*name)) {
        return wrong(&format!("{{{twice}}} occurs twice, and layer and handler could read different values"));
    }
    Ok(())
}

/// A prefix for `nest` and `public_router`.
pub(super) fn check_prefix(prefix: &str) -> Result<(), ConfigError> {
    check(prefix)?;
    let wrong = |why: &str| Err(ConfigError::new(format_args!("prefix {prefix:?}: {why}")));
    if prefix.ends_with('/') {
        return wrong("it ends with a slash; to join two guards at the root, merge them");
    }
    if prefix.contains("{*") {
        return wrong("a wildcard matches the whole rest of a path: nothing can follow it");
    }
    Ok(())
}

/// `/prefix` and `/path` are `/prefix/path`; `/prefix` and `/` are `/prefix`, as in axum.
pub(super) fn join(prefix: &str, path: &str) -> String {
    if path == "/" { prefix.to_owned() } else { format!("{prefix}{path}") }
}

/// The whole prefix of a public router. A router may bring a fallback, which axum puts beside its own `/{*rest}`, and next
/// to that no parameter can stand. (Such a prefix would also make every path of its form public.)
pub(super) fn check_public_prefix(prefix: &str) -> Result<(), ConfigError> {
    if prefix.starts_with("/{") && !prefix.starts_with("/{{") {
        return Err(ConfigError::new(format_args!(
            "prefix {prefix:?}: a public router cannot be below a prefix that begins with a parameter"
        )));
    }
    Ok(())
}

/// Whether `path` is `prefix` or below it, whatever the names of their parameters.
pub(super) fn is_below(path: &str, prefix: &str) -> bool {
    nameless(path).strip_prefix(&nameless(prefix)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path with nothing between the braces: `/orgs/{}`.
fn nameless(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, from_brace)) = rest.split_once('{') {
        shape.push_str(before);
        if let Some(escaped) = from_brace.strip_prefix('{') {
            shape.push_str("{{");
            rest = escaped;
        } else {
            shape.push_str("{}");
            rest = from_brace.split_once('}').map_or("", |(_, after)| after);
        }
    }
    shape + rest
}

/// Paths that may stand in one router: the same matcher that axum uses, fed in the same way.
#[derive(Default)]
pub(super) struct Matcher {
    routes: matchit::Router<()>,
    known: HashSet<String>,
}

impl Matcher {
    pub(super) fn add(&mut self, path: &str) -> Result<(), ConfigError> {
        if !self.known.insert(path.to_owned()) {
            return Ok(());
        }
        self.routes.insert(path, ()).map_err(|error| ConfigError::new(format_args!("path {path:?}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameters() {
        assert_eq!(parameters("/orgs/{org}/x-{id}.json/{*rest}"), ["org", "id", "rest"]);
        assert!(parameters("/a/{{b}}/c").is_empty());
        assert!(parameters("/a/{b").is_empty());
    }

    #[test]
    fn paths() {
        for good in ["/", "/a", "/a/{b}/{*c}", "/a:b", "/a/{{b}}"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "/:a", "/a/*b", "/{a}/b/{a}", "/{a}/{*a}"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for bad in ["/", "/a/", "a", "/{*a}", ""] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
        assert_eq!((join("/a", "/"), join("/a", "/b")), ("/a".to_owned(), "/a/b".to_owned()));
        assert!(is_below("/a/b", "/a") && is_below("/a", "/a") && !is_below("/ab", "/a"));
        assert!(is_below("/a/{b}/c", "/a/{x}") && is_below("/a/{b}", "/a/{x}") && !is_below("/a/b/c", "/a/{x}"));
        assert!(check_public_prefix("/a/{b}").is_ok() && check_public_prefix("/{{a}}").is_ok());
        assert!(check_public_prefix("/{a}").is_err() && check_public_prefix("/{a}/b").is_err());
    }

    #[test]
    fn conflicts_are_found() {
        let mut matcher = Matcher::default();
        for path in ["/a/{b}", "/a/{b}", "/a/c", "/x/{*rest}"] {
            assert!(matcher.add(path).is_ok(), "{path}");
        }
        for path in ["/a/{other}", "/x/{id}/{*rest}", "/y/{}", "/y/{a}{b}"] {
            assert!(matcher.add(path).is_err(), "{path}");
        }
    }
}

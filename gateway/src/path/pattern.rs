//! Patterns of routes and decoded segments, in the form that the router compares.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, percent_decode_str, utf8_percent_encode};

/// A slash inside a segment must not look like the end of one.
const INSIDE: &AsciiSet = &AsciiSet::EMPTY.add(b'%').add(b'/');

/// Joins decoded segments so that the router splits them where they were split.
pub(super) fn join(segments: &[Cow<'_, str>]) -> String {
    let mut path = String::with_capacity(segments.iter().map(|segment| segment.len() + 1).sum());
    for segment in segments {
        path.push('/');
        if segment.bytes().any(|byte| byte == b'%' || byte == b'/') {
            path.extend(utf8_percent_encode(segment, INSIDE));
        } else {
            path.push_str(segment);
        }
    }
    path
}

/// Returns the value of a parameter that the router found in a joined path.
pub(super) fn value(found: &str) -> String {
    if found.as_bytes().contains(&b'%') {
        percent_decode_str(found).decode_utf8_lossy().into_owned()
    } else {
        found.to_owned()
    }
}

/// What a careless server leaves of a segment: no parameter behind `;`, no dots or spaces at the end.
pub(super) fn bare(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default().trim_end_matches(['.', ' '])
}

/// Whether a careless server may take this for `.` or `..`, which lead to other segments.
pub(super) fn is_dots(segment: &str) -> bool {
    bare(segment).is_empty() && segment.split(';').next().is_some_and(|name| name.contains('.'))
}

/// What a careless server may take for the same segment: what it leaves of it, in any case.
pub(super) fn fold(segment: &str) -> Cow<'_, str> {
    if segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return segment.into();
    }
    bare(segment).to_lowercase().into()
}

/// Returns the pattern with folded literals, its parameters named by position, and no last slash.
pub(super) fn fold_pattern(pattern: &str) -> String {
    let mut folded = String::new();
    for (at, segment) in pattern.trim_end_matches('/').split('/').skip(1).enumerate() {
        folded.push('/');
        match segment.strip_prefix('{').filter(|name| !name.starts_with('{')) {
            Some(name) if name.starts_with('*') => _ = write!(folded, "{{*p{at}}}"),
            Some(_) => _ = write!(folded, "{{p{at}}}"),
            None => folded.push_str(&fold(segment)),
        }
    }
    folded
}

/// Returns what is wrong with a pattern beyond what the router itself rejects.
pub(super) fn fault(pattern: &str) -> Option<&'static str> {
    let Some(path) = pattern.strip_prefix('/') else { return Some("a path begins with `/`") };
    if path.contains(['%', '?', '#', '\\']) || path.chars().any(char::is_control) {
        return Some("a path is written decoded, without query and fragment");
    }
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        if is_dots(segment) {
            return Some("a path has no segment `.` or `..`, and none of dots and spaces alone");
        }
        if bare(segment).is_empty() && at < last {
            return Some("a path has no empty segment but the last, and none that begins with `;`");
        }
        if segment.starts_with(':') || segment.starts_with('*') {
            return Some("a parameter is written `{name}` or `{*name}`");
        }
        let literal = segment.replace("{{", "").replace("}}", "");
        if literal.contains(['{', '}']) && !(segment.starts_with('{') && segment.ends_with('}')) {
            return Some("a parameter is a whole segment");
        }
    }
    let mut names: Vec<&str> = super::names(pattern).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Some("each parameter of a path has a name of its own");
    }
    None
}

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

use super::pattern::{bare, is_dots};

/// A path as segments, each decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathReading<'t> {
    segments: Vec<Cow<'t, str>>,
    oddities: Oddities,
}

/// What a path holds that only routes named by a `dangerous_` setting take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    pub(crate) encoded_slash: bool,
    pub(crate) encoded_backslash: bool,
    /// Before the last one, a segment of which a careless server leaves nothing: `//` and `/;x/` are `/` to it.
    pub(crate) empty_segment: bool,
}

/// Why a request target is rejected: two servers may read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathFault {
    NoPath,
    Byte,
    Fragment,
    Backslash,
    Escape,
    EncodedControl,
    NotUtf8,
    DotSegment,
    EncodedSlash,
    EncodedBackslash,
    EmptySegment,
}

impl PathFault {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoPath => "the request target does not begin with `/`",
            Self::Byte => "the request target has a space, a control character or a byte outside ASCII",
            Self::Fragment => "the request target has a fragment",
            Self::Backslash => "the path has a backslash",
            Self::Escape => "the path has a `%` without two hexadecimal digits",
            Self::EncodedControl => "the path has an encoded control character",
            Self::NotUtf8 => "the path does not decode to UTF-8",
            Self::DotSegment => "the path has a segment `.` or `..`, or one of dots and spaces alone",
            Self::EncodedSlash => "the path has an encoded slash",
            Self::EncodedBackslash => "the path has an encoded backslash",
            Self::EmptySegment => "the path has an empty segment, or one that some servers drop",
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for PathFault {}

/// Reads the path of a request target, with or without a query.
///
/// # Errors
///
/// Returns a fault where two readings are possible; nothing is repaired.
pub(crate) fn read(target: &str) -> Result<PathReading<'_>, PathFault> {
    if target.as_bytes().contains(&b'#') {
        return Err(PathFault::Fragment);
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PathFault::Byte);
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let path = path.strip_prefix('/').ok_or(PathFault::NoPath)?;
    let mut oddities = Oddities::default();
    let segments = path.split('/').map(|segment| decode(segment, &mut oddities)).collect::<Result<Vec<_>, _>>()?;
    let last = segments.len().saturating_sub(1);
    oddities.empty_segment = segments.iter().take(last).any(|segment| bare(segment).is_empty());
    Ok(PathReading { segments, oddities })
}

/// Whether every server reads this segment as it stands.
fn is_plain(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~'))
}

fn decode<'t>(segment: &'t str, oddities: &mut Oddities) -> Result<Cow<'t, str>, PathFault> {
    if is_plain(segment) {
        return Ok(segment.into());
    }
    if segment.contains('\\') {
        return Err(PathFault::Backslash);
    }
    // Each escape is complete, so that the decoder, which passes over broken ones, leaves none.
    let mut escapes = segment.split('%');
    escapes.next();
    if !escapes.all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit())) {
        return Err(PathFault::Escape);
    }
    let decoded = percent_decode(segment.as_bytes()).decode_utf8().map_err(|_| PathFault::NotUtf8)?;
    if decoded.chars().any(char::is_control) {
        return Err(PathFault::EncodedControl);
    }
    // A backslash may be read as a slash, too.
    for part in decoded.split(['/', '\\']) {
        if is_dots(part) {
            return Err(PathFault::DotSegment);
        }
    }
    oddities.encoded_slash |= decoded.contains('/');
    oddities.encoded_backslash |= decoded.contains('\\');
    Ok(decoded)
}

impl PathReading<'_> {
    pub(crate) fn segments(&self) -> &[Cow<'_, str>] {
        &self.segments
    }

    /// Returns an error if the path holds something that `allowed` does not name.
    pub(crate) const fn check(&self, allowed: Oddities) -> Result<(), PathFault> {
        if self.oddities.encoded_slash && !allowed.encoded_slash {
            return Err(PathFault::EncodedSlash);
        }
        if self.oddities.encoded_backslash && !allowed.encoded_backslash {
            return Err(PathFault::EncodedBackslash);
        }
        if self.oddities.empty_segment && !allowed.empty_segment {
            return Err(PathFault::EmptySegment);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

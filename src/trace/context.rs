//! `traceparent` and `tracestate`, as W3C Trace Context defines them.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Version, trace id, parent id and flags, each in lowercase hexadecimal, with three dashes.
const LENGTH: usize = 55;
/// The longest `traceparent` of a later version that is read.
const MAX_TRACEPARENT: usize = 256;
/// What every participant should pass on (section 3.3.1.5).
const MAX_TRACESTATE: usize = 512;
const MAX_MEMBERS: usize = 32;

/// The W3C trace context of one request: valid values of `traceparent` and perhaps `tracestate`.
///
/// ```
/// use orgate::trace::TraceContext;
///
/// let context = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("vendor=1"));
/// assert_eq!(context.unwrap().tracestate(), Some("vendor=1"));
/// assert!(TraceContext::new("00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01", None).is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// Reads both values. Returns `None` if `traceparent` is not valid; an invalid `tracestate` is left out.
    ///
    /// A `traceparent` of a version later than `00` is read as far as version `00` goes, and sent as that.
    #[must_use]
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let parent = HeaderValue::from_str(&format!("00{}", parent_of(traceparent)?)).ok()?;
        let state = tracestate.map(str::trim).filter(|state| is_state(state));
        Some(Self { parent, state: state.and_then(|state| HeaderValue::from_str(state).ok()) })
    }

    /// The context of a request. Several `tracestate` headers are one list; several `traceparent` headers are none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        let mut state = String::new();
        for part in headers.get_all(TRACESTATE).iter().take(MAX_MEMBERS) {
            if state.len() + part.len() > MAX_TRACESTATE {
                state.clear();
                break;
            }
            let comma = if state.is_empty() { "" } else { "," };
            state.push_str(comma);
            state.push_str(part.to_str().unwrap_or("?"));
        }
        Self::new(parent.to_str().ok()?, Some(&state))
    }

    /// Returns the value of `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        self.parent.to_str().unwrap_or_default()
    }

    /// Returns the value of `tracestate`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_ref().and_then(|state| state.to_str().ok())
    }

    /// Adds both headers, unless the request has a context of its own.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if headers.contains_key(TRACEPARENT) {
            return;
        }
        headers.insert(TRACEPARENT, self.parent.clone());
        match &self.state {
            Some(state) => _ = headers.insert(TRACESTATE, state.clone()),
            None => _ = headers.remove(TRACESTATE),
        }
    }
}

/// What follows the version, as version `00` has it.
fn parent_of(text: &str) -> Option<&str> {
    let (known, rest) = text.split_at_checked(LENGTH).filter(|_| text.len() <= MAX_TRACEPARENT)?;
    let mut fields = known.split('-');
    let mut field = |length: usize| fields.next().filter(|field| field.len() == length && is_lower_hex(field));
    let (version, trace, parent) = (field(2)?, field(32)?, field(16)?);
    field(2)?;
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    let ends = rest.is_empty() || version != "00" && rest.starts_with('-');
    (fields.next().is_none() && version != "ff" && is_set(trace) && is_set(parent) && ends)
        .then(|| known.get(2..))
        .flatten()
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A list of at most 32 members, each `key=value`, no key twice.
fn is_state(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_TRACESTATE {
        return false;
    }
    let mut keys = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MAX_MEMBERS {
            return false;
        }
        keys.push(key);
    }
    !keys.is_empty()
}

fn is_key(key: &str) -> bool {
    let is_simple = |part: &str, most: usize, starts_with_digit: bool| {
        let first = part.bytes().next();
        let starts =
            first.is_some_and(|first| first.is_ascii_lowercase() || starts_with_digit && first.is_ascii_digit());
        let inside = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        starts && part.len() <= most && part.bytes().all(inside)
    };
    match key.split_once('@') {
        None => is_simple(key, 256, false),
        Some((tenant, system)) => is_simple(tenant, 241, true) && is_simple(system, 14, false),
    }
}

fn is_value(value: &str) -> bool {
    let is_inside = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=256).contains(&value.len()) && value.bytes().all(is_inside) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn valid_context_is_kept_as_it_came() {
        let context = TraceContext::new(PARENT, Some("congo=t61rcWkgMzE,1t@rojo=00f067aa0ba902b7")).unwrap();
        assert_eq!(context.traceparent(), PARENT);
        assert_eq!(context.tracestate(), Some("congo=t61rcWkgMzE,1t@rojo=00f067aa0ba902b7"));
    }

    #[test]
    fn invalid_traceparent_is_no_context() {
        for wrong in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::new(wrong, None), None, "{wrong}");
        }
        assert_eq!(TraceContext::new(&format!("01{}-{}", &PARENT[2..], "x".repeat(300)), None), None);
    }

    #[test]
    fn later_version_is_sent_as_the_version_that_is_known() {
        let later = format!("cc{}-what-the-future-holds", &PARENT[2..]);
        assert_eq!(TraceContext::new(&later, None).unwrap().traceparent(), PARENT);
    }

    #[test]
    fn invalid_tracestate_is_left_out() {
        let many: Vec<String> = (0..33).map(|number| format!("k{number}=v")).collect();
        for wrong in ["", " , ", "a", "a=", "A=1", "a=1,a=2", "a=\u{e9}", "a=1=2", "1a=2", "a@=1", &many.join(",")] {
            let context = TraceContext::new(PARENT, Some(wrong)).unwrap();
            assert_eq!(context.tracestate(), None, "{wrong}");
        }
        assert_eq!(TraceContext::new(PARENT, Some(&format!("a={}", "x".repeat(600)))).unwrap().tracestate(), None);
    }

    #[test]
    fn headers_of_a_request_are_read_once_and_joined() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::of(&headers), None);
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        headers.append(TRACESTATE, HeaderValue::from_static("b=2"));
        assert_eq!(TraceContext::of(&headers).unwrap().tracestate(), Some("a=1,b=2"));
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(TraceContext::of(&headers), None);
    }

    proptest! {
        #[test]
        fn no_input_panics_or_passes_unchecked(parent in ".{0,80}", state in ".{0,80}") {
            if let Some(context) = TraceContext::new(&parent, Some(&state)) {
                prop_assert_eq!(context.traceparent().len(), LENGTH);
            }
        }
    }
}

//! Which organization *the request* is about, or which resource: the words, and how each is read.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;

use super::path_params::{PathValue, path_value};
use super::subdomain::{label_below, normalized_domain};
use super::tool_arguments::ToolArguments;
use crate::error::ConfigError;
use crate::name::{Name, Quoted};
use crate::rejection::Rejection;

/// Where a request names its organization, or the resource that a decision point is asked about. Made by [`path`],
/// [`header`], [`subdomain`], [`custom`], [`argument`] or [`any_organization`].
#[derive(Clone, Debug)]
pub struct RequestSource {
    kind: SourceKind,
    fault: Option<ConfigError>,
}

type FromRequest = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum SourceKind {
    Path(Arc<str>),
    Header(HeaderName),
    /// What was written for a header, and is no name of one.
    BadHeader(Arc<str>),
    Subdomain(Arc<str>),
    Custom(Arc<str>, FromRequest),
    /// An argument of the tool that an MCP client calls.
    Argument(Arc<str>),
    /// Whatever organization the token is for.
    AnyOrganization,
}

/// What the closures of sources found in one request, each under the address that it keeps while its policy lives. They are
/// called once, however often the request is decided.
#[derive(Default)]
pub(crate) struct SourceMemory(Vec<(usize, Option<Box<str>>)>);

/// Whoever keeps that memory, and need not have it where there are no closures.
pub(crate) trait RememberSources {
    fn sources(&mut self) -> &mut SourceMemory;
}

impl RememberSources for SourceMemory {
    fn sources(&mut self) -> &mut Self {
        self
    }
}

impl SourceMemory {
    fn found(&mut self, find: &FromRequest, parts: &Parts) -> Option<&str> {
        let address = Arc::as_ptr(find).cast::<()>().addr();
        let at = self.0.iter().position(|(known, _)| *known == address).unwrap_or_else(|| {
            self.0.push((address, find(parts).map(String::into_boxed_str)));
            self.0.len() - 1
        });
        self.0.get(at)?.1.as_deref()
    }
}

/// Which organization the request names, beside the token's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// The same one.
    Same,
    /// Another one.
    Other,
    /// It names none, or not clearly.
    Unclear,
    /// The route takes whatever organization the token is for.
    OfToken,
}

/// Reads the organization from the path parameter `{name}`, decoded as the handler reads it, also through `nest`.
///
/// In a `Guard`, a route without it is a [`ConfigError`](crate::ConfigError); behind a bare layer it is a 500.
#[must_use]
pub fn path(name: &str) -> RequestSource {
    let fault = name.is_empty().then(|| ConfigError::new("path(\"\"): the name of a path parameter is missing"));
    RequestSource { kind: SourceKind::Path(name.into()), fault }
}

/// Reads the organization from this request header, which must be present exactly once.
///
/// Answers then differ by that header: a cache in front needs `Vary` with its name, and CORS must allow it.
#[must_use]
pub fn header(name: &str) -> RequestSource {
    if let Ok(name) = HeaderName::try_from(name) {
        RequestSource { kind: SourceKind::Header(name), fault: None }
    } else {
        let fault = ConfigError::new(format_args!("header({name:?}): not a header name"));
        RequestSource { kind: SourceKind::BadHeader(name.into()), fault: Some(fault) }
    }
}

/// Reads the organization from the one label in front of `domain` in the request's host: `acme` in `acme.example.com`.
///
/// Host names have no case: the label is compared in lower case. Forwarded hosts (`X-Forwarded-Host`) are not looked at.
#[must_use]
pub fn subdomain(domain: &str) -> RequestSource {
    let normalized = normalized_domain(domain);
    let fault = normalized.is_none().then(|| ConfigError::new(format_args!("subdomain({domain:?}): not a host name")));
    RequestSource { kind: SourceKind::Subdomain(normalized.unwrap_or_else(|| domain.to_owned()).into()), fault }
}

/// Reads the organization with the closure `find`. The printed policy names it by `label`.
///
/// `None` and an empty id never pass. Where the query names the organization, say:
///
/// ```
/// use orgate::policy::{custom, resource};
///
/// let source = custom("query org", |request| {
///     let pairs = request.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
///     let mut ids = pairs.filter(|(key, _)| *key == "org").map(|(_, id)| id.to_owned());
///     // Named twice, it is not clear which one the handler would read.
///     ids.next().filter(|_| ids.next().is_none())
/// });
/// assert_eq!(resource().in_organization(source).to_string(), "resource in organization from custom \"query org\"");
/// ```
#[must_use]
pub fn custom(label: &str, find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> RequestSource {
    let fault = label.is_empty().then(|| ConfigError::new("custom(\"\"): the label is missing"));
    RequestSource { kind: SourceKind::Custom(label.into(), Arc::new(find)), fault }
}

/// Reads the organization from this argument of the tool that an MCP client calls: a string, present once. Outside of
/// an MCP server's tool it is a [`ConfigError`](crate::ConfigError).
///
/// ```
/// use orgate::policy::{argument, resource};
///
/// let policy = resource().for_member_of(argument("org")).scope("read:orders").live();
/// assert_eq!(
///     policy.to_string(),
///     "resource for member of organization from argument org and scope read:orders and live"
/// );
/// ```
#[must_use]
pub fn argument(name: &str) -> RequestSource {
    let fault = name.is_empty().then(|| ConfigError::new("argument(\"\"): the name of a tool's argument is missing"));
    RequestSource { kind: SourceKind::Argument(name.into()), fault }
}

/// Accepts any organization that the token is for. The request names none; the handler learns it from
/// [`Organization`](crate::Organization).
#[must_use]
pub fn any_organization() -> RequestSource {
    RequestSource { kind: SourceKind::AnyOrganization, fault: None }
}

impl RequestSource {
    pub(crate) fn fault(&self) -> Option<&ConfigError> {
        self.fault.as_ref()
    }

    /// The path parameter that must be on every route this source is used on.
    #[cfg(feature = "axum")]
    pub(crate) fn path_parameter(&self) -> Option<&str> {
        match &self.kind {
            SourceKind::Path(name) => Some(name),
            _ => None,
        }
    }

    /// The argument of a tool that it reads.
    pub(crate) fn argument(&self) -> Option<&Arc<str>> {
        match &self.kind {
            SourceKind::Argument(name) => Some(name),
            _ => None,
        }
    }

    /// What the request names; `None` where it names nothing, or not clearly.
    ///
    /// # Errors
    ///
    /// Returns an error if the layer cannot know what the handler would read: a fault in the application's setup.
    pub(crate) fn value(
        &self,
        parts: &mut Parts,
        memory: &mut impl RememberSources,
    ) -> Result<Option<String>, Rejection> {
        let value = self.read(parts, memory, str::to_owned)?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    pub(crate) fn kind(&self) -> &SourceKind {
        &self.kind
    }

    /// Whether it is whatever the token says.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.kind, SourceKind::AnyOrganization)
    }

    /// The header that it reads.
    pub(crate) fn header_name(&self) -> Option<&HeaderName> {
        match &self.kind {
            SourceKind::Header(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is code of the application.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.kind, SourceKind::Custom(..))
    }

    /// The label, if both have it and are different closures.
    pub(crate) fn confused_with(&self, other: &Self) -> Option<&str> {
        match (&self.kind, &other.kind) {
            (SourceKind::Custom(label, one), SourceKind::Custom(other, two)) if label == other => {
                (!Arc::ptr_eq(one, two)).then_some(&**label)
            }
            _ => None,
        }
    }

    /// Reads the request, and compares what it names with `id`. An empty id is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the layer cannot know what the handler would read: a fault in the application's setup.
    pub(crate) fn compare(
        &self,
        parts: &mut Parts,
        memory: &mut impl RememberSources,
        id: &str,
    ) -> Result<Requested, Rejection> {
        let compare = |named: &str| match named {
            "" => Requested::Unclear,
            named if named == id => Requested::Same,
            _ => Requested::Other,
        };
        if self.is_any() {
            return Ok(Requested::OfToken);
        }
        Ok(self.read(parts, memory, compare)?.unwrap_or(Requested::Unclear))
    }

    /// What `make` makes of the value, which is lent.
    fn read<R>(
        &self,
        parts: &mut Parts,
        memory: &mut impl RememberSources,
        make: impl Fn(&str) -> R,
    ) -> Result<Option<R>, Rejection> {
        Ok(match &self.kind {
            SourceKind::AnyOrganization | SourceKind::BadHeader(_) => None,
            SourceKind::Path(name) => match path_value(parts, name, make) {
                PathValue::Value(made) => Some(made),
                #[cfg(feature = "axum")]
                PathValue::Unreadable => None,
                PathValue::Absent => return Err(no_parameter(name)),
                PathValue::Twice => {
                    return Err(Rejection::misconfigured(format!(
                        "path({name:?}): {{{name}}} occurs twice in the matched path, and a handler could read the other one; rename one"
                    )));
                }
            },
            SourceKind::Header(name) => {
                let mut values = parts.headers.get_all(name).iter();
                match (values.next(), values.next()) {
                    (Some(value), None) => value.to_str().ok().map(make),
                    _ => None,
                }
            }
            SourceKind::Subdomain(domain) => label_below(parts, domain).as_deref().map(make),
            SourceKind::Custom(_, find) => memory.sources().found(find, parts).map(make),
            SourceKind::Argument(name) => match parts.extensions.get::<ToolArguments>() {
                Some(arguments) => arguments.get(name).map(make),
                None => return Err(Rejection::misconfigured(format!("argument({name:?}): no tool is called here"))),
            },
        })
    }
}

fn no_parameter(name: &str) -> Rejection {
    Rejection::misconfigured(format!(
        "path({name:?}): the layer sees no path parameter {{{name}}}. Put it on a route that has one, inside the router (a layer around \
         the whole router runs before routing); without axum, insert orgate::organization::PathParams into the request"
    ))
}

/// As a printed policy writes it.
impl fmt::Display for RequestSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SourceKind::Path(name) => write!(f, "path {{{}}}", Name(name)),
            SourceKind::Header(name) => write!(f, "header {}", Name(name.as_str())),
            SourceKind::BadHeader(name) => write!(f, "header {}", Name(name)),
            SourceKind::Subdomain(domain) => write!(f, "subdomain of {}", Name(domain)),
            SourceKind::Custom(label, _) => write!(f, "custom {}", Quoted(label)),
            SourceKind::Argument(name) => write!(f, "argument {}", Name(name)),
            SourceKind::AnyOrganization => f.write_str("any organization"),
        }
    }
}

impl fmt::Debug for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => f.debug_tuple("Path").field(name).finish(),
            Self::Header(name) => f.debug_tuple("Header").field(name).finish(),
            Self::BadHeader(name) => f.debug_tuple("BadHeader").field(name).finish(),
            Self::Subdomain(domain) => f.debug_tuple("Subdomain").field(domain).finish(),
            Self::Custom(label, _) => f.debug_tuple("Custom").field(label).finish(),
            Self::Argument(name) => f.debug_tuple("Argument").field(name).finish(),
            Self::AnyOrganization => f.write_str("AnyOrganization"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{HeaderValue, Request};

    use super::super::PathParams;
    use super::*;

    fn parts() -> Parts {
        Request::new(()).into_parts().0
    }

    #[test]
    fn header_exactly_once() {
        let source = header("Organization-Id");
        let mut parts = parts();
        assert_eq!(source.compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Unclear);
        parts.headers.insert("organization-id", HeaderValue::from_static("acme"));
        assert_eq!(source.compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Same);
        parts.headers.append("organization-id", HeaderValue::from_static("acme"));
        assert_eq!(source.compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Unclear);
        for bad in [&b""[..], b"\xff"] {
            parts.headers.insert("organization-id", HeaderValue::from_bytes(bad).unwrap());
            assert_eq!(source.compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Unclear);
        }
    }

    #[test]
    fn a_path_without_parameters_is_a_fault_of_the_wiring() {
        assert!(path("org").compare(&mut parts(), &mut SourceMemory::default(), "acme").is_err());
    }

    #[test]
    fn a_path_parameter_from_any_router() {
        let mut parts = parts();
        parts.extensions.insert(PathParams::new([("org", "acme"), ("id", "1"), ("id", "2"), ("none", "")]));
        assert_eq!(path("org").compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Same);
        assert_eq!(path("none").compare(&mut parts, &mut SourceMemory::default(), "acme").unwrap(), Requested::Unclear);
        assert_eq!(path("org").compare(&mut parts, &mut SourceMemory::default(), "acm").unwrap(), Requested::Other);
        assert_eq!(path("none").compare(&mut parts, &mut SourceMemory::default(), "").unwrap(), Requested::Unclear);
        assert!(path("id").compare(&mut parts, &mut SourceMemory::default(), "acme").is_err(), "twice");
        assert!(path("other").compare(&mut parts, &mut SourceMemory::default(), "acme").is_err(), "absent");
    }

    #[test]
    fn only_a_header_reads_a_header() {
        assert_eq!(header("X-Org").header_name().map(HeaderName::as_str), Some("x-org"));
        for source in [header("no name"), path("org"), argument("org"), any_organization()] {
            assert_eq!(source.header_name(), None, "{source:?}");
        }
    }

    #[test]
    fn a_closure_and_the_token() {
        let source = custom("second label", |_| Some(String::new()));
        assert_eq!(source.compare(&mut parts(), &mut SourceMemory::default(), "acme").unwrap(), Requested::Unclear);
        assert_eq!(
            any_organization().compare(&mut parts(), &mut SourceMemory::default(), "acme").unwrap(),
            Requested::OfToken
        );
    }

    #[test]
    fn each_closure_is_called_once_for_a_request() {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let first = custom("first", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Some("acme".to_owned())
        });
        let second = custom("second", |_| Some("umbrella".to_owned()));
        let (mut parts, mut memory) = (parts(), SourceMemory::default());
        for _ in 0..2 {
            assert_eq!(first.compare(&mut parts, &mut memory, "acme").unwrap(), Requested::Same);
            assert_eq!(second.compare(&mut parts, &mut memory, "umbrella").unwrap(), Requested::Same);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn empty_value_is_none() {
        let value = |named: &'static str| {
            let source = custom("named", move |_| Some(named.to_owned()));
            source.value(&mut parts(), &mut SourceMemory::default()).unwrap()
        };
        assert_eq!([value("acme"), value("")], [Some("acme".to_owned()), None]);
    }

    #[test]
    fn different_closures_under_one_label_are_confused() {
        let of = |label| custom(label, |_| None);
        let one = of("label");
        assert_eq!(one.confused_with(&of("label")), Some("label"));
        for other in [one.clone(), of("another"), header("label")] {
            assert_eq!(one.confused_with(&other), None, "{other:?}");
        }
    }

    #[test]
    fn source_is_told_and_printed_by_its_kind() {
        let sources = [
            (path("org"), "path {org}", "Path(\"org\")"),
            (header("X-Org"), "header x-org", "Header(\"x-org\")"),
            (header("no name"), "header \"no name\"", "BadHeader(\"no name\")"),
            (subdomain("example.com"), "subdomain of example.com", "Subdomain(\"example.com\")"),
            (custom("a label", |_| None), "custom \"a label\"", "Custom(\"a label\")"),
            (argument("org"), "argument org", "Argument(\"org\")"),
            (any_organization(), "any organization", "AnyOrganization"),
        ];
        for (source, printed, debugged) in sources {
            assert_eq!((source.to_string(), format!("{:?}", source.kind())), (printed.to_owned(), debugged.to_owned()));
            assert_eq!(source.is_custom(), printed.starts_with("custom"), "{printed}");
            assert_eq!(source.is_any(), printed.starts_with("any"), "{printed}");
            assert_eq!(source.argument().map(|name| &**name), printed.strip_prefix("argument "), "{printed}");
        }
    }

    #[test]
    fn faults_are_kept() {
        assert!(path("").fault().is_some());
        assert!(header("not a name").fault().is_some());
        assert!(subdomain("not a host").fault().is_some());
    }
}

//! The parameters of the matched path, as the handler will read them.

use std::sync::Arc;

use http::Uri;
use http::request::Parts;

/// The parameters of the matched path, decoded, in the order of the path.
///
/// axum's router tells its own; any other router, or a middleware of yours in front of the layer, inserts this into the
/// extensions of the request.
///
/// ```
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(orgate::organization::PathParams::new([("org", "acme")]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct PathParams {
    pairs: Vec<(String, String)>,
    route: Option<Arc<str>>,
}

impl PathParams {
    /// Creates the parameters from pairs of name and decoded value.
    pub fn new<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), route: None }
    }

    /// Sets the template of the route, `/orgs/{org}` for instance, for decision records and decision points. axum's own wins.
    #[must_use]
    pub fn route(mut self, template: impl Into<Arc<str>>) -> Self {
        self.route = Some(template.into());
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the value of a parameter; `None` if there is none of that name, or two.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }
}

/// The template of the route, as axum matched it, or as another router tells.
pub(crate) fn matched_path(parts: &Parts) -> Option<&str> {
    #[cfg(feature = "axum")]
    if let Some(path) = parts.extensions.get::<axum::extract::MatchedPath>() {
        return Some(path.as_str());
    }
    parts.extensions.get::<PathParams>()?.route.as_deref()
}

/// The path as the client sent it, with the prefixes that nested routers of axum have taken off.
pub(crate) fn original_path(parts: &Parts) -> &str {
    original_uri(parts).path()
}

fn original_uri(parts: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    &parts.uri
}

pub(crate) fn matched_route(parts: &Parts) -> Option<Arc<str>> {
    matched_path(parts).map(Into::into)
}

/// The request as it is told of afterwards: of its extensions, the route alone.
pub(crate) fn outline(parts: &Parts) -> Parts {
    let (mut outline, ()) = http::Request::new(()).into_parts();
    outline.method = parts.method.clone();
    outline.uri = original_uri(parts).clone();
    outline.version = parts.version;
    outline.headers = parts.headers.clone();
    if let Some(route) = matched_route(parts) {
        outline.extensions.insert(PathParams::default().route(route));
    }
    outline
}

/// What the path says under one name, and what the caller made of that.
pub(super) enum PathValue<R> {
    Value(R),
    /// There is no such parameter, or none at all: the layer is not where it can see them.
    Absent,
    /// Two parameters have the name.
    Twice,
    /// A parameter is not UTF-8 when decoded. No handler can read it either.
    #[cfg(feature = "axum")]
    Unreadable,
}

/// The value is lent, since most need only compare it.
pub(super) fn path_value<R>(parts: &mut Parts, name: &str, make: impl Fn(&str) -> R) -> PathValue<R> {
    #[cfg(feature = "axum")]
    if let Some(value) = axum_path_value(parts, name, &make) {
        return value;
    }
    match parts.extensions.get::<PathParams>() {
        Some(PathParams { pairs, .. }) => {
            only(pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()), make)
        }
        None => PathValue::Absent,
    }
}

fn only<'a, R>(mut values: impl Iterator<Item = &'a str>, make: impl Fn(&str) -> R) -> PathValue<R> {
    match (values.next(), values.next()) {
        (Some(value), None) => PathValue::Value(make(value)),
        (None, _) => PathValue::Absent,
        (Some(_), Some(_)) => PathValue::Twice,
    }
}

/// `None` where axum has not matched a path.
#[cfg(feature = "axum")]
fn axum_path_value<R>(parts: &mut Parts, name: &str, make: impl Fn(&str) -> R) -> Option<PathValue<R>> {
    Some(match axum_params(parts)? {
        Ok(params) => only(params.iter().filter(|(other, _)| *other == name).map(|(_, value)| value), make),
        Err(()) => PathValue::Unreadable,
    })
}

/// `None` where axum has not matched a path, an error where a parameter is not UTF-8 when decoded.
#[cfg(feature = "axum")]
fn axum_params(parts: &mut Parts) -> Option<Result<axum::extract::RawPathParams, ()>> {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use axum::extract::rejection::RawPathParamsRejection;
    use axum::extract::{FromRequestParts, RawPathParams};

    // The extractor only looks into the request's extensions: it is ready at once.
    let extraction = pin!(RawPathParams::from_request_parts(parts, &()));
    match extraction.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(params)) => Some(Ok(params)),
        Poll::Ready(Err(RawPathParamsRejection::MissingPathParams(_))) => None,
        Poll::Ready(Err(_)) | Poll::Pending => Some(Err(())),
    }
}

/// All parameters of the matched path, as a handler reads them: none where they cannot be read.
pub(crate) fn path_params(parts: &mut Parts) -> PathParams {
    #[cfg(feature = "axum")]
    match axum_params(parts) {
        Some(Ok(params)) => return PathParams::new(params.iter()),
        Some(Err(())) => return PathParams::default(),
        None => {}
    }
    parts.extensions.get().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_that_occurs_twice_has_no_value() {
        let params = PathParams::new([("org", "acme"), ("id", "1"), ("id", "2")]);
        assert_eq!([params.get("org"), params.get("id"), params.get("other")], [Some("acme"), None, None]);
        assert!(!params.is_empty() && PathParams::default().is_empty());
    }

    #[test]
    fn route_and_parameters_are_those_of_any_router() {
        let mut parts = http::Request::builder().uri("/orgs/acme?page=2").body(()).unwrap().into_parts().0;
        assert_eq!((matched_path(&parts), matched_route(&parts)), (None, None));
        assert!(path_params(&mut parts).is_empty());
        parts.extensions.insert(PathParams::new([("org", "acme")]).route("/orgs/{org}"));
        assert_eq!(matched_path(&parts), Some("/orgs/{org}"));
        assert_eq!(matched_route(&parts).as_deref(), Some("/orgs/{org}"));
        assert_eq!(original_path(&parts), "/orgs/acme");
        assert_eq!(path_params(&mut parts).get("org"), Some("acme"));
    }
}

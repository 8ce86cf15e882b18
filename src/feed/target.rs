//! The routes that a caller asks about.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use percent_encoding::percent_decode_str;

use crate::engine::Requirement;
use crate::organization::PathParams;
use crate::policy::CompiledPolicy;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// More routes than one page has controls for.
pub(super) const MOST_ROUTES: usize = 32;
const MOST_BYTES: usize = 2048;

pub(super) type FindTarget = Arc<dyn Fn(&Method, &str) -> Target + Send + Sync>;

/// The target of a method and a path.
///
/// ```
/// use orgate::feed::{PermissionFeed, Target};
/// use orgate::organization::PathParams;
/// use orgate::policy::resource;
/// use orgate::{ConfigError, ResourceServer};
///
/// fn feed(server: &ResourceServer) -> Result<PermissionFeed, ConfigError> {
///     let orders = server.requirement(resource().scope("read:orders"))?;
///     Ok(PermissionFeed::new(resource().live()).scopes(["read:orders"]).routes(move |method, path| {
///         match (method.as_str(), path) {
///             ("GET", "/orders") => Target::guarded(orders.clone(), PathParams::default()),
///             ("GET", "/health") => Target::public(),
///             _ => Target::missing(),
///         }
///     }))
/// }
/// ```
#[derive(Clone)]
pub struct Target(Kind);

#[derive(Clone)]
enum Kind {
    Guarded(Requirement, PathParams),
    Public,
    Unknown,
    Missing,
}

impl Target {
    /// Creates the target for a route with a requirement, and the parameters of its path, decoded.
    #[must_use]
    pub const fn guarded(requirement: Requirement, params: PathParams) -> Self {
        Self(Kind::Guarded(requirement, params))
    }

    /// Creates the target for a public route.
    #[must_use]
    pub const fn public() -> Self {
        Self(Kind::Public)
    }

    /// Creates the target for a route that is decided by more than its method and path, so that the feed cannot answer
    /// for it.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(Kind::Unknown)
    }

    /// Creates the target for a route that does not exist.
    #[must_use]
    pub const fn missing() -> Self {
        Self(Kind::Missing)
    }
}

/// One route that was asked about, as it was written, with the request that is judged.
pub(super) struct Asked {
    pub(super) name: Box<str>,
    pub(super) what: What,
}

pub(super) enum What {
    Said(Option<bool>),
    Judged(Requirement, Box<Parts>),
}

/// The routes that a request names, without repetitions.
///
/// # Errors
///
/// Returns the status 400 if there are too many routes, or one is not a route.
pub(super) fn asked(request: &Parts, find: Option<&FindTarget>) -> Result<Vec<Asked>, Rejection> {
    let mut all: Vec<Asked> = Vec::new();
    let pairs = request.uri.query().unwrap_or_default().split('&');
    for value in pairs.filter_map(|pair| pair.strip_prefix("may=")) {
        let spaced = value.replace('+', " ");
        let name = percent_decode_str(&spaced).decode_utf8().map_err(|_| refused("a route that is not UTF-8"))?;
        if all.iter().any(|known| *known.name == *name) {
            continue;
        }
        if all.len() >= MOST_ROUTES || name.len() > MOST_BYTES {
            return Err(refused("too many routes, or a route that is too long"));
        }
        let what = what(&name, request, find).ok_or_else(|| refused("a route that is not METHOD /path"))?;
        all.push(Asked { name: name.into(), what });
    }
    Ok(all)
}

fn what(name: &str, request: &Parts, find: Option<&FindTarget>) -> Option<What> {
    let (method, path) = name.split_once(' ')?;
    let method = Method::from_str(method).ok()?;
    let path = PathAndQuery::from_str(path).ok().filter(|path| path.as_str().starts_with('/'))?;
    let Some(find) = find else { return Some(What::Said(None)) };
    Some(match find(&method, path.path()).0 {
        Kind::Guarded(requirement, params) => {
            let mut parts = Request::new(()).into_parts().0;
            let mut uri = request.uri.clone().into_parts();
            uri.path_and_query = Some(path);
            (parts.method, parts.uri, parts.version) = (method, Uri::from_parts(uri).ok()?, request.version);
            parts.headers = read_by(requirement.rules(), &request.headers);
            parts.extensions.insert(params);
            What::Judged(requirement, Box::new(parts))
        }
        Kind::Public => What::Said(Some(true)),
        Kind::Unknown => What::Said(None),
        Kind::Missing => What::Said(Some(false)),
    })
}

/// Those of the headers that a policy reads. A connection keeps no other one.
pub(super) fn read_by(rules: &CompiledPolicy, headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    let mut names: Vec<&HeaderName> = rules.headers().chain([&HOST]).collect();
    names.dedup();
    for name in names {
        if kept.contains_key(name) {
            continue;
        }
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

fn refused(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Guarded(..) => "Target::guarded",
            Kind::Public => "Target::public",
            Kind::Unknown => "Target::unknown",
            Kind::Missing => "Target::missing",
        })
    }
}

//! The routes of a guard, to be found by method and path.

use std::sync::Arc;

use axum::routing::MethodFilter;
use http::Method;
use percent_encoding::percent_decode_str;

use super::methods::Methods;
use super::route::{Endpoint, PublicRouter, Route};
use crate::engine::Requirement;
use crate::error::ConfigError;
use crate::feed::Target;
use crate::organization::PathParams;

/// The name of what is below a public router, as axum calls it.
const REST: &str = "{*open_router_rest}";

/// The same matcher that axum uses, fed in the same way.
pub(super) struct Targets {
    routes: matchit::Router<usize>,
    paths: Vec<Path>,
    has_fallback: bool,
}

struct Path {
    template: Arc<str>,
    rows: Vec<(Methods, Kind)>,
}

enum Kind {
    Guarded(Requirement),
    Public,
    Unknown,
}

impl Targets {
    pub(super) fn new<S>(
        routes: &[Route<S>],
        public: &[PublicRouter<S>],
        has_fallback: bool,
    ) -> Result<Self, ConfigError> {
        let mut targets = Self { routes: matchit::Router::new(), paths: Vec::new(), has_fallback };
        for route in routes {
            let kind = match &route.endpoint {
                Endpoint::Public(_) => Kind::Public,
                Endpoint::Mcp(..) => Kind::Unknown,
                Endpoint::Guarded(server, policy, _) => {
                    Kind::Guarded(server.requirement((**policy).clone()).map_err(|fault| fault.at(&route.path))?)
                }
                Endpoint::Feed(server, feed, _) => {
                    Kind::Guarded(server.requirement(feed.policy().clone()).map_err(|fault| fault.at(&route.path))?)
                }
            };
            targets.add(&route.path, route.methods, kind)?;
        }
        for open in public {
            targets.add(&open.prefix, Methods::Whole, Kind::Public)?;
            targets.add(&format!("{}/{REST}", open.prefix), Methods::Whole, Kind::Public)?;
        }
        Ok(targets)
    }

    fn add(&mut self, path: &str, methods: Methods, kind: Kind) -> Result<(), ConfigError> {
        if let Some(known) = self.paths.iter_mut().find(|known| *known.template == *path) {
            known.rows.push((methods, kind));
            return Ok(());
        }
        let inserted = self.routes.insert(path, self.paths.len());
        inserted.map_err(|error| ConfigError::new(format_args!("path {path:?}: {error}")))?;
        self.paths.push(Path { template: path.into(), rows: vec![(methods, kind)] });
        Ok(())
    }

    /// What would answer.
    pub(super) fn find(&self, method: &Method, path: &str) -> Target {
        let found = self.routes.at(path).ok();
        let Some((known, params)) = found.and_then(|found| Some((self.paths.get(*found.value)?, found.params))) else {
            return if self.has_fallback { Target::unknown() } else { Target::missing() };
        };
        let Some(kind) = known.kind(method) else { return Target::missing() };
        match kind {
            Kind::Public => Target::public(),
            Kind::Unknown => Target::unknown(),
            Kind::Guarded(requirement) => {
                let decode = |value| percent_decode_str(value).decode_utf8().map(std::borrow::Cow::into_owned);
                let params = params.iter().map(|(name, value)| Ok((name.to_owned(), decode(value)?)));
                match params.collect::<Result<Vec<_>, std::str::Utf8Error>>() {
                    Ok(params) => {
                        let params = PathParams::new(params).route(known.template.clone());
                        Target::guarded(requirement.clone(), params)
                    }
                    // No handler can read it either.
                    Err(_) => Target::missing(),
                }
            }
        }
    }
}

impl Path {
    fn kind(&self, method: &Method) -> Option<&Kind> {
        let filter = MethodFilter::try_from(method.clone()).ok();
        let named = |filter: MethodFilter| self.rows.iter().find(|(methods, _)| methods.takes(filter));
        let row = filter.and_then(named);
        let row = row.or_else(|| named(MethodFilter::GET).filter(|_| method == Method::HEAD));
        let row = row.or_else(|| self.rows.iter().find(|(methods, _)| !matches!(methods, Methods::Only(_))));
        row.map(|(_, kind)| kind)
    }
}

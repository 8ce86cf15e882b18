use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use matchit::Router;

use super::pattern::{self, fold, fold_pattern, join};
use super::read::{Oddities, PathFault, PathReading};

/// Whether `/a/` is `/a`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TrailingSlash {
    #[default]
    Distinct,
    Same,
}

/// Routes by path and method.
pub(crate) struct Table<R> {
    trailing_slash: TrailingSlash,
    exact: Router<usize>,
    /// By folded pattern: which paths a careless server may take for each other.
    folded: Router<usize>,
    groups: Vec<Vec<usize>>,
    by_pattern: HashMap<Arc<str>, usize>,
    by_folded: HashMap<String, usize>,
    paths: Vec<Path<R>>,
}

struct Path<R> {
    pattern: Arc<str>,
    allowed: Oddities,
    routes: Vec<(Option<Vec<Method>>, R)>,
}

/// What a request's method and path lead to.
#[derive(Debug)]
pub(crate) enum Match<'t, R> {
    Route {
        route: &'t R,
        pattern: &'t Arc<str>,
        params: Vec<(&'t str, String)>,
    },
    /// No route has the path, or a stricter one has it in another spelling.
    Nothing,
    WrongMethod {
        allow: Vec<Method>,
    },
    Refused(PathFault),
}

/// Why a route cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TableError {
    Pattern(&'static str),
    Router(String),
    /// Another route has the same path and one of the methods.
    Shadowed,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(message) => f.write_str(message),
            Self::Router(message) => f.write_str(message),
            Self::Shadowed => f.write_str("another route has this path and one of these methods"),
        }
    }
}

impl<R> Table<R> {
    pub(crate) fn new(trailing_slash: TrailingSlash) -> Self {
        Self {
            trailing_slash,
            exact: Router::new(),
            folded: Router::new(),
            groups: Vec::new(),
            by_pattern: HashMap::new(),
            by_folded: HashMap::new(),
            paths: Vec::new(),
        }
    }

    /// Adds a route; no methods means all. Routes of one path share what is allowed on it.
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern is malformed or overlaps with another.
    pub(crate) fn insert(
        &mut self,
        pattern: &str,
        methods: Option<Vec<Method>>,
        allowed: Oddities,
        route: R,
    ) -> Result<(), TableError> {
        if let Some(message) = pattern::fault(pattern) {
            return Err(TableError::Pattern(message));
        }
        let key = self.key(pattern);
        let at = match self.by_pattern.get(key) {
            Some(&at) => at,
            None => self.insert_path(key.into(), allowed)?,
        };
        let Some(path) = self.paths.get_mut(at) else { return Ok(()) };
        if path.routes.iter().any(|(others, _)| overlap(others.as_deref(), methods.as_deref())) {
            return Err(TableError::Shadowed);
        }
        path.routes.push((methods, route));
        Ok(())
    }

    fn insert_path(&mut self, key: Arc<str>, allowed: Oddities) -> Result<usize, TableError> {
        let at = self.paths.len();
        self.exact.insert(&*key, at).map_err(|error| TableError::Router(error.to_string()))?;
        let folded = fold_pattern(&key);
        let folded = root(&folded).to_owned();
        if let Some(&group) = self.by_folded.get(&folded) {
            self.groups.get_mut(group).into_iter().for_each(|group| group.push(at));
        } else {
            let group = self.groups.len();
            self.folded.insert(&folded, group).map_err(|error| TableError::Router(error.to_string()))?;
            self.groups.push(vec![at]);
            self.by_folded.insert(folded, group);
        }
        self.paths.push(Path { pattern: key.clone(), allowed, routes: Vec::new() });
        self.by_pattern.insert(key, at);
        Ok(at)
    }

    /// Finds the route of a request. `HEAD` is `GET` where no route names it.
    pub(crate) fn find(&self, method: &Method, path: &PathReading<'_>) -> Match<'_, R> {
        let joined = join(path.segments());
        let Ok(found) = self.exact.at(self.key(&joined)) else { return nothing(path) };
        let Some(entry) = self.paths.get(*found.value) else { return nothing(path) };
        if let Err(fault) = path.check(entry.allowed) {
            return Match::Refused(fault);
        }
        if !self.careless(path).is_some_and(|group| group.contains(found.value)) {
            return Match::Nothing;
        }
        let route =
            entry.route(method).or_else(|| (method == Method::HEAD).then(|| entry.route(&Method::GET)).flatten());
        match route {
            Some(route) => Match::Route {
                route,
                pattern: &entry.pattern,
                params: found.params.iter().map(|(name, value)| (name, pattern::value(value))).collect(),
            },
            None => Match::WrongMethod { allow: entry.allow() },
        }
    }

    /// Returns the pattern that a path without oddities matches, whatever the method.
    pub(crate) fn pattern_at(&self, path: &str) -> Option<&str> {
        let found = self.exact.at(self.key(path)).ok()?;
        self.paths.get(*found.value).map(|path| &*path.pattern)
    }

    /// Returns the paths that a careless server would choose among.
    fn careless(&self, path: &PathReading<'_>) -> Option<&[usize]> {
        let folded: Vec<_> = path.segments().iter().map(|segment| fold(segment)).collect();
        let joined = join(&folded);
        let found = self.folded.at(root(joined.trim_end_matches('/'))).ok()?;
        self.groups.get(*found.value).map(Vec::as_slice)
    }

    fn key<'p>(&self, path: &'p str) -> &'p str {
        match self.trailing_slash {
            TrailingSlash::Same => root(path.strip_suffix('/').unwrap_or(path)),
            TrailingSlash::Distinct => path,
        }
    }

    /// Returns every route with its methods and its path, in the order of their insertion.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&[Method]>, &R)> {
        self.paths
            .iter()
            .flat_map(|path| path.routes.iter().map(|(methods, route)| (&*path.pattern, methods.as_deref(), route)))
    }
}

impl<R> Path<R> {
    fn route(&self, method: &Method) -> Option<&R> {
        let has = |methods: &Option<Vec<Method>>| methods.as_ref().is_none_or(|methods| methods.contains(method));
        self.routes.iter().find(|(methods, _)| has(methods)).map(|(_, route)| route)
    }

    fn allow(&self) -> Vec<Method> {
        let mut allow: Vec<Method> = self.routes.iter().filter_map(|(methods, _)| methods.clone()).flatten().collect();
        if allow.contains(&Method::GET) && !allow.contains(&Method::HEAD) {
            allow.push(Method::HEAD);
        }
        allow
    }
}

/// Where no route relaxes the reading, an ambiguous path is no path.
fn nothing<'t, R>(path: &PathReading<'_>) -> Match<'t, R> {
    path.check(Oddities::default()).map_or_else(Match::Refused, |()| Match::Nothing)
}

fn overlap(some: Option<&[Method]>, others: Option<&[Method]>) -> bool {
    match (some, others) {
        (Some(some), Some(others)) => some.iter().any(|method| others.contains(method)),
        _ => true,
    }
}

/// Returns the names of a pattern's parameters.
pub(crate) fn names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        (!name.starts_with('{')).then(|| name.strip_prefix('*').unwrap_or(name))
    })
}

fn root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

impl<R> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths.iter().map(|path| &path.pattern)).finish()
    }
}

#[cfg(test)]
mod tests;

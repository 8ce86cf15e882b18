//! Routes that cannot stand beside each other in one router.

use super::path::{self, Matcher};
use super::route::{PublicRouter, Route};
use crate::error::ConfigError;

/// Finds methods that two routes of a path take, and paths that axum would not accept together.
pub(super) fn check<S>(routes: &[Route<S>], public_routers: &[PublicRouter<S>]) -> Result<(), ConfigError> {
    let mut matcher = Matcher::default();
    for (index, route) in routes.iter().enumerate() {
        matcher.add(&route.path)?;
        let mut earlier = routes.iter().take(index).filter(|other| other.path == route.path);
        if let Some(twin) = earlier.find(|other| other.methods.collide(route.methods)) {
            return Err(ConfigError::new(format_args!(
                "path {:?}: {} and {} take the same methods (public(..) and route(..) take all of them: see on(..) and public_on(..))",
                route.path, twin.methods, route.methods
            )));
        }
    }
    for (index, open) in public_routers.iter().enumerate() {
        path::check_public_prefix(&open.prefix)?;
        matcher.add(&format!("{}/{{*open_router_rest}}", open.prefix))?;
        let others =
            public_routers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| &other.prefix);
        let mut paths = routes.iter().map(|route| &route.path).chain(others);
        if let Some(path) = paths.find(|path| path::is_below(path, &open.prefix)) {
            return Err(ConfigError::new(format_args!(
                "path {path:?} is below the public router at {:?}",
                open.prefix
            )));
        }
    }
    Ok(())
}

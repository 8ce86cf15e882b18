//! The methods that a route answers, as far as they are known.

use std::fmt;

use axum::routing::MethodFilter;

const NAMED: [(&str, MethodFilter); 9] = [
    ("GET", MethodFilter::GET),
    ("HEAD", MethodFilter::HEAD),
    ("POST", MethodFilter::POST),
    ("PUT", MethodFilter::PUT),
    ("PATCH", MethodFilter::PATCH),
    ("DELETE", MethodFilter::DELETE),
    ("OPTIONS", MethodFilter::OPTIONS),
    ("CONNECT", MethodFilter::CONNECT),
    ("TRACE", MethodFilter::TRACE),
];

/// What of a path a route takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Methods {
    /// These methods (and HEAD with GET).
    Only(MethodFilter),
    /// Every method that no other route of the path takes.
    Rest,
    /// The whole path: a method router that cannot be looked into.
    Whole,
}

impl Methods {
    /// The names of the methods; none where it is whatever is left.
    pub(super) fn names(self) -> Vec<&'static str> {
        let Self::Only(filter) = self else { return Vec::new() };
        NAMED.iter().filter(|(_, method)| holds(filter, *method)).map(|(name, _)| *name).collect()
    }

    /// Whether a route names this method.
    pub(super) fn takes(self, method: MethodFilter) -> bool {
        matches!(self, Self::Only(filter) if holds(filter, method))
    }

    /// Whether two routes may stand on one path.
    pub(super) fn collide(self, other: Self) -> bool {
        match (self, other) {
            (Self::Only(one), Self::Only(two)) => {
                NAMED.iter().any(|(_, method)| holds(one, *method) && holds(two, *method))
            }
            (Self::Only(_), Self::Rest) | (Self::Rest, Self::Only(_)) => false,
            _ => true,
        }
    }
}

fn holds(filter: MethodFilter, method: MethodFilter) -> bool {
    filter.or(method) == filter
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        f.pad(&if names.is_empty() { "*".to_owned() } else { names.join(",") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collisions() {
        let get = Methods::Only(MethodFilter::GET);
        let get_or_post = Methods::Only(MethodFilter::GET.or(MethodFilter::POST));
        let post = Methods::Only(MethodFilter::POST);
        assert!(get.collide(get_or_post) && get.collide(get));
        assert!(!get.collide(post) && !get.collide(Methods::Rest) && !get.collide(Methods::Only(MethodFilter::HEAD)));
        assert!(
            Methods::Rest.collide(Methods::Rest)
                && Methods::Whole.collide(get)
                && Methods::Whole.collide(Methods::Rest)
        );
        assert_eq!(get_or_post.to_string(), "GET,POST");
    }
}

//! A condition in the application's own code.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::organization::Organization;
use crate::token::AccessToken;

/// What a `check` may look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub(super) token: &'a AccessToken,
    pub(super) organization: Option<&'a Organization>,
    pub(super) request: &'a Parts,
}

impl<'a> Facts<'a> {
    /// The verified token.
    #[must_use]
    pub fn token(&self) -> &'a AccessToken {
        self.token
    }

    /// The verified organization; `None` where the policy's branch has none.
    #[must_use]
    pub fn organization(&self) -> Option<&'a Organization> {
        self.organization
    }

    /// Method, URI, headers and extensions of the request.
    #[must_use]
    pub fn request(&self) -> &'a Parts {
        self.request
    }
}

/// Without the headers: one of them is the token.
impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Facts");
        debug.field("token", self.token).field("organization", &self.organization);
        debug.field("method", &self.request.method).finish_non_exhaustive()
    }
}

type Reason = Option<Arc<dyn Error + Send + Sync>>;

/// What a check may return: `bool`, or `Result<(), E>` with an error of the application's own, which is then the
/// [`source`](Error::source) of the rejection. The trait is sealed.
pub trait CheckResult: sealed::Sealed {}

mod sealed {
    use super::{Arc, Error, Reason};

    pub trait Sealed {
        fn into_outcome(self) -> Result<(), Reason>;
    }

    impl Sealed for bool {
        fn into_outcome(self) -> Result<(), Reason> {
            self.then_some(()).ok_or(None)
        }
    }

    impl<E: Into<Box<dyn Error + Send + Sync>>> Sealed for Result<(), E> {
        fn into_outcome(self) -> Result<(), Reason> {
            self.map_err(|error| Some(Arc::from(error.into())))
        }
    }
}

impl CheckResult for bool {}
impl<E: Into<Box<dyn Error + Send + Sync>>> CheckResult for Result<(), E> {}

type Run = dyn Fn(&Facts<'_>) -> Result<(), Reason> + Send + Sync;

/// A named check of a policy.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) name: Arc<str>,
    run: Arc<Run>,
}

impl Check {
    pub(super) fn new<R: CheckResult>(name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Self {
        Self { name: name.into(), run: Arc::new(move |facts| run(facts).into_outcome()) }
    }

    pub(super) fn run(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        (self.run)(facts)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

//! The application's own code in a policy: checks, and what they may look at.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::name::Quoted;
use crate::organization::{Organization, PathParams, RequestSource};
use crate::token::AccessToken;

/// The facts that a `check` may read.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub(super) token: &'a AccessToken,
    pub(super) organization: Option<&'a Organization>,
    pub(super) request: &'a Parts,
    pub(super) path: Option<&'a PathParams>,
    /// The resource indicators that the clause is about.
    pub(super) resources: &'a [Arc<str>],
}

impl<'a> Facts<'a> {
    /// Returns the verified token.
    #[must_use]
    pub fn token(&self) -> &'a AccessToken {
        self.token
    }

    /// Returns the organization that the request is about; `None` where the clause has none.
    /// [`Organization::provenance`] says who vouches for it.
    #[must_use]
    pub fn organization(&self) -> Option<&'a Organization> {
        self.organization
    }

    /// Returns a parameter of the matched path as the handler reads it: decoded, through `nest`. `None` if there is no such
    /// parameter, or two.
    ///
    /// ```
    /// use orgate::policy::{check, resource};
    ///
    /// let own = check("own profile", |facts| facts.path("user") == Some(facts.token().subject().id()));
    /// # let _ = resource().and(own);
    /// ```
    #[must_use]
    pub fn path(&self, name: &str) -> Option<&'a str> {
        self.path?.get(name)
    }

    /// Returns method, URI, headers and extensions of the request.
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

/// Why a check failed, if it said.
pub(super) type Reason = Option<Arc<dyn Error + Send + Sync>>;

/// The return type of a check: `bool`, or `Result<(), E>` with the application's own error, which is then the
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
    name: Arc<str>,
    run: Arc<Run>,
    /// Which of the policy's checks it is, once that is compiled.
    pub(super) index: u8,
}

impl Check {
    pub(super) fn new<R: CheckResult>(name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Self {
        Self::reasoned(name, move |facts| run(facts).into_outcome())
    }

    pub(super) fn reasoned(name: &str, run: impl Fn(&Facts<'_>) -> Result<(), Reason> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), run: Arc::new(run), index: 0 }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.run, &other.run)
    }

    pub(super) fn run(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        (self.run)(facts)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {}", Quoted(&self.name))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// The code of the application that a parser knows by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    checks: Vec<Check>,
    /// Beside the type of the authorization details that they are about.
    details: Vec<(Arc<str>, Check)>,
    sources: Vec<(Arc<str>, RequestSource)>,
}

impl Code {
    /// Adds a check, in place of one that has the name already.
    pub(super) fn add_check(&mut self, check: Check) {
        self.checks.retain(|known| known.name() != check.name());
        self.checks.push(check);
    }

    /// Adds a check of authorization details, in place of one that has type and name already.
    pub(super) fn add_detail(&mut self, kind: &Arc<str>, check: Check) {
        self.details.retain(|(known, other)| known != kind || other.name() != check.name());
        self.details.push((kind.clone(), check));
    }

    /// Adds a source, in place of one that has the label already.
    pub(super) fn add_source(&mut self, label: &str, source: RequestSource) {
        self.sources.retain(|(known, _)| **known != *label);
        self.sources.push((label.into(), source));
    }

    /// As for the words of policies, a name that is missing is none.
    pub(super) fn check(&self, name: &str) -> Option<Check> {
        self.checks.iter().find(|check| check.name() == name && !name.is_empty()).cloned()
    }

    pub(super) fn detail(&self, kind: &str, name: &str) -> Option<(Arc<str>, Check)> {
        if kind.is_empty() || name.is_empty() {
            return None;
        }
        self.details.iter().find(|(known, check)| **known == *kind && check.name() == name).cloned()
    }

    pub(super) fn source(&self, label: &str) -> Option<RequestSource> {
        self.sources.iter().find(|(known, _)| **known == *label).map(|(_, source)| source.clone())
    }
}

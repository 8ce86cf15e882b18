//! One decision, as everything that looks at decisions sees it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};

use super::agreement::ShadowRecord;
use super::need::Need;
use super::outcome::Outcome;
use crate::organization::Organization;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::scope::Scope;
use crate::token::{AccessToken, Subject, SubjectKind};

/// The record of one decision and its reason, lent to every [`Observer`](super::Observer).
///
/// It shows neither the token nor the subject.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(super) time: SystemTime,
    pub(super) duration: Duration,
    pub(super) method: &'a Method,
    pub(super) route: Option<&'a str>,
    pub(super) operation: Option<&'a Arc<str>>,
    pub(super) policy: &'a Arc<str>,
    pub(super) rejection: Option<&'a Rejection>,
    pub(super) token: Option<&'a AccessToken>,
    pub(super) organization: Option<&'a Organization>,
    pub(super) token_cache: Option<TokenCache>,
    pub(super) waits: &'a [Wait],
    pub(super) clause: Option<&'a Arc<str>>,
    pub(super) shadow: Option<ShadowRecord<'a>>,
    pub(super) is_behind: bool,
}

/// Whether a token was in the cache of verified tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenCache {
    /// The token was verified by an earlier request.
    Hit,
    /// The token was verified for this request.
    Miss,
}

/// One wait of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    what: WaitedFor,
    took: Duration,
}

/// The reason for a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitedFor {
    /// A key of the issuer.
    Key,
    /// A free place among the signature checks.
    Verification,
    /// The issuer's answer about an opaque token.
    Introspection,
    /// What the subject holds now.
    Permissions,
    /// The decision point.
    Decision,
    /// The memory of used proofs that replicas share.
    Proof,
}

impl<'a> Record<'a> {
    /// Returns when the request arrived.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns how long the decision took, waits included.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the request's method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// Returns the route's template, `/orgs/{org}` for instance, if the router tells it.
    #[must_use]
    pub fn route(&self) -> Option<&'a str> {
        self.route
    }

    /// Returns what the request calls, `tools/call delete_all` for instance, where several things have one route. It is always
    /// a name of the configuration.
    #[must_use]
    pub fn operation(&self) -> Option<&'a str> {
        self.operation.map(|operation| &**operation)
    }

    /// Returns the policy as it is printed.
    #[must_use]
    pub fn policy(&self) -> &'a str {
        self.policy
    }

    /// Returns how the request was decided.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.rejection)
    }

    /// Returns the rejection; `None` if the request passed.
    #[must_use]
    pub fn rejection(&self) -> Option<&'a Rejection> {
        self.rejection
    }

    /// Returns the HTTP status of the rejection; `None` if the request passed.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.rejection.map(Rejection::status)
    }

    /// Returns the kind of the rejection; `None` if the request passed.
    #[must_use]
    pub fn kind(&self) -> Option<RejectionKind> {
        self.rejection.map(Rejection::kind)
    }

    /// Returns what the client can do about the rejection; `None` if the request passed.
    #[must_use]
    pub fn remediation(&self) -> Option<Remediation> {
        self.rejection.map(Rejection::remediation)
    }

    /// Returns the precise reason of the rejection: for logs, never for a response.
    #[must_use]
    pub fn detail(&self) -> Option<&'a str> {
        self.rejection.map(Rejection::detail)
    }

    /// Returns the clause of the policy that passed or came nearest, as it is printed; `None` where no clause was judged.
    ///
    /// The nearest clause is the one whose rejection is said: one that could not be decided, then one that lacks a scope, one
    /// whose token is outdated, one for another organization, one for another kind of token, and any other; among equals the
    /// one whose remediation is easiest (`refresh`, `request_scope`, `reconsent`), then the leftmost.
    #[must_use]
    pub fn clause(&self) -> Option<&'a str> {
        self.clause.map(|clause| &**clause)
    }

    /// Returns what a policy says that is judged and not enforced; `None` if there is none.
    #[must_use]
    pub fn shadow(&self) -> Option<ShadowRecord<'a>> {
        self.shadow
    }

    /// Returns whether the server was behind its [change log](crate::server::Builder::change_log): what the request was judged
    /// by may lack revocations that others know. Always `false` without a log.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Returns the scopes that the token lacks.
    #[must_use]
    pub fn missing_scopes(&self) -> &'a [Scope] {
        self.rejection.map_or(&[], Rejection::missing_scopes)
    }

    /// Returns the name of the issuer entry, as far as it is known.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&'a str> {
        self.token.map(AccessToken::issuer_name).or_else(|| self.rejection.and_then(Rejection::issuer))
    }

    /// For observers that name the subject as their operator chose.
    pub(crate) fn subject(&self) -> Option<&'a Subject> {
        self.token.map(AccessToken::subject)
    }

    /// Returns the kind of the token's subject, once the token is verified.
    #[must_use]
    pub fn subject_kind(&self) -> Option<SubjectKind> {
        self.token.map(|token| token.subject().kind())
    }

    /// Returns the client that the token was issued to, once the token is verified.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        self.token.and_then(AccessToken::client_id)
    }

    /// Returns the organization of a request that passed, or of one that was rejected after its organization was found to be
    /// the token's: for a missing scope, for instance. `None` where only the request names it.
    #[must_use]
    pub fn organization(&self) -> Option<&'a Organization> {
        self.organization
    }

    /// Returns whether the token was known from before; `None` without a verified token.
    #[must_use]
    pub fn token_cache(&self) -> Option<TokenCache> {
        self.token_cache
    }

    /// Returns what was waited for, in order.
    #[must_use]
    pub fn waits(&self) -> &'a [Wait] {
        self.waits
    }
}

impl Wait {
    pub(super) const fn new(what: WaitedFor, took: Duration) -> Self {
        Self { what, took }
    }

    /// Returns what was waited for.
    #[must_use]
    pub const fn what(&self) -> WaitedFor {
        self.what
    }

    /// Returns how long the wait took.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }
}

impl WaitedFor {
    pub(super) fn of(need: &Need) -> Self {
        match need {
            Need::Key(_) => Self::Key,
            Need::Permit => Self::Verification,
            Need::Introspection(_) => Self::Introspection,
            Need::Permissions(_) => Self::Permissions,
            Need::Decisions(_) => Self::Decision,
            Need::Proof(_) => Self::Proof,
        }
    }

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Verification => "verification",
            Self::Introspection => "introspection",
            Self::Permissions => "permissions",
            Self::Decision => "decision",
            Self::Proof => "proof",
        }
    }
}

impl TokenCache {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}

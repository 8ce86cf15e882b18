//! One step of a decision.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::name::Quoted;
use crate::rejection::RejectionKind;

/// One step of a decision: what was expected, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Which step it is.
    pub name: StepName,
    /// How it ended.
    pub verdict: Verdict,
    /// What was expected.
    pub expected: String,
    /// What was found instead, or that it was found.
    pub found: String,
    /// For a step that failed: the kind of rejection that it led to.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "kind")]
    pub kind: Option<RejectionKind>,
}

/// The verdict of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be decided.
    Undecided,
}

/// The steps of a decision, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepName {
    /// The `Authorization` header.
    Credentials,
    /// The form of the token: three parts, or opaque.
    Form,
    /// What the issuer says about an opaque token.
    Introspection,
    /// The token's header.
    Header,
    /// The issuer entry that trusts the `iss`.
    Issuer,
    /// The algorithm, beside those of the issuer entry.
    Algorithm,
    /// The `typ`.
    Type,
    /// The key that the token names.
    Key,
    /// The signature.
    Signature,
    /// `exp`, `nbf` and `iat`.
    Times,
    /// `sub`, the client, and what the token's profile requires.
    Subject,
    /// `aud`; in a clause, beside what the route is for.
    Audience,
    /// The other claims that are read: scopes, organization, `cnf`, `act`.
    Claims,
    /// What has changed at the issuer since the token was issued.
    Revocation,
    /// What the sender has proved to hold.
    Sender,
    /// The organization of the request, beside the token's.
    Organization,
    /// User or machine.
    SubjectKind,
    /// Whether the token is bound to a key or a certificate.
    Bound,
    /// The client.
    Client,
    /// Claims that the policy names.
    Claim,
    /// How the user signed in.
    Acr,
    /// When the user signed in.
    AuthAge,
    /// The scopes of the token.
    Scopes,
    /// The scopes of the token, beside what the subject holds now.
    Permissions,
    /// The token's authorization details.
    AuthorizationDetail,
    /// Checks in the application's code.
    Check,
    /// The decision point.
    Decision,
    /// That a proof of possession was not used before.
    Proof,
}

impl StepName {
    /// Returns the stable name, as it is serialized.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Form => "form",
            Self::Introspection => "introspection",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Times => "times",
            Self::Subject => "subject",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::Revocation => "revocation",
            Self::Sender => "sender",
            Self::Organization => "organization",
            Self::SubjectKind => "subject_kind",
            Self::Bound => "bound",
            Self::Client => "client",
            Self::Claim => "claim",
            Self::Acr => "acr",
            Self::AuthAge => "auth_age",
            Self::Scopes => "scopes",
            Self::Permissions => "permissions",
            Self::AuthorizationDetail => "authorization_detail",
            Self::Check => "check",
            Self::Decision => "decision",
            Self::Proof => "proof",
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Verdict {
    /// Returns the stable name, as it is serialized.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn kind<S: Serializer>(kind: &Option<RejectionKind>, serializer: S) -> Result<S::Ok, S::Error> {
    match kind {
        Some(kind) => serializer.serialize_str(kind.as_str()),
        None => serializer.serialize_none(),
    }
}

/// A value of a token or a request: as much of it as a reader needs, in quotes.
pub(crate) fn shown(value: &str) -> String {
    const MOST: usize = 128;
    match value.char_indices().nth(MOST).and_then(|(end, _)| value.get(..end)) {
        Some(start) => format!("{}...", Quoted(start)),
        None => Quoted(value).to_string(),
    }
}

//! A policy as data: for an audit, an `OpenAPI` document, a page of routes.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::condition::ClaimValue;
use crate::name::Span;

/// A policy as it was written and as it is judged. Names of fields and variants are stable in the serialized form; new ones
/// may come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// The policy as it is printed.
    pub text: String,
    /// Whether a request without a token passes.
    pub optional: bool,
    /// Whether rejections that depend on the organization are one and the same 404.
    pub hidden: bool,
    /// Whether nothing is enforced: the policy is only judged and recorded. Absent if it is enforced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow_only: bool,
    /// The policy that is judged beside this one, and not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<Self>>,
    /// What is wrong with the policy. A faulty policy has no clauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The policy as it was written.
    pub written: Written,
    /// The clauses, of which the first one that passes decides.
    pub clauses: Vec<ClauseDescription>,
}

/// A policy as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Written {
    /// All of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
    /// One word, as it is printed.
    Word(String),
}

/// One clause, as it is judged: everything in it must hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClauseDescription {
    /// The clause as it is printed, in the order of judging.
    pub text: String,
    /// Whose tokens; none if the policy does not say.
    pub issuer: Option<IssuerDescription>,
    /// What the tokens must be for; none if the policy does not say yet.
    pub model: Option<ModelDescription>,
    /// The scopes: every rule must hold.
    pub scopes: Vec<ScopesDescription>,
    /// How fresh the permissions must be, if the token alone is not enough.
    pub freshness: Option<FreshnessDescription>,
    /// The conditions, in the order of judging.
    pub conditions: Vec<ConditionDescription>,
}

/// The issuer entries whose tokens a clause accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssuerDescription {
    /// Those of every issuer entry.
    Any,
    /// Those of the entry with this name.
    Named(String),
}

/// The model of a clause: what a token must be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelDescription {
    /// Anything that the server serves.
    Authenticated,
    /// The API, and no organization.
    #[non_exhaustive]
    Resource {
        /// The resource indicator; none is the server's first.
        indicator: Option<String>,
        /// Where the request names the organization that it is about, for which the policy vouches.
        about: Option<SourceDescription>,
    },
    /// An organization's own permissions.
    #[non_exhaustive]
    Organization {
        /// Where the request names it.
        source: SourceDescription,
    },
    /// The API, in an organization of which the subject is a member by the word of the permission source.
    #[non_exhaustive]
    Member {
        /// The resource indicator; none is the server's first.
        indicator: Option<String>,
        /// Where the request names the organization.
        source: SourceDescription,
        /// Whether tokens that an actor uses are taken.
        acting_allowed: bool,
    },
    /// The API within an organization.
    #[non_exhaustive]
    ResourceInOrganization {
        /// The resource indicator; none is the server's first.
        indicator: Option<String>,
        /// Where the request names the organization.
        source: SourceDescription,
    },
}

/// The place where a request names an organization or a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceDescription {
    /// In this parameter of the path.
    Path(String),
    /// In this header.
    Header(String),
    /// In the label in front of this domain.
    Subdomain(String),
    /// Where code of the application finds it.
    Custom(String),
    /// In this argument of the tool that an MCP client calls.
    Argument(String),
    /// Nowhere: any organization that the token is for.
    AnyOrganization,
}

/// One rule about scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScopesDescription {
    /// All of these.
    All(Vec<String>),
    /// At least one of these.
    Any(Vec<String>),
}

/// The required freshness of permissions. Durations are written as in a printed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FreshnessDescription {
    /// Whether the source is asked after the request arrived.
    pub live: bool,
    /// How old the permissions may be.
    #[serde(serialize_with = "span", skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// What happens if the source does not answer; none is 503.
    pub on_error: Option<OnErrorDescription>,
}

/// What happens if a permission source does not respond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnErrorDescription {
    /// Permissions of at most this age may let a request pass.
    Stale(#[serde(serialize_with = "whole_span")] Duration),
    /// The token alone decides.
    TokenOnly,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConditionDescription {
    /// Who the subject is.
    #[non_exhaustive]
    SubjectKind {
        /// `user` or `machine`.
        subject: &'static str,
    },
    /// The token is bound to what its sender has proved to hold. Neither a key nor a certificate means either.
    #[non_exhaustive]
    SenderConstrained {
        /// Whether it must be a key (DPoP).
        to_key: bool,
        /// Whether it must be a certificate (mutual TLS).
        to_certificate: bool,
    },
    /// The token was issued to one of these clients.
    #[non_exhaustive]
    Client {
        /// Their ids.
        any_of: Vec<String>,
    },
    /// A claim has this value.
    #[non_exhaustive]
    Claim {
        /// The claim.
        name: String,
        /// Its value.
        equals: ClaimValue,
    },
    /// A claim has one of these values.
    #[non_exhaustive]
    ClaimAnyOf {
        /// The claim.
        name: String,
        /// Its values.
        any_of: Vec<ClaimValue>,
    },
    /// A claim is an array that contains this value.
    #[non_exhaustive]
    ClaimContains {
        /// The claim.
        name: String,
        /// One of its members.
        contains: ClaimValue,
    },
    /// The user signed in with one of these authentication contexts.
    #[non_exhaustive]
    Acr {
        /// The contexts, in order of preference.
        any_of: Vec<String>,
    },
    /// The user signed in at most so long ago.
    #[non_exhaustive]
    MaxAuthAge {
        /// How long ago.
        #[serde(serialize_with = "whole_span")]
        max: Duration,
    },
    /// An authorization detail of the token passes a check in the application's code.
    #[non_exhaustive]
    AuthorizationDetail {
        /// The type of the detail.
        detail_type: String,
        /// The name of the check.
        name: String,
    },
    /// A check in the application's code.
    #[non_exhaustive]
    Check {
        /// Its name.
        name: String,
    },
    /// A question to the decision point.
    #[non_exhaustive]
    Decision {
        /// The action.
        action: String,
        /// The type of the resource.
        resource_type: String,
        /// Where the request names the resource.
        id: SourceDescription,
        /// Whether the request passes while the decision point cannot be reached.
        allow_on_error: bool,
        /// How long decisions are remembered; none is as the server has it.
        keep: Option<KeepDescription>,
    },
}

/// How long decisions are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeepDescription {
    /// Those that allow.
    #[serde(serialize_with = "whole_span")]
    pub allow: Duration,
    /// Those that deny.
    #[serde(serialize_with = "whole_span")]
    pub deny: Duration,
}

fn whole_span<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Span(*span))
}

#[allow(clippy::ref_option, reason = "as serde calls it")]
fn span<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => whole_span(span, serializer),
        None => serializer.serialize_none(),
    }
}

//! The stable names of a description's variants: those of its serialized form.

use super::describe::{
    ConditionDescription, IssuerDescription, ModelDescription, OnErrorDescription, ScopesDescription,
    SourceDescription, Written,
};
use crate::name::stable_names;

stable_names!(Written {
    And => "and",
    Or => "or",
    Word => "word",
});

stable_names!(IssuerDescription {
    Any => "any",
    Named => "named",
});

stable_names!(ModelDescription {
    Authenticated => "authenticated",
    Resource => "resource",
    Organization => "organization",
    Member => "member",
    ResourceInOrganization => "resource_in_organization",
});

stable_names!(SourceDescription {
    Path => "path",
    Header => "header",
    Subdomain => "subdomain",
    Custom => "custom",
    Argument => "argument",
    AnyOrganization => "any_organization",
});

stable_names!(ScopesDescription {
    All => "all",
    Any => "any",
});

stable_names!(OnErrorDescription {
    Stale => "stale",
    TokenOnly => "token_only",
});

stable_names!(ConditionDescription {
    SubjectKind => "subject_kind",
    SenderConstrained => "sender_constrained",
    Client => "client",
    Claim => "claim",
    ClaimAnyOf => "claim_any_of",
    ClaimContains => "claim_contains",
    Acr => "acr",
    MaxAuthAge => "max_auth_age",
    AuthorizationDetail => "authorization_detail",
    Check => "check",
    Decision => "decision",
});

//! Conditions in words.

use crate::audit::tenant::SubjectType;
use crate::name::{Name, Span};
use crate::policy::ConditionDescription;

/// A condition, as an audit sees it.
pub(super) enum Condition {
    /// The subject is of this kind.
    Kind(SubjectType),
    /// The token was issued to one of these clients.
    Clients(Vec<String>),
    /// Something that no role decides, in words.
    Else(String),
}

pub(super) const SENDER_CONSTRAINED: &str = "the token is bound to its sender (DPoP or mutual TLS)";

pub(super) fn condition(description: &ConditionDescription) -> Condition {
    Condition::Else(match description {
        ConditionDescription::SubjectKind { subject } => {
            return Condition::Kind(if *subject == "machine" { SubjectType::Machine } else { SubjectType::User });
        }
        ConditionDescription::Client { any_of } => return Condition::Clients(any_of.clone()),
        ConditionDescription::SenderConstrained { to_key, to_certificate } => match (to_key, to_certificate) {
            (false, false) => SENDER_CONSTRAINED.to_owned(),
            (true, false) => "the token is bound to a key (DPoP)".to_owned(),
            (false, true) => "the token is bound to a certificate (mutual TLS)".to_owned(),
            (true, true) => "the token is bound to a key (DPoP) and a certificate (mutual TLS)".to_owned(),
        },
        ConditionDescription::Claim { name, equals } => format!("claim {} is {equals}", Name(name)),
        ConditionDescription::ClaimAnyOf { name, any_of } => {
            format!("claim {} is one of [{}]", Name(name), listed(any_of))
        }
        ConditionDescription::ClaimContains { name, contains } => format!("claim {} contains {contains}", Name(name)),
        ConditionDescription::Acr { any_of } => match &**any_of {
            [only] => format!("the user signed in with {}", Name(only)),
            several => format!("the user signed in with one of [{}]", named(several)),
        },
        ConditionDescription::MaxAuthAge { max } => format!("the user signed in at most {} ago", Span(*max)),
        ConditionDescription::AuthorizationDetail { detail_type, name } => {
            format!("an authorization detail of type {} passes {}", Name(detail_type), Name(name))
        }
        ConditionDescription::Check { name } => format!("check {} passes", Name(name)),
        ConditionDescription::Decision { action, resource_type, allow_on_error, .. } => {
            let question = format!("the decision point allows {} {}", Name(action), Name(resource_type));
            if *allow_on_error { format!("{question} or cannot be reached") } else { question }
        }
    })
}

/// In words: which clients a token may be issued to.
pub(in crate::audit) fn clients(ids: &[String]) -> String {
    match ids {
        [only] => format!("the client is {}", Name(only)),
        several => format!("the client is one of [{}]", named(several)),
    }
}

fn named(names: &[String]) -> String {
    names.iter().map(|name| Name(name).to_string()).collect::<Vec<_>>().join(" ")
}

fn listed(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

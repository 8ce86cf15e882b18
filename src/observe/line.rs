//! One decision as a line.

use std::time::Duration;

use serde::Serialize;

use super::subject::SubjectForm;
use crate::engine::{OwnedRecord, ShadowRecord};
use crate::token::SubjectKind;

/// The fields of a line. Their names are stable; fields that do not apply are absent.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    duration_us: u64,
    outcome: &'static str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_cache: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits: Vec<Waited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Shadow<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    behind: bool,
}

/// What a policy says that is judged and not enforced.
#[derive(Serialize)]
struct Shadow<'a> {
    policy: &'a str,
    agreement: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Waited {
    r#for: &'static str,
    us: u64,
}

/// The line, without its end.
pub(super) fn write(record: &OwnedRecord, form: &SubjectForm) -> serde_json::Result<Vec<u8>> {
    let record = record.borrow();
    let line = Line {
        time: humantime::format_rfc3339_millis(record.time()).to_string(),
        duration_us: microseconds(record.duration()),
        outcome: record.outcome().as_str(),
        method: record.method().as_str(),
        route: record.route(),
        operation: record.operation(),
        policy: record.policy(),
        status: record.status().map(|status| status.as_u16()),
        kind: record.kind().map(crate::rejection::RejectionKind::as_str),
        remediation: record.remediation().map(crate::rejection::Remediation::as_str),
        detail: record.detail(),
        clause: record.clause(),
        issuer: record.issuer_name(),
        subject_kind: record.subject_kind().map(SubjectKind::as_str),
        subject: record.subject().and_then(|subject| form.of(subject)),
        client: record.client_id(),
        organization: record.organization().map(crate::organization::Organization::id),
        missing_scopes: record.missing_scopes().iter().map(crate::scope::Scope::as_str).collect(),
        token_cache: record.token_cache().map(crate::engine::TokenCache::as_str),
        waits: record
            .waits()
            .iter()
            .map(|wait| Waited { r#for: wait.what().as_str(), us: microseconds(wait.took()) })
            .collect(),
        shadow: record.shadow().map(Shadow::from),
        behind: record.is_behind(),
    };
    serde_json::to_vec(&line)
}

impl<'a> From<ShadowRecord<'a>> for Shadow<'a> {
    fn from(shadow: ShadowRecord<'a>) -> Self {
        Self {
            policy: shadow.policy(),
            agreement: shadow.agreement().as_str(),
            outcome: shadow.outcome().as_str(),
            kind: shadow.kind().map(crate::rejection::RejectionKind::as_str),
            remediation: shadow.remediation().map(crate::rejection::Remediation::as_str),
            detail: shadow.detail(),
            clause: shadow.clause(),
            missing_scopes: shadow.missing_scopes().iter().map(crate::scope::Scope::as_str).collect(),
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

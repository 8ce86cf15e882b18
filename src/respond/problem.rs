//! The default body of a rejection: RFC 9457 problem details.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;

use crate::rejection::{ErrorCode, Rejection, RejectionKind, Remediation, StepUp};
use crate::scope::Scope;

/// `type` is absent, which means `about:blank`: the title is the status phrase (RFC 9457 section 4.2.1).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    remediation: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required_scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acr_values: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
}

/// Bodies of plain rejections, by kind and remediation. Each is written when it is first needed.
static WRITTEN: [[OnceLock<Bytes>; Remediation::COUNT]; RejectionKind::COUNT] =
    [const { [const { OnceLock::new() }; Remediation::COUNT] }; RejectionKind::COUNT];

pub(super) fn body(rejection: &Rejection) -> Bytes {
    let row = WRITTEN.get(rejection.kind() as usize).filter(|_| rejection.is_plain());
    match row.and_then(|row| row.get(rejection.remediation() as usize)) {
        Some(place) => place.get_or_init(|| write(rejection)).clone(),
        None => write(rejection),
    }
}

fn write(rejection: &Rejection) -> Bytes {
    let kind = rejection.kind();
    let status = kind.status();
    let problem = Problem {
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: rejection.description(),
        error: kind.error().map(ErrorCode::as_str),
        remediation: rejection.remediation().as_str(),
        required_scopes: rejection.required_scopes().iter().map(Scope::as_str).collect(),
        missing_scopes: rejection.missing_scopes().iter().map(Scope::as_str).collect(),
        acr_values: rejection.step_up().into_iter().flat_map(StepUp::acr_values).collect(),
        max_age: rejection.step_up().and_then(StepUp::max_age).map(|age| age.as_secs()),
    };
    serde_json::to_vec(&problem).unwrap_or_else(|_| b"{}".to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever was written before for others.
    #[test]
    fn each_kind_and_remediation_has_its_own_body() {
        let kinds = [RejectionKind::ExpiredToken, RejectionKind::InvalidToken, RejectionKind::Denied];
        let remediations = [Remediation::Refresh, Remediation::Retry, Remediation::None];
        let scopes: [&[&str]; 2] = [&[], &["a"]];
        for _ in 0..2 {
            for (kind, remediation) in
                kinds.iter().flat_map(|kind| remediations.map(|remediation| (*kind, remediation)))
            {
                for scopes in scopes {
                    let scopes: Vec<Scope> = scopes.iter().map(|scope| Scope::new(scope).unwrap()).collect();
                    let rejection = Rejection::new(kind, remediation, "x").with_scopes(scopes.clone(), scopes.clone());
                    let body: serde_json::Value = serde_json::from_slice(&body(&rejection)).unwrap();
                    assert_eq!(body["detail"], kind.description());
                    assert_eq!(body["remediation"], remediation.as_str());
                    assert_eq!(body["missing_scopes"].as_array().map_or(0, Vec::len), scopes.len());
                }
            }
        }
    }
}

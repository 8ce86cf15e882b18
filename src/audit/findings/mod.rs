//! What does not fit between code and tenant.

mod finding;
mod kind;
mod nearest;
mod permissions;
mod roles;
mod routes;
mod scene;

pub use finding::Finding;
pub use kind::{FindingKind, Severity};
pub(super) use scene::Scene;

/// All findings, the worst first.
pub(super) fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = routes::find(scene);
    findings.extend(permissions::find(scene));
    findings.extend(roles::find(scene));
    findings.sort_by_key(|finding| (finding.severity, finding.kind));
    findings
}

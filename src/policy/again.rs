//! A clause that was met, judged again while what it granted is used.

use std::time::Duration;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Request};

use super::compiled::{CompiledClause, CompiledPolicy, sources};
use super::condition::Condition;
use super::live::{LiveView, judge_permissions, permission_model};
use super::memory::CheckMemory;
use super::model::Model;
use super::nearest::settle;
use super::refusal::Refused;
use super::scene::Scene;
use super::step_up::SignInView;
use crate::decision::DecisionView;
use crate::engine::Stop;
use crate::explain::Steps;
use crate::organization::{Organization, PathParams, RequestSource, SourceKind, ToolArguments};
use crate::permissions::PermissionQuery;
use crate::rejection::Rejection;
use crate::token::AccessToken;

/// What must be asked to know that a clause is still met.
pub(crate) struct Kept {
    /// What the subject must hold, and how old that may be; `None` for not at all.
    pub(crate) permissions: Option<(PermissionQuery, Option<Duration>)>,
    /// Whether a decision point is asked.
    pub(crate) decisions: bool,
    /// When its user has signed in too long ago, in seconds since the Unix epoch.
    pub(crate) until: Option<f64>,
}

impl CompiledPolicy {
    /// What must be asked to know that this clause is still met.
    ///
    /// # Errors
    ///
    /// Returns what a clause that asks for live permissions does not say.
    pub(crate) fn kept(
        &self,
        clause: usize,
        token: &AccessToken,
        organization: Option<&Organization>,
    ) -> Result<Kept, Rejection> {
        let Some(CompiledClause { clause, .. }) = self.clauses.get(clause) else {
            return Err(Rejection::misconfigured("a clause that the policy does not have"));
        };
        let query = |model| PermissionQuery::new(token.subject(), model);
        let rule = &clause.freshness;
        let permissions = if rule.is_asked() {
            let model = permission_model(clause, token, organization)?;
            Some((query(model), rule.max_age.filter(|_| !rule.now)))
        } else {
            None
        };
        let decisions = clause.conditions.iter().any(|condition| matches!(condition, Condition::Decisions(_)));
        let ends = clause.conditions.iter().filter_map(|condition| match condition {
            Condition::MaxAuthAge(max) => Some(token.authentication()?.auth_time?.seconds() + max.age().as_secs_f64()),
            _ => None,
        });
        Ok(Kept { permissions, decisions, until: ends.reduce(f64::min) })
    }

    /// Whether a token that was granted something by this clause still has the permissions for it.
    pub(crate) fn still_permits(
        &self,
        clause: usize,
        token: &AccessToken,
        organization: Option<&Organization>,
        live: &LiveView<'_>,
    ) -> Result<(), Stop> {
        let Some(compiled) = self.clauses.get(clause) else {
            return Err(Rejection::misconfigured("a clause that the policy does not have").into());
        };
        let lead = || live.lead;
        let sign_in = SignInView { conversations: live.conversations, now: live.now, lead: &lead, is_dry: false };
        let mut scene = Scene {
            token,
            now: live.now,
            resources: token.resources(),
            request: &mut bare_request(),
            organization: organization.cloned(),
            is_vouched: true,
            decisions: &DecisionView { decider: None, decided: &[], route: None },
            memory: &mut CheckMemory::default(),
            steps: &mut Steps::default(),
            is_dry: false,
            model: compiled.model,
            without_decision: false,
        };
        let judged = judge_permissions(compiled, &mut scene, live);
        let refused = |refusal| Refused { refusal, organization: organization.cloned() };
        judged.map(drop).map_err(|refusal| settle(refused(refusal), compiled, token, &sign_in))
    }

    /// Whether it cannot be judged without the request: code of the application or a decision point looks at it.
    pub(crate) fn reads_request(&self) -> bool {
        let of_clause = |compiled: &CompiledClause| {
            compiled.clause.conditions.iter().any(Condition::runs_code)
                || sources(&compiled.clause).any(RequestSource::is_custom)
        };
        self.clauses.iter().any(of_clause)
    }

    /// A request in which every source of the policy names this organization.
    pub(crate) fn request_about(&self, organization: Option<&str>) -> Parts {
        let mut request = bare_request();
        let Some(id) = organization else { return request };
        let (mut path, mut arguments) = (Vec::new(), Vec::new());
        for source in self.clauses.iter().flat_map(|compiled| sources(&compiled.clause)) {
            match source.kind() {
                SourceKind::Path(name) if !path.iter().any(|(known, _)| *known == **name) => {
                    path.push((name.to_string(), id.to_owned()));
                }
                SourceKind::Header(name) => {
                    if let Ok(value) = HeaderValue::from_str(id) {
                        request.headers.insert(name, value);
                    }
                }
                SourceKind::Subdomain(domain) => {
                    if let Ok(host) = HeaderValue::try_from(format!("{id}.{domain}")) {
                        request.headers.insert(HOST, host);
                    }
                }
                SourceKind::Argument(name) => arguments.push((name.clone(), id.to_owned())),
                _ => {}
            }
        }
        request.extensions.insert(PathParams::new(path));
        request.extensions.insert(ToolArguments::new(arguments));
        request
    }

    /// Whether both clauses read the organization in the same place.
    pub(crate) fn reads_alike(&self, one: usize, other: usize) -> bool {
        let source = |index: usize| {
            let model = self.clauses.get(index)?.clause.model.as_ref()?;
            Some(model.any_source().map(ToString::to_string))
        };
        source(one) == source(other) && self.is_of_member(one) == self.is_of_member(other)
    }

    fn is_of_member(&self, clause: usize) -> bool {
        let model = self.clauses.get(clause).and_then(|compiled| compiled.clause.model.as_ref());
        matches!(model, Some(Model::Member { .. }))
    }
}

fn bare_request() -> Parts {
    Request::new(()).into_parts().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerRules;
    use crate::organization::{RequestSource, SourceMemory, argument, header, path, subdomain};
    use crate::policy::{Policy, organization, resource};

    fn compiled(policy: Policy) -> CompiledPolicy {
        let mut entry = IssuerRules::for_tests("main");
        entry.has_permissions = true;
        CompiledPolicy::compile(policy, &[&entry]).unwrap()
    }

    fn named(source: &RequestSource, request: &mut Parts) -> Option<String> {
        source.value(request, &mut SourceMemory::default()).ok().flatten()
    }

    #[test]
    fn clauses_read_alike_only_if_source_and_membership_are_the_same() {
        let one = || organization(path("org")).scope("one");
        for (other, expected) in [
            (organization(path("org")), true),
            (organization(header("x-org")), false),
            (resource().for_member_of(path("org")).live(), false),
            (resource(), false),
        ] {
            let policy = compiled(one().or(other.clone().scope("other")));
            assert_eq!(policy.reads_alike(0, 1), expected, "{other}");
            assert!(policy.reads_alike(0, 0) && policy.reads_alike(1, 1), "{other}");
        }
    }

    #[test]
    fn request_about_an_organization_names_it_in_every_source() {
        for source in [path("org"), header("x-org"), subdomain("example.com"), argument("org")] {
            let policy = compiled(organization(source.clone()));
            assert_eq!(named(&source, &mut policy.request_about(Some("acme"))).as_deref(), Some("acme"), "{source:?}");
            assert_eq!(named(&source, &mut policy.request_about(None)), None, "{source:?}");
        }
    }
}

//! Separation of duties: who reaches both of two routes.

use super::audit::Audit;
use super::findings::{Finding, FindingKind};
use super::requirement::Route;
use super::verdict::Verdict;
use crate::name::Name;

impl Audit {
    pub(super) fn separation(&self, one: &str, other: &str) -> Vec<Finding> {
        let (first, second) = match (self.named(one), self.named(other)) {
            (Ok(first), Ok(second)) => (first, second),
            (Err(finding), _) | (_, Err(finding)) => return vec![*finding],
        };
        let routes = [self.routes.get(first), self.routes.get(second)];
        let [Some(one), Some(other)] = routes else { return Vec::new() };
        let mut findings = Vec::new();
        let mut found = |who: String, place: String| {
            let message = format!("{who} reaches both {} and {}", one.label(), other.label());
            let places = [one, other].map(|route| format!("{}: {}", route.label(), route.policy));
            findings.push(Finding::new(FindingKind::SeparationOfDuties, message).code(places).tenant([place]));
        };
        for (number, role) in self.catalog.roles.iter().enumerate() {
            let reaches = |route| self.report.verdict(route, number).is_some_and(Verdict::reaches);
            if reaches(first) && reaches(second) {
                found(role.label(), role.label());
            }
        }
        for (subjects, member) in self.subjects().filter(|(_, member)| !member.suspended) {
            let roles = self.held(member);
            let memberships = member.organizations.iter().map(|membership| Some(&*membership.id));
            for organization in memberships.chain([None]) {
                let situation = self.situation((subjects, member), organization, &roles, &[one, other]);
                let reaches = |route: &Route| {
                    situation.with(situation.held(), |holder| route.judge(holder, &self.catalog)).reaches()
                };
                if reaches(one) && reaches(other) {
                    let who = format!("{subjects} {}", Name(&member.id));
                    let within = organization.map(|id| format!(" in organization {}", Name(id))).unwrap_or_default();
                    found(format!("{who}{within}"), who);
                    break;
                }
            }
        }
        findings
    }

    /// The number of the route that a rule names.
    fn named(&self, name: &str) -> Result<usize, Box<Finding>> {
        let number = name.split_once(' ').and_then(|(method, path)| self.report.route(method, path.trim_start()));
        let message =
            || format!("a rule names {name:?}, and no route answers it: write a method and a path of the table");
        number.ok_or_else(|| Box::new(Finding::new(FindingKind::SeparationOfDuties, message())))
    }
}

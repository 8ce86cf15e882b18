//! What a subject opens of a route, by the rules by which requests are judged.

use super::catalog::{Bits, Catalog};
use super::holder::{Holder, level_counts};
use super::report::RouteAccess;
use super::requirement::{Clause, Reach, Route, Rule, clients};
use super::tenant::{RoleLevel, SubjectType};
use super::verdict::Verdict;

const MEMBERSHIP: &str = "it is a member of the organization";
const MFA: &str = "the user has set up MFA, which the organization requires";

impl Route {
    /// What this subject opens of the route, with the best token that it can get.
    pub(super) fn judge(&self, holder: Holder<'_>, catalog: &Catalog) -> Verdict {
        if self.access.is_open() {
            return Verdict::Yes;
        }
        Verdict::any(self.clauses.iter().map(|clause| clause.judge(holder, catalog)))
    }

    /// Which rules of which clauses this subject meets: what its verdict depends on beside its kind and membership.
    pub(super) fn met(&self, holder: Holder<'_>, catalog: &Catalog) -> Bits {
        let mut met = Bits::default();
        let rules = self.clauses.iter().flat_map(|clause| clause.rules.iter().map(move |rule| (clause, rule)));
        for (number, (clause, rule)) in rules.enumerate() {
            if rule.is_met(&clause.reach, holder, catalog) {
                met.insert(number);
            }
        }
        met
    }

    /// Whether roles of other organizations than the request's count: those of users do in tokens for none.
    pub(super) fn counts_roles_elsewhere(&self) -> bool {
        self.clauses.iter().any(|clause| matches!(clause.reach, Reach::Resource(_)))
    }

    /// Whether who may call depends on an organization: a clause takes tokens for one.
    pub(super) fn is_of_organization(&self) -> bool {
        !self.access.is_open() && self.clauses.iter().any(|clause| clause.reach.needs_membership())
    }
}

impl Rule {
    fn is_met(&self, reach: &Reach, holder: Holder<'_>, catalog: &Catalog) -> bool {
        holder.counting(reach, catalog).any(|role| {
            self.0.iter().any(|(_, permission)| permission.is_some_and(|permission| role.grants(permission)))
        })
    }
}

impl Clause {
    pub(super) fn judge(&self, holder: Holder<'_>, catalog: &Catalog) -> Verdict {
        if let Err(why) = self.takes(holder, catalog) {
            return Verdict::Never { why };
        }
        if self.reach.needs_membership() && !holder.is_member && holder.id.is_some() {
            return Verdict::Never { why: "it is not a member of the organization".to_owned() };
        }
        let missing = self.rules.iter().filter(|rule| !rule.is_met(&self.reach, holder, catalog));
        let lacks: Vec<String> = missing.map(Rule::words).collect();
        if !lacks.is_empty() {
            return Verdict::No { lacks };
        }
        let mut conditions = Vec::new();
        if self.reach.needs_membership() && !holder.is_member {
            conditions.push(MEMBERSHIP.to_owned());
        }
        if self.reach.needs_membership() && holder.is_member && holder.needs_mfa {
            conditions.push(MFA.to_owned());
        }
        match (&self.clients, holder.subjects, holder.id) {
            // A machine is its own client.
            (None, ..) | (Some(_), SubjectType::Machine, Some(_)) => {}
            (Some(ids), ..) => conditions.push(clients(ids)),
        }
        conditions.extend(self.conditions.iter().cloned());
        if conditions.is_empty() { Verdict::Yes } else { Verdict::OnlyIf { any_of: vec![conditions] } }
    }

    /// Whether a token of such a subject can pass at all, whatever its roles are granted; else why not.
    fn takes(&self, holder: Holder<'_>, catalog: &Catalog) -> Result<(), String> {
        if let Reach::Nothing(why) = &self.reach {
            return Err(why.clone());
        }
        if let Some(subjects) = self.subjects.filter(|subjects| *subjects != holder.subjects) {
            return Err(format!("the route takes {subjects}s only"));
        }
        if let (Some(ids), SubjectType::Machine, Some(id)) = (&self.clients, holder.subjects, holder.id)
            && !ids.iter().any(|client| client == id)
        {
            return Err("the route takes other clients only".to_owned());
        }
        let counts = level_counts(&self.reach, holder.subjects);
        let levels = holder.roles.iter().filter_map(|&role| catalog.roles.get(role)).map(|role| role.level);
        let levels: Vec<RoleLevel> = levels.collect();
        if self.rules.is_empty() || levels.is_empty() || levels.iter().any(|level| counts(*level)) {
            return Ok(());
        }
        Err(match &self.reach {
            Reach::Organization => "only organization roles grant organization permissions",
            Reach::Resource(_) => "the organization roles of a machine do not count outside of the organization",
            _ => "the global roles of a machine do not count in an organization",
        }
        .to_owned())
    }
}

impl RouteAccess {
    /// Whether requests pass whoever sends them.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Public | Self::PublicRouter | Self::ShadowOnly)
    }
}

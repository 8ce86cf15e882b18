//! Who may call a route, what a subject may call, who holds a role.

use serde::Serialize;

use super::audit::Audit;
use super::error::AuditError;
use super::members::{Held, Situation};
use super::requirement::Route;
use super::tenant::{RoleLevel, SubjectType};
use super::through::Through;
use super::verdict::Verdict;
use crate::name::Name;

/// The callers of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Who {
    /// The route.
    pub route: String,
    /// What a user without any role opens: where it is not closed, more users may call than are listed.
    pub any_user: Verdict,
    /// What a machine without any role opens.
    pub any_machine: Verdict,
    /// The users and machines, of those that hold a role or are members.
    pub callers: Vec<Caller>,
}

/// A user or a machine that may call a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Caller {
    /// Its id.
    pub id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub subjects: SubjectType,
    /// The organization in which it may call; none if the route is for none.
    pub organization: Option<String>,
    /// Whether it may, or only if something else holds.
    pub verdict: Verdict,
    /// The smallest sets of its roles with which it may, under no more conditions than with all of them; an empty one where it
    /// needs none. At most 20.
    pub through: Vec<Vec<Holding>>,
    /// Whether there may be more such sets, or smaller ones, than are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A role that a subject holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Holding {
    /// The level of the role.
    pub level: RoleLevel,
    /// Its name.
    pub role: String,
    /// The organization in which it is held.
    pub organization: Option<String>,
}

/// The roles and permitted routes of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubjectAccess {
    /// Its id.
    pub id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub subjects: SubjectType,
    /// Whether it is suspended, and so may call nothing that is not public.
    pub suspended: bool,
    /// Its roles.
    pub roles: Vec<Holding>,
    /// The routes that it may call: the route, the organization if the route is for one, and the verdict.
    pub routes: Vec<(String, Option<String>, Verdict)>,
}

/// A holder of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RoleHolder {
    /// Its id.
    pub id: String,
    /// The organization in which it holds the role.
    pub organization: Option<String>,
    /// Whether it is suspended.
    pub suspended: bool,
}

impl Audit {
    /// Returns who may call a route now, with the roles that let them: `who("GET", "/orgs/{org}/orders", Some("acme"))`.
    /// Without an organization, a route of organizations is answered for each of them.
    ///
    /// # Errors
    ///
    /// Returns an error if the members were not read, or there is no such route or organization.
    pub fn who(&self, method: &str, path: &str, organization: Option<&str>) -> Result<Who, AuditError> {
        self.check_members()?;
        let number = self.report.route(method, path);
        let found = number.and_then(|number| Some((self.routes.get(number)?, self.report.routes.get(number)?)));
        let (route, row) = found.ok_or_else(|| AuditError::new(format_args!("no route answers {method} {path}")))?;
        let ids = || self.tenant.organizations.iter().map(|settings| &*settings.id);
        if let Some(unknown) = organization.filter(|id| !ids().any(|known| known == *id)) {
            return Err(AuditError::new(format_args!("no organization {}", Name(unknown))));
        }
        let mut callers = Vec::new();
        for (subjects, member) in self.subjects().filter(|(_, member)| !member.suspended) {
            let roles = self.held(member);
            let organizations = match organization {
                Some(_) if route.is_of_organization() => vec![organization],
                Some(_) => vec![None],
                None => places(route, member.organizations.iter().map(|membership| &*membership.id)),
            };
            for organization in organizations {
                let situation = self.situation((subjects, member), organization, &roles, &[route]);
                callers.extend(self.caller(route, &situation));
            }
        }
        let nobody = Verdict::Never { why: String::new() };
        Ok(Who {
            route: row.label(),
            any_user: row.any_user().unwrap_or(&nobody).clone(),
            any_machine: row.any_machine().unwrap_or(&nobody).clone(),
            callers,
        })
    }

    /// Returns what a user or a machine holds, and which routes it may call.
    ///
    /// # Errors
    ///
    /// Returns an error if the members were not read, or there is no user or machine with this id among them.
    pub fn subject(&self, id: &str) -> Result<SubjectAccess, AuditError> {
        self.check_members()?;
        let found = self.subjects().find(|(_, member)| member.id == id);
        let (subjects, member) =
            found.ok_or_else(|| AuditError::new(format_args!("no user or machine {} holds a role", Name(id))))?;
        let held = self.held(member);
        let mut routes = Vec::new();
        for route in &self.routes {
            if member.suspended && !route.access.is_open() {
                continue;
            }
            let organizations = member.organizations.iter().map(|membership| &*membership.id);
            for organization in places(route, organizations) {
                let situation = self.situation((subjects, member), organization, &held, &[route]);
                let verdict = situation.with(situation.held(), |holder| route.judge(holder, &self.catalog));
                if verdict.reaches() {
                    routes.push((route.label(), organization.map(str::to_owned), verdict));
                }
            }
        }
        let roles = held.iter().filter_map(|held| self.holding(held)).collect();
        Ok(SubjectAccess { id: member.id.clone(), subjects, suspended: member.suspended, roles, routes })
    }

    /// Returns the holders of a role.
    ///
    /// # Errors
    ///
    /// Returns an error if the members were not read, or there is no such role.
    pub fn holders(&self, level: RoleLevel, role: &str) -> Result<Vec<RoleHolder>, AuditError> {
        self.check_members()?;
        if self.catalog.role(level, role).is_none() {
            return Err(AuditError::new(format_args!("no {level} role {}", Name(role))));
        }
        let mut holders = Vec::new();
        for (_, member) in self.subjects() {
            let mut push = |organization: Option<&str>| {
                let organization = organization.map(str::to_owned);
                holders.push(RoleHolder { id: member.id.clone(), organization, suspended: member.suspended });
            };
            let holds = |roles: &[String]| roles.iter().any(|held| held == role);
            match level {
                RoleLevel::Global if holds(&member.roles) => push(None),
                RoleLevel::Global => {}
                RoleLevel::Organization => {
                    let memberships = member.organizations.iter().filter(|membership| holds(&membership.roles));
                    memberships.for_each(|membership| push(Some(&membership.id)));
                }
            }
        }
        Ok(holders)
    }

    pub(super) fn check_members(&self) -> Result<(), AuditError> {
        match self.tenant.members {
            Some(_) => Ok(()),
            None => Err(AuditError::new("the members were not read: use with_members()")),
        }
    }

    fn caller(&self, route: &Route, situation: &Situation<'_>) -> Option<Caller> {
        let verdict = situation.with(situation.held(), |holder| route.judge(holder, &self.catalog));
        if !verdict.reaches() {
            return None;
        }
        let Through { sets, more } = route.through(situation, &verdict, &self.catalog);
        let named = |set: Vec<Held<'_>>| set.iter().filter_map(|held| self.holding(held)).collect();
        Some(Caller {
            id: situation.member.id.clone(),
            subjects: situation.subjects,
            organization: situation.organization.map(str::to_owned),
            verdict,
            through: sets.into_iter().map(named).collect(),
            more,
        })
    }

    fn holding(&self, (role, organization): &Held<'_>) -> Option<Holding> {
        let role = self.catalog.roles.get(*role)?;
        Some(Holding { level: role.level, role: role.name.clone(), organization: organization.map(str::to_owned) })
    }
}

/// The organizations that requests of a subject can be about: none for a route of none.
pub(super) fn places<'a>(route: &Route, organizations: impl Iterator<Item = &'a str>) -> Vec<Option<&'a str>> {
    if !route.is_of_organization() {
        return vec![None];
    }
    // Of several clauses one may be for no organization.
    let has_global = route.clauses.iter().any(|clause| !clause.reach.needs_membership());
    organizations.map(Some).chain(has_global.then_some(None)).collect()
}

//! Somebody who holds some roles.

use super::catalog::{Catalog, CatalogRole};
use super::requirement::Reach;
use super::tenant::{RoleLevel, SubjectType};

/// A subject, as the tokens that it can get depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder<'a> {
    pub(super) subjects: SubjectType,
    /// Global roles, and those in the request's organization.
    pub(super) roles: &'a [usize],
    /// Roles in other organizations.
    pub(super) elsewhere: &'a [usize],
    /// Whether it is a member of the request's organization.
    pub(super) is_member: bool,
    /// Its id, if it is a known subject.
    pub(super) id: Option<&'a str>,
    /// Whether the organization requires a second factor of it.
    pub(super) needs_mfa: bool,
}

impl<'a> Holder<'a> {
    /// Who holds these roles and no other; organization roles are held in the request's organization.
    pub(super) fn of_roles(subjects: SubjectType, roles: &'a [usize], catalog: &Catalog) -> Self {
        let in_organization = |role: &CatalogRole| role.level == RoleLevel::Organization;
        let is_member = roles.iter().any(|&role| catalog.roles.get(role).is_some_and(in_organization));
        Self { subjects, roles, elsewhere: &[], is_member, id: None, needs_mfa: false }
    }

    /// Who holds no role.
    pub(super) const fn without_role(subjects: SubjectType, is_member: bool) -> Self {
        Self { subjects, roles: &[], elsewhere: &[], is_member, id: None, needs_mfa: false }
    }

    /// The roles that count for tokens of this reach.
    pub(super) fn counting<'c>(self, reach: &Reach, catalog: &'c Catalog) -> impl Iterator<Item = &'c CatalogRole>
    where
        'a: 'c,
    {
        let elsewhere = match reach {
            // Without an organization Logto puts the scopes of all organizations into a user's token.
            Reach::Resource(_) => self.elsewhere,
            _ => &[],
        };
        let counts = level_counts(reach, self.subjects);
        let roles = self.roles.iter().chain(elsewhere).filter_map(|&role| catalog.roles.get(role));
        roles.filter(move |role| counts(role.level))
    }
}

/// Which roles count for tokens of this reach, by their level.
pub(super) const fn level_counts(reach: &Reach, subjects: SubjectType) -> fn(RoleLevel) -> bool {
    const fn all(_: RoleLevel) -> bool {
        true
    }
    const fn none(_: RoleLevel) -> bool {
        false
    }
    const fn global(level: RoleLevel) -> bool {
        matches!(level, RoleLevel::Global)
    }
    const fn organization(level: RoleLevel) -> bool {
        matches!(level, RoleLevel::Organization)
    }
    match (reach, subjects) {
        (Reach::Resource(_) | Reach::InOrganization(_) | Reach::Member(_), SubjectType::User) => all,
        (Reach::Resource(_), SubjectType::Machine) => global,
        (Reach::Organization, _) | (Reach::InOrganization(_) | Reach::Member(_), SubjectType::Machine) => organization,
        (Reach::Any { .. } | Reach::Nothing(_), _) => none,
    }
}

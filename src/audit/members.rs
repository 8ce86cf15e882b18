//! A known subject in one organization.

use super::audit::Audit;
use super::holder::Holder;
use super::tenant::{RoleLevel, SubjectType, TenantMember};

/// A subject, with the request's organization fixed.
pub(super) struct Situation<'a> {
    pub(super) subjects: SubjectType,
    pub(super) member: &'a TenantMember,
    pub(super) organization: Option<&'a str>,
    is_member: bool,
    needs_mfa: bool,
    /// Each with the organization in which it is held, if it is.
    held: Vec<(usize, Option<&'a str>)>,
}

impl Audit {
    /// Every user and machine that was read.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (SubjectType, &TenantMember)> {
        let members = self.tenant.members.iter();
        members.flat_map(|members| {
            let users = members.users.iter().map(|user| (SubjectType::User, user));
            users.chain(members.machines.iter().map(|machine| (SubjectType::Machine, machine)))
        })
    }

    pub(super) fn situation<'a>(
        &'a self,
        subjects: SubjectType,
        member: &'a TenantMember,
        organization: Option<&'a str>,
    ) -> Situation<'a> {
        let global = self.catalog.numbers(RoleLevel::Global, &member.roles).into_iter().map(|role| (role, None));
        let in_organizations = member.organizations.iter().flat_map(|membership| {
            let roles = self.catalog.numbers(RoleLevel::Organization, &membership.roles);
            roles.into_iter().map(|role| (role, Some(&*membership.id)))
        });
        let mut settings = self.tenant.organizations.iter();
        let settings = organization.and_then(|id| settings.find(|settings| settings.id == id));
        Situation {
            subjects,
            member,
            organization,
            is_member: organization.is_some_and(|id| member.organizations.iter().any(|known| known.id == id)),
            needs_mfa: subjects == SubjectType::User && settings.is_some_and(|settings| settings.mfa_required),
            held: global.chain(in_organizations).collect(),
        }
    }
}

impl<'a> Situation<'a> {
    /// The roles that the subject holds, each with its organization.
    pub(super) fn held(&self) -> &[(usize, Option<&'a str>)] {
        &self.held
    }

    /// What `of` asks, of a holder of these of its roles.
    pub(super) fn with<T>(&self, held: &[(usize, Option<&'a str>)], of: impl FnOnce(Holder<'_>) -> T) -> T {
        let is_here = |held: &&(usize, Option<&str>)| held.1.is_none() || held.1 == self.organization;
        let roles: Vec<usize> = held.iter().filter(is_here).map(|(role, _)| *role).collect();
        let elsewhere: Vec<usize> = held.iter().filter(|held| !is_here(held)).map(|(role, _)| *role).collect();
        of(Holder {
            subjects: self.subjects,
            roles: &roles,
            elsewhere: &elsewhere,
            is_member: self.is_member,
            id: Some(&self.member.id),
            needs_mfa: self.needs_mfa,
        })
    }
}

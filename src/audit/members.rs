//! A known subject in one organization.

use super::audit::Audit;
use super::holder::Holder;
use super::requirement::Route;
use super::tenant::{RoleLevel, SubjectType, TenantMember};

/// A role, by its number, with the organization in which it is held, if it is.
pub(super) type Held<'a> = (usize, Option<&'a str>);

/// A subject, with the request's organization fixed.
pub(super) struct Situation<'a> {
    pub(super) subjects: SubjectType,
    pub(super) member: &'a TenantMember,
    pub(super) organization: Option<&'a str>,
    is_member: bool,
    needs_mfa: bool,
    held: Vec<Held<'a>>,
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

    /// The roles of a subject.
    pub(super) fn held<'a>(&self, member: &'a TenantMember) -> Vec<Held<'a>> {
        let global = self.catalog.numbers(RoleLevel::Global, &member.roles).into_iter().map(|role| (role, None));
        let in_organizations = member.organizations.iter().flat_map(|membership| {
            let roles = self.catalog.numbers(RoleLevel::Organization, &membership.roles);
            roles.into_iter().map(|role| (role, Some(&*membership.id)))
        });
        global.chain(in_organizations).collect()
    }

    /// A subject with all of its roles, of which those are kept that count for a route of `routes`.
    pub(super) fn situation<'a>(
        &'a self,
        (subjects, member): (SubjectType, &'a TenantMember),
        organization: Option<&'a str>,
        roles: &[Held<'a>],
        routes: &[&Route],
    ) -> Situation<'a> {
        let mut settings = self.tenant.organizations.iter();
        let settings = organization.and_then(|id| settings.find(|settings| settings.id == id));
        let mut situation = Situation {
            subjects,
            member,
            organization,
            is_member: organization.is_some_and(|id| member.organizations.iter().any(|known| known.id == id)),
            needs_mfa: subjects == SubjectType::User && settings.is_some_and(|settings| settings.mfa_required),
            held: Vec::new(),
        };
        let elsewhere = routes.iter().any(|route| route.counts_roles_elsewhere());
        let counts = |held: &&Held<'_>| elsewhere || situation.is_here(held);
        situation.held = roles.iter().filter(counts).copied().collect();
        situation
    }
}

impl<'a> Situation<'a> {
    /// The roles that the subject holds and that may count.
    pub(super) fn held(&self) -> &[Held<'a>] {
        &self.held
    }

    /// Whether it is a global role, or one of the request's organization.
    pub(super) fn is_here(&self, held: &Held<'_>) -> bool {
        held.1.is_none() || held.1 == self.organization
    }

    /// What `of` asks, of a holder of these of its roles.
    pub(super) fn with<T>(&self, held: &[Held<'a>], of: impl FnOnce(Holder<'_>) -> T) -> T {
        let (here, elsewhere): (Vec<Held<'_>>, Vec<Held<'_>>) = held.iter().partition(|held| self.is_here(held));
        let numbers = |held: Vec<Held<'_>>| held.into_iter().map(|(role, _)| role).collect::<Vec<_>>();
        let (roles, elsewhere) = (numbers(here), numbers(elsewhere));
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

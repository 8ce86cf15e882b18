//! What a tenant defines: resources, permissions, roles, and who holds them.

mod check;
mod file;
mod make;
mod model;

pub use file::TenantFile;
pub use model::{
    Grants, Members, Membership, OrganizationRole, OrganizationSettings, Resource, Role, RoleLevel, SubjectType,
    Tenant, TenantMember,
};

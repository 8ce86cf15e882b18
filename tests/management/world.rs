//! A tenant, and a source that asks it by the same clock.

use std::time::Duration;

use orgate::logto::{LogtoManagement, LogtoManagementBuilder};
use orgate::permissions::{PermissionModel, PermissionQuery, PermissionSource as _, Permissions, SourceError};
use orgate::testing::{Endpoint, RoleType, TestClock, TestTenant, TestTenantBuilder};
use orgate::token::SubjectKind;

pub(crate) const API: &str = "https://api.example.com/orders";
pub(crate) const OTHER: &str = "https://api.example.com/other";

pub(crate) struct World {
    pub(crate) tenant: TestTenant,
    pub(crate) clock: TestClock,
    pub(crate) source: LogtoManagement,
}

pub(crate) fn resource() -> PermissionModel {
    PermissionModel::resource(API)
}

pub(crate) fn organization(id: &str) -> PermissionModel {
    PermissionModel::organization(id)
}

pub(crate) fn within(id: &str) -> PermissionModel {
    PermissionModel::resource(API).in_organization(id)
}

pub(crate) fn holds(scopes: &[&str]) -> Permissions {
    Permissions::of(scopes.iter().copied())
}

pub(crate) fn query(kind: SubjectKind, id: &str, model: PermissionModel) -> PermissionQuery {
    PermissionQuery::of("main", id, kind, model)
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::configured(|builder| builder.calls_per_10_seconds(40)).await
    }

    /// A tenant of Logto's cloud, by its resource indicator, with the budget that is the default there.
    pub(crate) async fn in_cloud() -> Self {
        const RESOURCE: &str = "https://acme.logto.app/api";
        let tenant = TestTenant::builder().management_resource(RESOURCE);
        Self::of(tenant, |builder| builder.management_resource(RESOURCE)).await
    }

    pub(crate) async fn configured(change: impl FnOnce(LogtoManagementBuilder) -> LogtoManagementBuilder) -> Self {
        Self::of(TestTenant::builder(), change).await
    }

    async fn of(
        tenant: TestTenantBuilder,
        change: impl FnOnce(LogtoManagementBuilder) -> LogtoManagementBuilder,
    ) -> Self {
        let clock = TestClock::new(Duration::from_secs(1_800_000_000));
        let tenant = tenant.clock(clock.clone()).start().await;
        let (id, secret) = tenant.management_client();
        let builder = LogtoManagement::builder(tenant.origin(), id, secret).clock(clock.clone());
        let source = change(builder).build().unwrap();
        Self { tenant, clock, source }
    }

    /// Two resources, and roles of all kinds with a scope or two, in a budget of the cloud.
    pub(crate) async fn populated() -> Self {
        Self::start().await.with_roles()
    }

    pub(crate) fn with_roles(self) -> Self {
        let world = self;
        let tenant = &world.tenant;
        tenant.add_resource(API, &["read", "write", "delete"]);
        tenant.add_resource(OTHER, &["read", "other"]);
        for (name, kind, own, scopes) in [
            ("admin", RoleType::User, &["invite", "remove"][..], &["read", "write"][..]),
            ("member", RoleType::User, &["list"], &["read"]),
            ("empty", RoleType::User, &[], &[]),
            ("worker", RoleType::MachineToMachine, &["list", "sync"], &["write"]),
            ("helper", RoleType::MachineToMachine, &["help"], &["read"]),
        ] {
            tenant.add_organization_role(name, kind, own);
            for scope in scopes {
                tenant.add_resource_scope_to_organization_role(name, API, scope);
            }
        }
        tenant.add_resource_scope_to_organization_role("member", OTHER, "other");
        tenant.add_role("deleter", RoleType::User, API, &["delete"]);
        tenant.add_role("other-reader", RoleType::User, OTHER, &["read"]);
        tenant.add_role("robot", RoleType::MachineToMachine, API, &["read", "delete"]);
        tenant.add_organization("acme");
        tenant.add_organization("globex");
        world
    }

    pub(crate) fn user(&self, id: &str) {
        self.tenant.add_user(id);
    }

    pub(crate) fn member(&self, organization: &str, id: &str, roles: &[&str]) {
        self.tenant.add_member(organization, id);
        for role in roles {
            self.tenant.give_organization_role(organization, id, role);
        }
    }

    /// As often as the limits allow.
    pub(crate) async fn ask(
        &self,
        kind: SubjectKind,
        id: &str,
        model: PermissionModel,
    ) -> Result<Permissions, SourceError> {
        let query = query(kind, id, model);
        let answer = tokio::time::timeout(Duration::from_secs(5), self.source.permissions(&query)).await;
        answer.expect("an answer within five seconds")
    }

    pub(crate) async fn of_user(&self, id: &str, model: PermissionModel) -> Permissions {
        self.clock.advance(Duration::from_secs(10));
        self.ask(SubjectKind::User, id, model).await.unwrap()
    }

    pub(crate) async fn of_machine(&self, id: &str, model: PermissionModel) -> Permissions {
        self.clock.advance(Duration::from_secs(10));
        self.ask(SubjectKind::Machine, id, model).await.unwrap()
    }

    pub(crate) fn requests(&self, endpoint: Endpoint) -> usize {
        self.tenant.issuer().requests(endpoint)
    }
}

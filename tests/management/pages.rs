//! Lists longer than one page.

use orgate::testing::{Endpoint, RoleType};

use crate::world::{API, World, holds, organization, resource, within};

#[tokio::test]
async fn roles_and_scopes_beyond_the_first_hundred() {
    let world = World::configured(|builder| builder.calls_per_10_seconds(200)).await;
    let tenant = &world.tenant;
    for number in 0..120 {
        tenant.add_resource(&format!("https://api.example.com/{number:03}"), &["read"]);
    }
    tenant.add_resource(API, &["last"]);
    tenant.add_organization("acme");
    tenant.add_machine("machine");
    tenant.add_member("acme", "machine");
    for number in 0..250 {
        let name = format!("role-{number:03}");
        tenant.add_organization_role(&name, RoleType::MachineToMachine, &[]);
        tenant.give_organization_role("acme", "machine", &name);
    }
    tenant.add_organization_scope("own");
    tenant.add_scope_to_organization_role("role-249", "own");
    tenant.add_resource_scope_to_organization_role("role-249", API, "last");
    assert_eq!(world.of_machine("machine", organization("acme")).await, holds(&["own"]));
    assert_eq!(world.requests(Endpoint::OrganizationRoles), 3);
    assert_eq!(world.requests(Endpoint::OrganizationApplicationRoles), 3);
    assert_eq!(world.of_machine("machine", within("acme")).await, holds(&["last"]));
    assert_eq!(world.requests(Endpoint::Resources), 2);
}

#[tokio::test]
async fn global_roles_and_their_scopes_beyond_the_first_hundred() {
    let world = World::configured(|builder| builder.calls_per_10_seconds(200)).await;
    let tenant = &world.tenant;
    let scopes: Vec<String> = (0..130).map(|number| format!("scope-{number:03}")).collect();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    tenant.add_resource(API, &scopes);
    tenant.add_machine("machine");
    for number in 0..110 {
        let name = format!("role-{number:03}");
        tenant.add_role(&name, RoleType::MachineToMachine, API, &[]);
        tenant.give_role("machine", &name);
    }
    for scope in &scopes {
        tenant.add_scope_to_role("role-109", API, scope);
    }
    assert_eq!(world.of_machine("machine", resource()).await, holds(&scopes));
    assert_eq!(world.requests(Endpoint::ApplicationRoles), 2);
    assert_eq!(world.requests(Endpoint::RoleScopes), 111);
}

#[tokio::test]
async fn a_user_in_thousands_of_organizations() {
    let world = World::populated().await;
    world.user("alice");
    for number in 0..5000 {
        let organization = format!("organization-{number:04}");
        world.tenant.add_organization(&organization);
        world.member(&organization, "alice", &["member"]);
    }
    world.tenant.give_organization_role("organization-4999", "alice", "admin");
    assert_eq!(world.of_user("alice", resource()).await, holds(&["read", "write"]));
}

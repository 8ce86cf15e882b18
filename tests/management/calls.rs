//! What a snapshot costs.

use std::sync::Arc;

use orgate::permissions::{PermissionModel, PermissionSource as _};
use orgate::testing::Endpoint;
use orgate::token::SubjectKind;

use crate::world::{World, organization, query, resource, within};

/// The calls of one question; the token is there already.
async fn cost(world: &World, kind: SubjectKind, id: &str, model: PermissionModel) -> usize {
    world.of_user("nobody", organization("acme")).await;
    world.tenant.issuer().reset_counts();
    match kind {
        SubjectKind::User => world.of_user(id, model).await,
        _ => world.of_machine(id, model).await,
    };
    assert_eq!(world.requests(Endpoint::Token), 0);
    world.requests(Endpoint::Management)
}

#[tokio::test]
async fn alone() {
    let world = World::populated().await;
    for user in ["full", "empty"] {
        world.user(user);
        world.member("acme", user, &[]);
    }
    world.tenant.give_organization_role("acme", "full", "member");
    for role in ["deleter", "other-reader"] {
        world.tenant.give_role("full", role);
    }
    for machine in ["machine", "bare"] {
        world.tenant.add_machine(machine);
        world.member("acme", machine, &[]);
    }
    world.tenant.give_organization_role("acme", "machine", "worker");
    world.tenant.give_role("machine", "robot");
    let (user, machine) = (SubjectKind::User, SubjectKind::Machine);
    for (kind, id, model, calls) in [
        (user, "full", organization("acme"), 2),
        (user, "empty", organization("acme"), 3),
        (user, "full", within("acme"), 5 + 2),
        (user, "empty", within("acme"), 3),
        (user, "full", resource(), 5 + 2),
        (user, "empty", resource(), 3),
        (machine, "machine", organization("acme"), 2),
        (machine, "bare", organization("acme"), 1),
        (machine, "machine", within("acme"), 3),
        (machine, "bare", within("acme"), 1),
        (machine, "machine", resource(), 1 + 1),
        (machine, "bare", resource(), 1),
    ] {
        assert_eq!(cost(&world, kind, id, model.clone()).await, calls, "{id} {model:?}");
    }
}

#[tokio::test]
async fn a_crowd_shares_what_is_not_its_own() {
    let world = Arc::new(World::populated().await);
    for number in 0..9 {
        let user = format!("u{number}");
        world.user(&user);
        world.member("acme", &user, &["member"]);
        world.tenant.give_role(&user, "deleter");
    }
    let asked = (0..9).map(|number| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.ask(SubjectKind::User, &format!("u{number}"), within("acme")).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap(), crate::world::holds(&["read", "delete"]));
    }
    for shared in [Endpoint::OrganizationRoles, Endpoint::Resources, Endpoint::RoleScopes] {
        assert!((1..=2).contains(&world.requests(shared)), "{shared:?}: {}", world.requests(shared));
    }
    assert_eq!(world.requests(Endpoint::Token), 1);
    assert_eq!(world.requests(Endpoint::User), 9);
}

#[tokio::test]
async fn nothing_is_kept_for_a_later_snapshot() {
    let world = World::populated().await;
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    for count in 1..=3 {
        let question = query(SubjectKind::User, "alice", within("acme"));
        world.source.permissions(&question).await.unwrap();
        assert_eq!(world.requests(Endpoint::OrganizationRoles), count);
    }
}

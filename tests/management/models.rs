//! Each model, for users and machines of every kind, with what they hold written out.

use orgate::permissions::{PermissionModel, Permissions};
use orgate::token::SubjectKind;

use crate::world::{API, OTHER, World, holds, organization, resource, within};

#[tokio::test]
async fn users_in_an_organization() {
    let world = World::populated().await;
    for user in ["none", "one", "two", "elsewhere", "suspended", "deleted"] {
        world.user(user);
    }
    world.member("acme", "none", &["empty"]);
    world.member("acme", "one", &["member"]);
    world.member("acme", "two", &["member", "admin"]);
    world.member("globex", "elsewhere", &["admin"]);
    world.member("acme", "suspended", &["admin"]);
    world.tenant.suspend("suspended");
    world.member("acme", "deleted", &["admin"]);
    world.tenant.remove_user("deleted");
    world.tenant.give_role("elsewhere", "deleter");
    for (user, own, api) in [
        ("none", holds(&[]), holds(&[])),
        ("one", holds(&["list"]), holds(&["read"])),
        ("two", holds(&["list", "invite", "remove"]), holds(&["read", "write"])),
        ("elsewhere", Permissions::none(), Permissions::none()),
        ("suspended", Permissions::none(), Permissions::none()),
        ("deleted", Permissions::none(), Permissions::none()),
        ("nobody", Permissions::none(), Permissions::none()),
    ] {
        assert_eq!(world.of_user(user, organization("acme")).await, own, "{user}");
        assert_eq!(world.of_user(user, within("acme")).await, api, "{user}");
        assert_eq!(world.of_user(user, organization("nowhere")).await, Permissions::none(), "{user}");
        assert_eq!(world.of_user(user, within("nowhere")).await, Permissions::none(), "{user}");
    }
    // A member who is in the organization without a role, but holds a global one.
    world.user("global");
    world.member("acme", "global", &[]);
    world.tenant.give_role("global", "deleter");
    world.tenant.give_role("global", "other-reader");
    assert_eq!(world.of_user("global", organization("acme")).await, holds(&[]));
    assert_eq!(world.of_user("global", within("acme")).await, holds(&["delete"]));
    let other = || PermissionModel::resource(OTHER).in_organization("acme");
    assert_eq!(world.of_user("global", other()).await, holds(&["read"]));
    assert_eq!(world.of_user("one", other()).await, holds(&["other"]));
}

#[tokio::test]
async fn users_of_the_api_as_a_whole() {
    let world = World::populated().await;
    for user in ["none", "global", "member", "both", "suspended"] {
        world.user(user);
    }
    for user in ["global", "both", "suspended"] {
        world.tenant.give_role(user, "deleter");
        world.tenant.give_role(user, "other-reader");
    }
    world.member("acme", "member", &["member"]);
    world.member("acme", "both", &["member"]);
    world.member("globex", "both", &["admin", "empty"]);
    world.tenant.suspend("suspended");
    for (user, api, other) in [
        ("none", holds(&[]), holds(&[])),
        ("global", holds(&["delete"]), holds(&["read"])),
        ("member", holds(&["read"]), holds(&["other"])),
        ("both", holds(&["read", "write", "delete"]), holds(&["read", "other"])),
        ("suspended", Permissions::none(), Permissions::none()),
        ("nobody", Permissions::none(), Permissions::none()),
    ] {
        assert_eq!(world.of_user(user, resource()).await, api, "{user}");
        assert_eq!(world.of_user(user, PermissionModel::resource(OTHER)).await, other, "{user}");
    }
    assert_eq!(world.of_user("both", PermissionModel::resource("https://unknown.example.com")).await, holds(&[]));
}

#[tokio::test]
async fn machines() {
    let world = World::populated().await;
    for machine in ["bare", "one", "two", "stranger"] {
        world.tenant.add_machine(machine);
    }
    world.member("acme", "bare", &[]);
    world.member("acme", "one", &["worker"]);
    world.member("acme", "two", &["worker", "helper"]);
    world.member("globex", "two", &["helper"]);
    world.tenant.give_role("one", "robot");
    world.tenant.give_role("stranger", "robot");
    for (machine, own, api, whole) in [
        ("bare", holds(&[]), holds(&[]), holds(&[])),
        ("one", holds(&["list", "sync"]), holds(&["write"]), holds(&["read", "delete"])),
        ("two", holds(&["list", "sync", "help"]), holds(&["read", "write"]), holds(&[])),
        ("stranger", Permissions::none(), Permissions::none(), holds(&["read", "delete"])),
        ("nobody", Permissions::none(), Permissions::none(), Permissions::none()),
    ] {
        assert_eq!(world.of_machine(machine, organization("acme")).await, own, "{machine}");
        assert_eq!(world.of_machine(machine, within("acme")).await, api, "{machine}");
        assert_eq!(world.of_machine(machine, resource()).await, whole, "{machine}");
    }
}

#[tokio::test]
async fn one_kind_is_not_taken_for_the_other() {
    let world = World::populated().await;
    world.user("alice");
    world.tenant.add_machine("machine");
    world.member("acme", "alice", &["admin"]);
    world.member("acme", "machine", &["worker"]);
    world.tenant.give_role("machine", "robot");
    for model in [organization("acme"), within("acme"), resource()] {
        assert_eq!(world.of_machine("alice", model.clone()).await, Permissions::none());
        assert_eq!(world.of_user("machine", model.clone()).await, Permissions::none());
        let error = world.ask(SubjectKind::Unknown, "alice", model).await.unwrap_err();
        assert!(error.to_string().contains("neither a user nor a machine"));
    }
}

#[tokio::test]
async fn ids_lead_nowhere_else() {
    let world = World::populated().await;
    for id in ["a/b", "a?x=1", "a#b", "a%2Fb", "ä b", "..a", "a+b"] {
        world.user(id);
        world.tenant.add_organization(id);
        world.member(id, id, &["admin"]);
        assert_eq!(world.of_user(id, organization(id)).await, holds(&["invite", "remove"]), "{id}");
        assert_eq!(world.of_user(id, within(id)).await, holds(&["read", "write"]), "{id}");
        assert_eq!(world.of_user(&format!("x/../{id}"), organization(id)).await, Permissions::none(), "{id}");
    }
    for id in ["", ".", ".."] {
        assert!(world.ask(SubjectKind::User, id, resource()).await.is_err(), "{id:?}");
        assert!(world.ask(SubjectKind::User, "a+b", organization(id)).await.is_err(), "{id:?}");
        assert!(world.ask(SubjectKind::Machine, "a+b", organization(id)).await.is_err(), "{id:?}");
    }
}

#[tokio::test]
async fn what_changes_is_seen_at_once() {
    let world = World::populated().await;
    let (tenant, model) = (&world.tenant, || within("acme"));
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    assert_eq!(world.of_user("alice", model()).await, holds(&["read"]));
    tenant.add_resource_scope_to_organization_role("member", API, "delete");
    assert_eq!(world.of_user("alice", model()).await, holds(&["read", "delete"]));
    tenant.remove_resource_scope(API, "read");
    assert_eq!(world.of_user("alice", model()).await, holds(&["delete"]));
    tenant.give_organization_role("acme", "alice", "admin");
    assert_eq!(world.of_user("alice", model()).await, holds(&["delete", "write"]));
    tenant.remove_organization_role("admin");
    tenant.give_role("alice", "deleter");
    tenant.add_scope_to_role("deleter", API, "write");
    assert_eq!(world.of_user("alice", model()).await, holds(&["delete", "write"]));
    tenant.remove_role("deleter");
    assert_eq!(world.of_user("alice", model()).await, holds(&["delete"]));
    tenant.suspend("alice");
    assert_eq!(world.of_user("alice", model()).await, Permissions::none());
    tenant.unsuspend("alice");
    tenant.remove_member("acme", "alice");
    assert_eq!(world.of_user("alice", model()).await, Permissions::none());
}

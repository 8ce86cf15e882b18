//! The table of the design, as a client lives it: a token, a change at the issuer, an answer, what the client does, the next
//! answer. For all models, with the API's clock a minute ahead and behind, and with what is known for a while.

use std::time::Duration;

use futures_util::future::join_all;
use orgate::permissions::Permissions;
use orgate::testing::{Endpoint, Fault};

use crate::client::{Client, Model, Setting, World, settings};

/// Of answers that are rejections, seven at most.
#[track_caller]
fn check(heard: &[String], expected: &[&str], what: &str, setting: Setting) {
    assert_eq!(heard, expected, "{what}, {setting:?}");
    assert!(heard.iter().filter(|answer| *answer != "200").count() <= 7);
}

/// What a client hears whose new tokens never hold the permission.
const NEVER_BY_REFRESH: [&str; 7] =
    ["403 refresh", "403 refresh", "403 refresh", "403 reconsent", "403 reconsent", "403 reconsent", "403 none"];
const NEVER_BY_CONSENT: [&str; 4] = ["403 reconsent", "403 reconsent", "403 reconsent", "403 none"];
const NEVER_BY_REQUEST: [&str; 4] = ["403 request_scope", "403 request_scope", "403 request_scope", "403 none"];

/// A client that comes back at once, and one that takes its time.
fn pauses() -> [Duration; 2] {
    [Duration::ZERO, Duration::from_millis(5300)]
}

#[tokio::test]
async fn what_is_held_passes() {
    for setting in settings() {
        let world = World::start(setting).await;
        world.promote("alice");
        world.promote("worker");
        for mut client in [Client::alice(&world, &["write"]), Client::worker(&world, "write", true)] {
            let token = client.token().unwrap();
            check(&client.converses(&world, token, Duration::ZERO).await, &["200"], "held", setting);
        }
    }
}

#[tokio::test]
async fn a_demotion() {
    for setting in settings() {
        for pause in pauses() {
            let world = World::start(setting).await;
            for who in ["alice", "worker"] {
                world.promote(who);
                let mut client = match who {
                    "alice" => Client::alice(&world, &["read", "write"]),
                    _ => Client::worker(&world, "read write", true),
                };
                let token = client.token().unwrap();
                assert_eq!(world.get(&token).await.status, 200);
                world.demote(who);
                world.settle();
                let heard = client.converses(&world, token, pause).await;
                check(&heard, &["401 refresh", "403 none"], who, setting);
            }
        }
    }
}

#[tokio::test]
async fn who_is_removed_suspended_or_deleted() {
    for setting in settings() {
        let ends: &[fn(&World)] = match setting.model {
            Model::Api => &[|world| world.tenant.suspend("alice"), |world| world.tenant.remove_user("alice")],
            _ => &[
                |world| world.tenant.suspend("alice"),
                |world| world.tenant.remove_user("alice"),
                |world| world.tenant.remove_member("acme", "alice"),
                |world| world.tenant.remove_organization("acme"),
            ],
        };
        for (number, end) in ends.iter().enumerate() {
            let world = World::start(setting).await;
            world.promote("alice");
            let mut client = Client::alice(&world, &["write"]);
            let token = client.token().unwrap();
            assert_eq!(world.get(&token).await.status, 200);
            end(&world);
            world.settle();
            // The issuer gives no other token.
            let heard = client.converses(&world, token, Duration::ZERO).await;
            check(&heard, &["401 refresh"], &number.to_string(), setting);
        }
        if setting.model != Model::Api {
            let world = World::start(setting).await;
            world.promote("worker");
            let mut client = Client::worker(&world, "write", true);
            let token = client.token().unwrap();
            world.tenant.remove_member("acme", "worker");
            check(&client.converses(&world, token, Duration::ZERO).await, &["401 refresh"], "machine", setting);
        }
    }
}

/// A suspended user's tokens are minted on, by token exchange.
#[tokio::test]
async fn an_issuer_that_goes_on_for_who_is_suspended() {
    for setting in settings() {
        let world = World::start(setting).await;
        world.promote("alice");
        let subject_tokens: [String; 5] = std::array::from_fn(|_| world.tenant.subject_token("alice"));
        world.tenant.suspend("alice");
        let request = setting.model.request().scope("write");
        let expected = ["401 refresh", "401 refresh", "401 refresh", "403 none", "403 none"];
        for (subject_token, expected) in subject_tokens.iter().zip(expected) {
            let token = world.tenant.exchange("web", subject_token, &request).unwrap();
            let (status, remediation) = world.get(&token).await.verdict();
            assert_eq!(format!("{status} {remediation}"), expected, "{setting:?}");
        }
    }
}

#[tokio::test]
async fn a_user_gains_what_the_client_asks_for() {
    for setting in settings() {
        for pause in pauses() {
            let world = World::start(setting).await;
            let mut client = Client::alice(&world, &["read", "write"]);
            let token = client.token().unwrap();
            check(&client.converses(&world, token.clone(), pause).await, &["403 none"], "before", setting);
            world.promote("alice");
            world.settle();
            let heard = client.converses(&world, token, pause).await;
            let step = if setting.model == Model::Organization { "403 refresh" } else { "403 reconsent" };
            check(&heard, &[step, "200"], "gained", setting);
        }
    }
}

#[tokio::test]
async fn a_user_gains_what_the_client_never_asks_for() {
    for setting in settings() {
        for pause in pauses() {
            let world = World::start(setting).await;
            let mut client = Client::alice(&world, &["read"]);
            let token = client.token().unwrap();
            world.promote("alice");
            let heard = client.converses(&world, token, pause).await;
            let expected: &[&str] = match setting.model {
                Model::Organization => &NEVER_BY_REFRESH,
                _ => &NEVER_BY_CONSENT,
            };
            check(&heard, expected, "never asks", setting);
        }
    }
}

#[tokio::test]
async fn a_machine_gains_what_it_asks_for_or_does_not() {
    for setting in settings() {
        for pause in pauses() {
            for (asks, expected) in [(true, &["403 request_scope", "200"][..]), (false, &NEVER_BY_REQUEST[..])] {
                let world = World::start(setting).await;
                let mut client = Client::worker(&world, "read", asks);
                let token = client.token().unwrap();
                check(&client.converses(&world, token.clone(), pause).await, &["403 none"], "before", setting);
                world.promote("worker");
                world.settle();
                check(&client.converses(&world, token, pause).await, expected, "machine", setting);
            }
        }
    }
}

#[tokio::test]
async fn a_source_that_never_agrees() {
    for setting in settings() {
        for pause in pauses() {
            for denies in [Permissions::none(), Permissions::of(["read"])] {
                let world = World::disagreeing(setting, denies).await;
                world.promote("alice");
                world.promote("worker");
                for mut client in [Client::alice(&world, &["write"]), Client::worker(&world, "write", true)] {
                    let token = client.token().unwrap();
                    let heard = client.converses(&world, token, pause).await;
                    check(&heard, &["401 refresh", "401 refresh", "401 refresh", "403 none"], "it denies", setting);
                }
            }
            let world = World::disagreeing(setting, Permissions::of(["write"])).await;
            let user: &[&str] = match setting.model {
                Model::Organization => &NEVER_BY_REFRESH,
                _ => &NEVER_BY_CONSENT,
            };
            let machine: &[&str] = &NEVER_BY_REQUEST;
            for (mut client, expected) in
                [(Client::alice(&world, &["write"]), user), (Client::worker(&world, "", true), machine)]
            {
                let token = client.token().unwrap();
                let heard = client.converses(&world, token, pause).await;
                check(&heard, expected, "it grants", setting);
            }
        }
    }
}

/// To and fro: what was said before counts no more once it has changed, or passed.
#[tokio::test]
async fn a_long_life() {
    for setting in settings() {
        let world = World::start(setting).await;
        let mut client = Client::alice(&world, &["write"]);
        let gained = if setting.model == Model::Organization { "403 refresh" } else { "403 reconsent" };
        for _ in 0..3 {
            let token = client.token().unwrap();
            check(&client.converses(&world, token.clone(), Duration::ZERO).await, &["403 none"], "nothing", setting);
            world.promote("alice");
            world.settle();
            check(&client.converses(&world, token, Duration::ZERO).await, &[gained, "200"], "gained", setting);
            let token = client.token().unwrap();
            world.demote("alice");
            world.settle();
            let heard = client.converses(&world, token, Duration::ZERO).await;
            check(&heard, &["401 refresh", "403 none"], "lost", setting);
        }
    }
}

#[tokio::test]
async fn what_the_answers_say() {
    let setting = Setting { model: Model::ApiInOrganization, ahead: 0, is_live: true };
    let world = World::start(setting).await;
    let mut client = Client::alice(&world, &["write"]);
    let token = client.token().unwrap();
    world.promote("alice");
    let gained = world.get(&token).await;
    assert_eq!(gained.verdict().0, 403);
    assert!(gained.header("www-authenticate").contains(", scope=\"write\", "), "{gained:?}");
    assert_eq!(gained.problem()["missing_scopes"], serde_json::json!(["write"]));
    assert_eq!(gained.problem()["required_scopes"], serde_json::json!(["write"]));
    assert_eq!(client.converses(&world, token, Duration::ZERO).await, ["403 reconsent", "200"]);
    let token = client.token().unwrap();
    world.demote("alice");
    let lost = world.get(&token).await;
    assert_eq!(lost.verdict(), (401, "refresh".to_owned()));
    // What the next token is for, as with any 401 of this route.
    assert!(lost.header("www-authenticate").contains(", scope=\"write\", "), "{lost:?}");
    assert!(lost.problem().get("missing_scopes").is_none());
    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Status(500));
    world.get(&token).await.is(503, "retry");
    world.tenant.issuer().recover();
    world.clock.advance_monotonic(Duration::from_secs(1));
    world.get(&token).await.is(401, "refresh");
}

#[tokio::test]
async fn a_burst_asks_each_endpoint_once() {
    use Endpoint::{
        OrganizationApplicationRoles, OrganizationRoles, OrganizationUserRoles, OrganizationUserScopes, Resources,
        RoleScopes, Token, User, UserOrganizations, UserRoles,
    };
    for (model, who, endpoints) in [
        (Model::Organization, "alice", &[Token, User, OrganizationUserScopes][..]),
        (
            Model::ApiInOrganization,
            "alice",
            &[Token, User, OrganizationUserRoles, UserRoles, OrganizationRoles, Resources],
        ),
        (Model::Api, "alice", &[Token, User, UserOrganizations, UserRoles, RoleScopes]),
        (Model::Organization, "worker", &[Token, OrganizationApplicationRoles, OrganizationRoles]),
        (Model::ApiInOrganization, "worker", &[Token, OrganizationApplicationRoles, OrganizationRoles, Resources]),
    ] {
        let world = World::start(Setting { model, ahead: 0, is_live: false }).await;
        world.promote(who);
        let client = match who {
            "alice" => Client::alice(&world, &["write"]),
            _ => Client::worker(&world, "write", true),
        };
        let token = client.token().unwrap();
        let issuer = world.tenant.issuer();
        issuer.reset_counts();
        let answers = join_all((0..100).map(|_| world.get(&token))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        for endpoint in endpoints {
            assert_eq!(issuer.requests(*endpoint), 1, "{model:?}, {who}: {endpoint:?}");
        }
        let calls = issuer.requests(Endpoint::Management);
        assert!(calls <= endpoints.len(), "{model:?}, {who}: {calls} calls");
        assert_eq!(world.get(&token).await.status, 200);
        assert_eq!(issuer.requests(Endpoint::Management), calls);
    }
}

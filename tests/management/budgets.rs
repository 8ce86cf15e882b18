//! Look-ups of more calls than a window has, and what is known at startup.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::logto::LogtoManagement;
use orgate::permissions::PermissionSource as _;
use orgate::policy::resource as api;
use orgate::testing::{Endpoint, Fault, RoleType, TestTenant, TokenRequest};
use orgate::token::SubjectKind;
use orgate::{Issuer, ResourceServer};
use tower::ServiceExt as _;

use crate::world::{API, World, holds, resource};

const SECOND: Duration = Duration::from_secs(1);
const ROLES: usize = 60;

/// A user `alice` with sixty global roles. The last one holds `write`, the others `read`.
fn sixty_roles(world: &World) {
    world.tenant.add_resource(API, &["read", "write"]);
    world.user("alice");
    for number in 0..ROLES {
        let (role, scope) = (format!("r{number}"), if number + 1 == ROLES { "write" } else { "read" });
        world.tenant.add_role(&role, RoleType::User, API, &[scope]);
        world.tenant.give_role("alice", &role);
    }
}

fn live_route(world: &World) -> Router {
    let issuer = Issuer::new(world.tenant.issuer().url()).permissions(world.source.clone());
    let server = ResourceServer::builder(issuer, API).clock(world.clock.clone()).build().unwrap();
    let policy = api().scope("write").live();
    server.guard().get("/orders", async || "orders", policy).into_router().unwrap()
}

async fn status(app: &Router, token: &str) -> (u16, Option<u64>) {
    let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), retry_after)
}

fn write_token(world: &World) -> String {
    world.tenant.add_application("web");
    let grant = world.tenant.sign_in("alice", "web", &["read", "write"]).unwrap();
    grant.refresh(&TokenRequest::resource(API)).unwrap()
}

/// A server of one's own: each answer is the model's, from the first request on, whatever has changed.
#[tokio::test]
async fn sixty_roles_are_answered_each_second_for_a_minute_by_default() {
    let world = World::configured(|builder| builder).await;
    sixty_roles(&world);
    let (app, token) = (live_route(&world), write_token(&world));
    for second in 0..60 {
        let holds = match second % 12 {
            3 => {
                world.tenant.take_role("alice", "r59");
                false
            }
            4 => {
                world.tenant.give_role("alice", "r59");
                true
            }
            7 => {
                world.tenant.remove_scope_from_role("r59", API, "write");
                false
            }
            8 => {
                world.tenant.add_scope_to_role("r59", API, "write");
                true
            }
            _ => true,
        };
        let expected = if holds { 200 } else { 401 };
        assert_eq!(status(&app, &token).await.0, expected, "second {second}");
        world.clock.advance(SECOND);
    }
}

/// Logto's cloud: forty calls in ten seconds are fewer than one look-up needs. Its first answer takes the time that is told;
/// from then on there is one each second, and a role that is taken or given counts at once.
#[tokio::test]
async fn sixty_roles_are_answered_each_second_for_a_minute_by_the_default_of_the_cloud() {
    let world = World::in_cloud().await;
    sixty_roles(&world);
    let (app, token) = (live_route(&world), write_token(&world));
    let mut told = Vec::new();
    while let (503, Some(seconds)) = status(&app, &token).await {
        told.push(seconds);
        world.clock.advance(SECOND * u32::try_from(seconds).unwrap());
    }
    assert!(told.len() == 1 && told[0] <= 20, "{told:?}");
    let mut begun = Vec::new();
    for second in 0..60 {
        let expected = match second % 6 {
            2 => {
                world.tenant.take_role("alice", "r59");
                401
            }
            3 => {
                world.tenant.give_role("alice", "r59");
                200
            }
            _ => 200,
        };
        world.tenant.issuer().reset_counts();
        assert_eq!(status(&app, &token).await.0, expected, "second {second}");
        begun.push(world.requests(Endpoint::Management));
        world.clock.advance(SECOND);
    }
    let most = begun.windows(10).map(|window| window.iter().sum::<usize>()).max().unwrap();
    assert!(most <= 40, "{most} calls in ten seconds");
}

/// What only an edited role changes is known in the cloud once the role was read anew: not at once, but it is.
#[tokio::test]
async fn edited_role_is_known_within_a_minute_by_the_default_of_the_cloud() {
    let world = World::in_cloud().await;
    sixty_roles(&world);
    let (app, token) = (live_route(&world), write_token(&world));
    while status(&app, &token).await.0 == 503 {
        world.clock.advance(10 * SECOND);
    }
    world.tenant.remove_scope_from_role("r59", API, "write");
    let mut after = 0;
    while status(&app, &token).await.0 == 200 {
        after += 1;
        assert!(after < 60, "still believed");
        world.clock.advance(SECOND);
    }
    println!("known after {after} s");
}

#[tokio::test]
async fn sixty_roles_end_in_an_answer_after_the_time_that_was_told() {
    let world = World::start().await;
    sixty_roles(&world);
    let (app, token) = (live_route(&world), write_token(&world));
    let mut rejections = 0;
    loop {
        world.tenant.issuer().reset_counts();
        let (status, retry_after) = status(&app, &token).await;
        assert!(world.requests(Endpoint::Management) <= 40);
        if status == 200 {
            break;
        }
        rejections += 1;
        assert_eq!((status, rejections), (503, 1), "{retry_after:?}");
        let retry_after = retry_after.unwrap();
        assert!((10..=20).contains(&retry_after), "{retry_after}");
        world.clock.advance(SECOND * u32::try_from(retry_after).unwrap());
    }
    // What is the user's own is read each time, whatever is kept of the roles.
    world.clock.advance(10 * SECOND);
    world.tenant.take_role("alice", "r59");
    assert_eq!(status(&app, &token).await.0, 401);
}

#[tokio::test]
async fn kept_roles_serve_only_until_they_are_old_or_have_changed() {
    let world = World::start().await;
    sixty_roles(&world);
    let ask = async || world.ask(SubjectKind::User, "alice", resource()).await.map_err(|error| error.to_string());
    while ask().await.is_err() {
        world.clock.advance(10 * SECOND);
    }
    let all = holds(&["read", "write"]);
    // The calls do not suffice to read all of them anew.
    world.clock.advance(10 * SECOND);
    assert_eq!(ask().await, Ok(all.clone()));
    world.tenant.remove_scope_from_role("r59", API, "write");
    world.clock.advance(10 * SECOND);
    let _ = ask().await.unwrap();
    world.source.invalidate();
    world.clock.advance(10 * SECOND);
    assert!(ask().await.unwrap_err().contains("the limit of calls"));
    world.clock.advance(10 * SECOND);
    assert_eq!(ask().await, Ok(holds(&["read"])));
    world.tenant.add_scope_to_role("r59", API, "write");
    world.clock.advance(70 * SECOND);
    while ask().await.is_err() {
        world.clock.advance(10 * SECOND);
    }
    assert_eq!(ask().await, Ok(all));
}

#[tokio::test]
async fn ready_reports_the_source() {
    async fn ready(tenant: &TestTenant, secret: &str, resource: Option<&str>) -> Result<(), String> {
        let management = LogtoManagement::builder(tenant.origin(), tenant.management_client().0, secret);
        let management = match resource {
            Some(resource) => management.management_resource(resource),
            None => management,
        };
        let issuer = Issuer::new(tenant.issuer().url()).permissions(management.build().unwrap());
        let server = ResourceServer::builder(issuer, API).build().unwrap();
        server.ready().await.map_err(|error| error.to_string())
    }
    let tenant = TestTenant::start().await;
    let (_, secret) = tenant.management_client();
    tenant.issuer().fail_always(Endpoint::Management, Fault::Status(500));
    assert!(ready(&tenant, &secret, None).await.unwrap_err().contains("status 500"));
    tenant.issuer().recover();
    assert_eq!(ready(&tenant, &secret, None).await, Ok(()));
    let error = ready(&tenant, "wrong", None).await.unwrap_err();
    assert!(error.contains("check the application's id and secret") && !error.contains("wrong"), "{error}");
    // A server of one's own, taken for the cloud.
    let error = ready(&tenant, &secret, Some("https://acme.logto.app/api")).await.unwrap_err();
    assert!(error.contains("management_resource") && error.contains("self_hosted"), "{error}");
}

#[tokio::test]
async fn source_that_has_answered_is_not_probed_again() {
    let world = World::configured(|builder| builder).await;
    let issuer = Issuer::new(world.tenant.issuer().url()).permissions(world.source.clone());
    let server = ResourceServer::builder(issuer, API).clock(world.clock.clone()).build().unwrap();
    server.ready().await.unwrap();
    let asked = world.requests(Endpoint::Management);
    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Status(500));
    server.ready().await.unwrap();
    assert_eq!(world.requests(Endpoint::Management), asked);
}

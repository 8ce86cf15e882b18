//! Look-ups of more calls than a window has, and what is known at startup.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::logto::LogtoManagement;
use orgate::permissions::PermissionSource as _;
use orgate::policy::{Policy, resource as api};
use orgate::testing::{Endpoint, Fault, RoleType, TestTenant, TokenRequest};
use orgate::time::Clock as _;
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
    route(world, api().scope("write").live())
}

pub(crate) fn route(world: &World, policy: Policy) -> Router {
    let issuer = Issuer::new(world.tenant.issuer().url()).permissions(world.source.clone());
    let server = ResourceServer::builder(issuer, API).clock(world.clock.clone()).build().unwrap();
    server.guard().get("/orders", async || "orders", policy).into_router().unwrap()
}

pub(crate) async fn status(app: &Router, token: &str) -> (u16, Option<u64>) {
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

/// Waits as long as it is told, once at most, and returns the status.
async fn patient(world: &World, app: &Router, token: &str) -> (u16, Duration) {
    match status(app, token).await {
        (503, seconds) => {
            let told = SECOND * u32::try_from(seconds.expect("a time is told")).unwrap();
            assert!(told <= 20 * SECOND, "{told:?}");
            world.clock.advance(told);
            (status(app, token).await.0, told)
        }
        (status, _) => (status, Duration::ZERO),
    }
}

/// Takes the role that gives `write`, or gives it back; the status that is right then.
fn turn(world: &World, second: u32, every: u32) -> u16 {
    match second % every {
        2 => world.tenant.take_role("alice", "r59"),
        3 => world.tenant.give_role("alice", "r59"),
        _ => {}
    }
    if second % every == 2 { 401 } else { 200 }
}

fn most_in_a_window(begun: &[(Duration, usize)]) -> usize {
    let window = |end: Duration| begun.iter().filter(move |(at, _)| *at <= end && *at + 10 * SECOND > end);
    begun.iter().map(|(end, _)| window(*end).map(|(_, calls)| calls).sum()).max().unwrap_or_default()
}

/// Logto's cloud: forty calls in ten seconds are eight look-ups of this user. Whoever asks more often is told for how long to
/// wait, and that is true: then there is an answer, and it is the model's.
#[tokio::test]
async fn sixty_roles_by_the_default_of_the_cloud_are_answered_after_the_time_that_is_told() {
    let world = World::in_cloud().await;
    sixty_roles(&world);
    let (app, token) = (live_route(&world), write_token(&world));
    let (first, _) = patient(&world, &app, &token).await;
    assert_eq!(first, 200);
    let (mut begun, mut waited) = (Vec::new(), Duration::ZERO);
    let start = world.clock.now().monotonic;
    let mut second = 0;
    while world.clock.now().monotonic < start + 60 * SECOND {
        let expected = turn(&world, second, 6);
        world.tenant.issuer().reset_counts();
        let (status, told) = patient(&world, &app, &token).await;
        assert_eq!(status, expected, "request {second}");
        waited += told;
        begun.push((world.clock.now().monotonic, world.requests(Endpoint::Management)));
        world.clock.advance(SECOND);
        second += 1;
    }
    let most = most_in_a_window(&begun);
    println!("{second} answers in a minute, {waited:?} waited, {most} calls at most in ten seconds");
    assert!(most <= 40 && second >= 30, "{most} calls, {second} answers");
}

/// With five seconds of freshness the same budget serves each request, and a change is known within that time.
#[tokio::test]
async fn sixty_roles_within_five_seconds_are_answered_each_second_by_the_default_of_the_cloud() {
    let world = World::in_cloud().await;
    sixty_roles(&world);
    let fresh = api().scope("write").fresh_within(5 * SECOND);
    let (app, token) = (route(&world, fresh), write_token(&world));
    // While a token is new, each rejection needs a look-up of its own.
    world.clock.advance(62 * SECOND);
    let (first, _) = patient(&world, &app, &token).await;
    assert_eq!(first, 200);
    let mut since = 0;
    for second in 0..60 {
        since += 1;
        match second % 20 {
            2 => {
                world.tenant.take_role("alice", "r59");
                since = 0;
            }
            12 => {
                world.tenant.give_role("alice", "r59");
                since = 0;
            }
            _ => {}
        }
        let (holds, status) = ((second % 20 < 2) || (second % 20 >= 12), status(&app, &token).await.0);
        let (now, before) = if holds { (200, 401) } else { (401, 200) };
        assert!(
            status == now || status == before && since < 6,
            "second {second}: {status}, {since} s after the change"
        );
        world.clock.advance(SECOND);
    }
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
    // On loopback a server of one's own is assumed, said or not; for anything else that is noticed.
    let other = TestTenant::builder().management_resource("https://acme.logto.app/api").start().await;
    let (_, secret) = other.management_client();
    let error = ready(&other, &secret, None).await.unwrap_err();
    assert!(error.contains("invalid_target") && error.contains("management_resource"), "{error}");
    assert_eq!(ready(&other, &secret, Some("https://acme.logto.app/api")).await, Ok(()));
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

//! Behind a server: what a client gets to hear.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use orgate::policy::{path, resource};
use orgate::testing::{Endpoint, Fault, TokenRequest};
use orgate::{Issuer, ResourceServer};
use tower::ServiceExt as _;

use crate::world::{API, World};

fn app(world: &World) -> Router {
    let issuer = Issuer::new(world.tenant.issuer().url()).permissions(world.source.clone());
    let server = ResourceServer::builder(issuer, API).clock(world.clock.clone()).build().unwrap();
    let policy = resource().in_organization(path("org")).scope("read").live();
    server.guard().get("/orgs/{org}/orders", async || "orders", policy).into_router().unwrap()
}

async fn ask(app: &Router, token: &str) -> Response<Body> {
    let request = Request::get("/orgs/acme/orders").header("authorization", format!("Bearer {token}"));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_demotion_and_bad_days() {
    let world = World::populated().await;
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    world.tenant.add_application("web");
    let grant = world.tenant.sign_in("alice", "web", &["read", "write"]).unwrap();
    let token = grant.refresh(&TokenRequest::resource(API).in_organization("acme")).unwrap();
    let app = app(&world);
    assert_eq!(ask(&app, &token).await.status(), 200);

    let fault = Fault::retry_after(429, Duration::from_secs(7));
    world.tenant.issuer().fail_next(Endpoint::User, fault);
    let answer = ask(&app, &token).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    world.clock.advance(Duration::from_secs(10));

    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Hang);
    let answer = tokio::time::timeout(Duration::from_millis(2500), ask(&app, &token)).await;
    assert_eq!(answer.expect("an answer in time").status(), 503);
    world.tenant.issuer().recover();
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&app, &token).await.status(), 200);

    world.tenant.take_organization_role("acme", "alice", "member");
    let answer = ask(&app, &token).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

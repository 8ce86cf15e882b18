//! Against a tenant, as a client lives it.

use std::time::Duration;

use orgate::ResourceServer;
use orgate::testing::{Endpoint, LogtoRelease, TestTenant, TokenRequest};
use orgate::token::Introspection;

use crate::support::{API, Answer, Api};

struct World {
    tenant: TestTenant,
    api: Api,
}

impl World {
    async fn start(release: LogtoRelease, change: impl FnOnce(Introspection) -> Introspection) -> Self {
        let tenant = TestTenant::builder().release(release).start().await;
        tenant.add_resource(API, &["a"]);
        tenant.add_application("web");
        tenant.add_user("alice");
        // What a form would read otherwise.
        let secret = tenant.add_machine("api:client & co+%2F");
        let issuer = tenant.issuer();
        let endpoint = format!("{}/token/introspection", issuer.url());
        let ask = change(Introspection::new(endpoint, "api:client & co+%2F", secret));
        let builder = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).introspection(ask);
        let server = builder.build().unwrap();
        Self { api: Api::of(&server), tenant }
    }

    async fn without_audience() -> Self {
        Self::start(LogtoRelease::default(), Introspection::dangerous_introspection_without_audience).await
    }

    fn pass(&self, seconds: u64) {
        self.tenant.issuer().clock().advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn an_opaque_token_names_no_api() {
    for release in [LogtoRelease::V1_37, LogtoRelease::V1_42] {
        let world = World::start(release, |ask| ask).await;
        let grant = world.tenant.sign_in("alice", "web", &["a"]).unwrap();
        let opaque = grant.refresh(&TokenRequest::opaque()).unwrap();
        for path in ["/", "/api", "/own/acme", "/api/acme/orders"] {
            world.api.get(path, &opaque).await.is(401, "resource_token");
        }
        assert_eq!(world.tenant.issuer().requests(Endpoint::Introspection), 1);
        // What it is told to do helps, and costs no question.
        let token = grant.refresh(&TokenRequest::resource(API)).unwrap();
        world.api.get("/api", &token).await.is(200, "");
        assert_eq!(world.tenant.issuer().requests(Endpoint::Introspection), 1);
    }
}

#[tokio::test]
async fn both_forms_of_client_authentication() {
    for in_body in [false, true] {
        let world = World::start(LogtoRelease::default(), |ask| {
            let ask = ask.dangerous_introspection_without_audience();
            if in_body { ask.client_secret_post() } else { ask }
        })
        .await;
        let grant = world.tenant.sign_in("alice", "web", &[]).unwrap();
        let opaque = grant.refresh(&TokenRequest::opaque()).unwrap();
        assert!(world.api.get("/", &opaque).await.body.starts_with("User alice by Some(\"web\") [openid "));
    }
}

#[tokio::test]
async fn the_life_of_an_opaque_token() {
    let world = World::without_audience().await;
    let grant = world.tenant.sign_in("alice", "web", &[]).unwrap();
    let opaque = grant.refresh(&TokenRequest::opaque()).unwrap();
    world.api.get("/", &opaque).await.is(200, "");
    world.api.get("/user", &opaque).await.is(200, "");
    world.api.get("/machine", &opaque).await.is(403, "none");
    world.api.get("/api", &opaque).await.is(403, "resource_token");
    world.api.get("/own/acme", &opaque).await.is(403, "organization_token");
    assert_eq!(world.tenant.issuer().requests(Endpoint::Introspection), 1);
    // A refresh token is active too, and no access token.
    world.api.get("/", grant.refresh_token()).await.is(401, "refresh");
    world.api.get("/", "what-nobody-issued").await.is(401, "refresh");

    revoke(&world, &opaque).await;
    world.pass(29);
    world.api.get("/", &opaque).await.is(200, "");
    world.pass(1);
    world.api.get("/", &opaque).await.is(401, "refresh");
    let another = grant.refresh(&TokenRequest::opaque()).unwrap();
    world.api.get("/", &another).await.is(200, "");
    world.tenant.suspend("alice");
    world.pass(30);
    world.api.get("/", &another).await.is(401, "refresh");
}

async fn revoke(world: &World, token: &str) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.post(format!("{}/token/revocation", world.tenant.issuer().url()));
    let request = request.basic_auth("web", Some(world.tenant.secret("web"))).form(&[("token", token)]);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_ends_when_it_ends() {
    let world = World::without_audience().await;
    let grant = world.tenant.sign_in("alice", "web", &[]).unwrap();
    let opaque = grant.refresh(&TokenRequest::opaque()).unwrap();
    world.pass(3590);
    world.api.get("/", &opaque).await.is(200, "");
    world.pass(9);
    world.api.get("/", &opaque).await.is(200, "");
    world.pass(1);
    world.api.get("/", &opaque).await.is(401, "refresh");
}

#[tokio::test]
async fn a_secret_that_is_wrong_is_our_fault() {
    let tenant = TestTenant::start().await;
    tenant.add_machine("api");
    let endpoint = format!("{}/token/introspection", tenant.issuer().url());
    let ask = Introspection::new(endpoint, "api", "wrong");
    let server = ResourceServer::builder(tenant.issuer().url(), API).introspection(ask).build().unwrap();
    let answer: Answer = Api::of(&server).get("/", "opaque").await;
    answer.is(503, "retry");
}

//! An endpoint that cannot be asked, over HTTP.

use std::time::{Duration, Instant};

use orgate::ResourceServer;
use orgate::policy::authenticated;
use orgate::testing::{Endpoint, Fault, TestTenant, TokenRequest};
use orgate::token::Introspection;

use crate::log::Log;
use crate::support::{self, API, Api};

struct World {
    tenant: TestTenant,
    server: ResourceServer,
    api: Api,
    token: String,
}

impl World {
    async fn start() -> Self {
        let tenant = TestTenant::start().await;
        tenant.add_application("web");
        tenant.add_user("alice");
        let secret = tenant.add_machine("api");
        let token = tenant.sign_in("alice", "web", &[]).unwrap().refresh(&TokenRequest::opaque()).unwrap();
        let issuer = tenant.issuer();
        let endpoint = format!("{}/token/introspection", issuer.url());
        let ask = Introspection::new(endpoint, "api", secret).dangerous_introspection_without_audience();
        let builder = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).introspection(ask);
        let server = builder.build().unwrap();
        Self { api: Api::of(&server), tenant, server, token }
    }

    fn asked(&self) -> usize {
        self.tenant.issuer().requests(Endpoint::Introspection)
    }

    fn pass(&self, seconds: u64) {
        self.tenant.issuer().clock().advance_monotonic(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn whatever_it_does_the_answer_is_503_for_a_second() {
    let (world, log) = (World::start().await, Log::of_everything());
    let elsewhere = TestTenant::start().await;
    let secret = world.tenant.secret("api");
    let issuer = world.tenant.issuer();
    for (fault, reason) in [
        (Fault::Status(500), "status 500"),
        (Fault::Status(401), "status 401"),
        (Fault::Status(404), "status 404"),
        (Fault::Status(204), "status 204"),
        (Fault::retry_after(429, Duration::from_secs(9)), "status 429"),
        (Fault::Body("<html>sign in</html>".to_owned()), "not one JSON object"),
        (Fault::Garbage, "not one JSON object"),
        (Fault::Empty, "not one JSON object"),
        (Fault::Huge, "bytes"),
        (Fault::Body(format!("{{\"active\":true{}}}", " ".repeat(64 * 1024))), "bytes"),
        (Fault::Redirect(format!("{}/token/introspection", elsewhere.issuer().url())), "status 302"),
        (Fault::Reset, "introspection: "),
    ] {
        let asked = world.asked();
        issuer.fail_next(Endpoint::Introspection, fault.clone());
        for _ in 0..3 {
            world.api.get("/", &world.token).await.is(503, "retry");
        }
        assert_eq!(world.asked(), asked + 1, "{fault:?}");
        assert!(log.text().contains(reason), "{fault:?}: {reason}");
        world.pass(1);
        world.api.get("/", &world.token).await.is(200, "");
        world.pass(30);
    }
    assert_eq!(elsewhere.issuer().requests(Endpoint::All), 0, "no redirect is followed");
    let text = log.text();
    for secret in [&*secret, &*world.token, "alice"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn nobody_is_there() {
    let world = World::start().await;
    world.api.get("/", &world.token).await.is(200, "");
    world.tenant.issuer().take_down();
    world.api.get("/", &world.token).await.is(200, "");
    world.pass(30);
    world.api.get("/", &world.token).await.is(503, "retry");
    world.tenant.issuer().bring_up();
    world.api.get("/", &world.token).await.is(503, "retry");
    world.pass(1);
    world.api.get("/", &world.token).await.is(200, "");
    assert!(world.server.require(authenticated()).is_ok());
}

#[tokio::test]
async fn it_waits_no_longer_than_two_seconds() {
    for fault in [Fault::Hang, Fault::Drip] {
        let world = World::start().await;
        world.tenant.issuer().fail_always(Endpoint::Introspection, fault.clone());
        let began = Instant::now();
        let second = async {
            world.tenant.issuer().wait_for_requests(Endpoint::Introspection, 1).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            world.api.get("/", &world.token).await
        };
        let (first, second) = futures_util::future::join(world.api.get("/", &world.token), second).await;
        first.is(503, "retry");
        second.is(503, "retry");
        assert!((1900..2900).contains(&began.elapsed().as_millis()), "{fault:?}: {:?}", began.elapsed());
        assert_eq!(world.asked(), 1);
    }
}

#[tokio::test]
async fn want_of_a_slot_is_not_taken_for_an_endpoint_that_does_not_answer() {
    let log = Log::of_everything();
    let world = support::World::of(support::introspection().at_once(1)).await;
    world.endpoint.act(support::Act::Holds(r#"{"active":false}"#.to_owned()));
    let ask = |token: &'static str| {
        let api = world.api.clone();
        tokio::spawn(async move { api.get("/api", token).await })
    };
    let first = ask("opaque1");
    world.endpoint.wait_for(1).await;
    ask("opaque2").await.unwrap().is(503, "retry");
    assert!(log.text().contains("too many questions wait already"));
    assert_eq!(world.endpoint.count(), 1, "the second one found no slot in time");
    let third = ask("opaque3");
    while world.server.usage().introspection[0].waiting == 0 {
        tokio::task::yield_now().await;
    }
    world.endpoint.release();
    assert_ne!(first.await.unwrap().status, 200);
    third.await.unwrap().is(503, "retry");
    let text = log.text();
    assert!(text.contains("too little time was left for this one") && !text.contains("no answer within"), "{text}");
}

//! Policies of several branches, and what else a route can say.

use axum::body::Body;
use http::{Request, Version};
use orgate::engine::Grant;
use orgate::permissions::Permissions;
use orgate::policy::{machine, optional, organization, path, resource, scope, user};
use serde_json::json;

use crate::support::{API, Act, Api, World};

#[tokio::test]
async fn the_drift_that_the_route_does_not_need_is_told() {
    let world = World::start().await;
    let routes = [("/", resource().scope("a").live()), ("/token", resource().scope("a"))];
    let api = Api::of(&world.server, &routes);
    for (token, held, drift) in [
        ("a b", &["a", "b"][..], "lost [] gained []"),
        ("a b c", &["a"], "lost [b c] gained []"),
        ("a", &["a", "b", "c"], "lost [] gained [b c]"),
        ("b a", &["c", "a"], "lost [b] gained [c]"),
    ] {
        world.script.holds("u1", held);
        assert_eq!(api.get(world.token("u1", token)).await.body, drift);
    }
    assert_eq!(api.get_at("/token", world.token("u1", "a")).await.body, "no drift");
    assert_eq!(world.script.calls(), 4, "where the token is enough nobody is asked");
}

#[tokio::test]
async fn another_layer_s_drift_is_not_passed_on() {
    use tower::{Layer as _, ServiceExt as _};
    let world = World::start().await;
    world.script.holds("u1", &["a", "b"]);
    let inner = world.server.require(resource().scope("a")).unwrap();
    let outer = world.server.require(resource().scope("a").live()).unwrap();
    let service = outer.layer(inner.layer(tower::service_fn(async |request: Request<Body>| {
        assert!(request.extensions().get::<Grant>().unwrap().permission_drift().is_none());
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty()))
    })));
    let token = world.token("u1", "a");
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_nearest_branch_decides() {
    let world = World::start().await;
    let gained = || scope("gained");
    let routes = [
        ("/lost-or-gained", resource().and(scope("lost").or(gained())).live()),
        ("/gained-or-lost", resource().and(gained().or(scope("lost"))).live()),
        ("/lost-or-never", resource().and(scope("lost").or(scope("never"))).live()),
        ("/lost-or-machine", resource().scope("lost").live().or(resource().and(machine()))),
        ("/gained-or-never", resource().and(scope("never").or(gained())).live()),
        ("/lost-or-kept", resource().and(scope("lost").or(scope("kept"))).live()),
        ("/live-or-token", resource().scope("lost").live().or(resource().scope("other"))),
        ("/any", resource().any_of(["lost", "gained"]).live()),
        ("/all", resource().all_of(["lost", "gained"]).live()),
    ];
    let api = Api::of(&world.server, &routes);
    world.script.holds("u1", &["kept", "gained"]);
    let token = world.token("u1", "kept lost");
    for (path, status, remediation, missing) in [
        ("/lost-or-gained", 403, "reconsent", Some("gained")),
        ("/gained-or-lost", 403, "reconsent", Some("gained")),
        ("/lost-or-never", 403, "none", Some("never")),
        ("/lost-or-machine", 401, "refresh", None),
        ("/gained-or-never", 403, "reconsent", Some("gained")),
        ("/lost-or-kept", 200, "", None),
        ("/live-or-token", 403, "request_scope", Some("other")),
        ("/any", 401, "refresh", None),
        ("/all", 403, "none", Some("gained")),
    ] {
        let calls = world.script.calls();
        let answer = api.get_at(path, &token).await;
        answer.is(status, remediation);
        assert_eq!(world.script.calls(), calls + 1, "{path}: one fetch for all branches");
        if let Some(missing) = missing {
            assert_eq!(answer.problem()["missing_scopes"], json!([missing]), "{path}");
            assert!(answer.header("www-authenticate").contains(missing), "{path}");
        }
    }
}

#[tokio::test]
async fn a_branch_of_another_model_is_not_asked_about() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let policy =
        organization(path("org")).scope("a").live().or(resource().in_organization(path("org")).scope("a").live());
    let api = Api::of(&world.server, &[("/{org}", policy)]);
    let own = world.issuer.organization_token("acme").subject("u1").scope("a").mint();
    let within = world.issuer.organization_resource_token(API, "acme").subject("u1").scope("a").mint();
    for token in [&own, &within] {
        api.get_at("/acme", token).await.is(200, "");
        api.get_at("/globex", token).await.is(403, "organization_token");
    }
    assert_eq!(world.script.calls(), 2, "and nobody is asked about a request that is refused anyway");
}

#[tokio::test]
async fn conditions_come_first_and_checks_last() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let routes = [
        ("/machine", resource().scope("a").live().and(machine())),
        ("/claim", resource().scope("a").claim("plan", "pro").live()),
        ("/check", resource().scope("a").check("never", |_| false).live()),
        ("/user", resource().scope("a").and(user()).live()),
    ];
    let (api, token) = (Api::of(&world.server, &routes), world.token("u1", "a"));
    for (path, status, calls) in [("/machine", 403, 0), ("/claim", 403, 0), ("/user", 200, 1), ("/check", 403, 2)] {
        assert_eq!(api.get_at(path, &token).await.status, status, "{path}");
        assert_eq!(world.script.calls(), calls, "{path}");
    }
    // A bad token costs no fetch either.
    api.get_at("/user", world.issuer.resource_token(API).expired().mint()).await.is(401, "refresh");
    api.get_at("/user", world.issuer.resource_token(API).forged().mint()).await.is(401, "authenticate");
    assert_eq!(world.script.calls(), 2);
}

#[tokio::test]
async fn no_token_where_none_is_needed() {
    let world = World::start().await;
    let api = world.api(optional(resource().scope("a").live()));
    let bare = || Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(api.send(bare()).await.body, "no drift");
    assert_eq!(world.script.calls(), 0);
    api.get(world.token("u1", "a")).await.is(401, "refresh");
    world.script.holds("u1", &["a"]);
    api.get(world.token("u1", "a")).await.is(200, "");
    api.get("a.b.c").await.is(401, "authenticate");
    world.script.act(Act::Fail(None));
    api.get(world.token("u1", "a")).await.is(503, "retry");
}

#[tokio::test]
async fn hidden_organizations_stay_hidden() {
    let world = World::start().await;
    let policy = organization(path("org")).scope("a").hide_organization().live();
    let api = Api::of(&world.server, &[("/{org}", policy)]);
    let token = world.issuer.organization_token("acme").subject("u1").scope("a").mint();
    world.script.holds("u1", &["a"]);
    api.get_at("/acme", &token).await.is(200, "");
    let hidden = [api.get_at("/globex", &token).await, api.get_at("/nowhere", &token).await];
    hidden[0].is(404, "none");
    assert_eq!(hidden[0].body, hidden[1].body);
    // Who holds a token for it knows that it is, or was, there.
    world.script.says("u1", Permissions::none());
    api.get_at("/acme", &token).await.is(401, "refresh");
}

#[tokio::test]
async fn the_grpc_form() {
    let world = World::start().await;
    let api = world.api(resource().scope("a").live());
    let call = async |scope: &str| {
        let token = world.token("u1", scope);
        let request = Request::post("/").version(Version::HTTP_2).header("content-type", "application/grpc");
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let answer = api.send(request).await;
        assert_eq!((answer.status, &*answer.body), (200, ""));
        (answer.header("grpc-status").to_owned(), answer)
    };
    let (status, answer) = call("a").await;
    assert_eq!(status, "16");
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    world.script.holds("u1", &["a"]);
    let (status, answer) = call("b").await;
    assert_eq!(status, "7");
    assert!(answer.header("www-authenticate").contains("scope=\"a\""));
    world.script.act(Act::Fail(None));
    let (status, answer) = call("a").await;
    assert_eq!((&*status, answer.header("retry-after")), ("14", "1"));
}

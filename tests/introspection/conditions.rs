//! What conditions read of an introspection answer: the sign-in (RFC 9470 section 6.2) and authorization details (RFC 9396
//! section 9.2).

use std::time::Duration;

use axum::body::Body;
use http::Request;
use orgate::policy::{any_issuer, resource};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::World;

#[tokio::test]
async fn sign_in_and_authorization_details_are_those_of_the_answer() {
    let world = World::start().await;
    let guard = world.server.guard();
    let strong = resource().acr("gold").max_auth_age(Duration::from_secs(60)).and(any_issuer());
    let detailed = resource().authorization_detail("account", "reads", |detail| detail.has_action("read"));
    let router = guard
        .get("/strong", async || "here", strong)
        .get("/detailed", async || "here", detailed.and(any_issuer()))
        .into_router()
        .unwrap();
    let status = async |path: &str, changes: Value| {
        world.endpoint.says(&world.answer(changes));
        let token = format!("opaque{}", world.endpoint.count());
        let request = Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        let challenge = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap());
        (response.status().as_u16(), challenge.split(", error_description").next().unwrap_or_default().to_owned())
    };
    let now = world.now();
    assert_eq!(status("/strong", json!({ "acr": "gold", "auth_time": now })).await.0, 200);
    for changes in
        [json!({ "acr": "gold", "auth_time": now - 61 }), json!({ "acr": "gold" }), json!({ "auth_time": now })]
    {
        let challenge = "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"60\"";
        let changes = [changes, json!({ "sub": now.to_string() })];
        let both =
            changes.iter().flat_map(|changes| changes.as_object().unwrap().clone()).collect::<serde_json::Map<_, _>>();
        assert_eq!(status("/strong", Value::Object(both)).await, (401, challenge.to_owned()));
        world.pass(700.0);
    }
    let details =
        |kind: &str, action: &str| json!({ "authorization_details": [{ "type": kind, "actions": [action] }] });
    assert_eq!(status("/detailed", details("account", "read")).await.0, 200);
    for changes in
        [details("account", "write"), details("other", "read"), json!({}), json!({ "authorization_details": {} })]
    {
        assert_eq!(status("/detailed", changes.clone()).await.0, 403, "{changes}");
    }
}

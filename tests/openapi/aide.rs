//! A generator other than utoipa takes the requirements of a policy as they are.

use ::aide::axum::ApiRouter;
use ::aide::axum::routing::get_with;
use ::aide::openapi;
use ::aide::transform::TransformOperation;

use super::*;

/// The one line for each operation.
fn described(policy: &Policy) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    let security = policy.security("logto").unwrap();
    move |mut operation| {
        operation.inner_mut().security = security.into_iter().map(|one| one.into_iter().collect()).collect();
        operation
    }
}

async fn list() -> &'static str {
    "products"
}

#[tokio::test]
async fn aide_operation_has_the_requirements_of_its_policy() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let policy = resource().all_of(["a", "b"]).or(resource().any_of(["c", "d"]));
    let mut document = openapi::OpenApi::default();
    let router: Router = ApiRouter::new()
        .api_route("/products", get_with(list, described(&policy)))
        .finish_api(&mut document)
        .route_layer(server.require(policy).unwrap());
    let document = serde_json::to_value(document).unwrap();
    let expected = json!([{ "logto": ["a", "b"] }, { "logto": ["c"] }, { "logto": ["d"] }]);
    assert_eq!(document["paths"]["/products"]["get"]["security"], expected);
    for (scope, status) in [("a b", 200), ("a", 403), ("c", 200), ("d x", 200), ("", 403)] {
        let token = issuer.resource_token(API).scope(scope).mint();
        assert_eq!(ask(&router, "GET", "/products", Some(&token)).await, status, "{scope}");
    }
}

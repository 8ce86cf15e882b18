//! What challenges say: where the document is, and which scopes a client should ask for.

use axum::body::Body;
use http::Request;
use orgate::policy::{any_organization, optional, organization, resource, resource_at};
use orgate::respond::Metadata;
use orgate::testing::TestIssuer;
use orgate::{Guard, ResourceServer};

use super::support::*;

#[tokio::test]
async fn each_resource_has_its_own_document_in_its_challenges() {
    let billing = "https://api.example.com/billing";
    let server = builder(MCP).resource(billing).metadata(Metadata::new()).build().unwrap();
    let guard: Guard = server
        .guard()
        .get("/mcp", ok, resource().scope("mcp:read"))
        .get("/billing", ok, resource_at(billing).any_of(["billing:read", "billing:admin"]))
        .get("/none", ok, resource());
    let app = guard.into_router().unwrap();
    let [mcp, of_billing] = ["mcp", "billing"].map(|name| format!("{API}{ROOT_PATH}/{name}"));
    for (target, expected) in [
        ("/mcp", format!("Bearer scope=\"mcp:read\", resource_metadata=\"{mcp}\", realm=\"{MCP}\"")),
        (
            "/billing",
            format!("Bearer scope=\"billing:read billing:admin\", resource_metadata=\"{of_billing}\", realm=\"{MCP}\""),
        ),
        ("/none", format!("Bearer resource_metadata=\"{mcp}\", realm=\"{MCP}\"")),
    ] {
        assert_eq!(get(&app, target).await.challenge(), expected, "{target}");
        // A host that the request names, and the configuration does not, changes nothing.
        assert_eq!(get_at(&app, "evil.example", target).await.challenge(), expected, "{target}");
    }
}

#[tokio::test]
async fn of_several_resources_at_one_host_the_challenge_names_the_one_that_was_called() {
    let [root, orders, admin] = [API, "https://api.example.com/orders", "https://api.example.com/orders/admin/"];
    let server = builder(root).resource(orders).resource(admin).metadata(Metadata::new()).build().unwrap();
    let policy = || resource().or(resource_at(orders)).or(resource_at(admin));
    let nested: Guard = server.guard().get("/admin/keys", ok, policy()).get("/{id}", ok, policy());
    let guard: Guard = server.guard().nest("/orders", nested).get("/orders", ok, policy()).fallback(ok, policy());
    let router = guard.into_router().unwrap();
    // What axum's own nest takes off a path was sent all the same.
    let below = axum::Router::new().nest("/orders", server.guard().get("/x", ok, policy()).into_router().unwrap());
    let of = |resource: &str| resource.replace(API, &format!("{API}{ROOT_PATH}"));
    for (app, target, resource) in [
        (&router, "/", root),
        (&router, "/ordersx", root),
        (&router, "/orders", orders),
        (&router, "/orders/7", orders),
        (&router, "/orders/admin/keys", admin),
        (&below, "/orders/x", orders),
    ] {
        for host in ["api.example.com", "gateway.internal:3000"] {
            assert_eq!(get_at(app, host, target).await.metadata(), of(resource), "{host} {target}");
        }
    }
}

#[tokio::test]
async fn an_address_that_was_given_stands_in_place_of_all() {
    let server = builder(MCP).metadata(Metadata::new()).resource_metadata("https://gw.example/meta").build().unwrap();
    let app = server.guard().get("/mcp", ok, resource()).into_router().unwrap();
    assert_eq!(get(&app, "/mcp").await.metadata(), "https://gw.example/meta");
    assert_eq!(get(&app, MCP_PATH).await.status, 200, "the document is served all the same");
}

#[tokio::test]
async fn a_challenge_names_all_scopes_of_the_operation_at_401_and_403() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), MCP).clock(issuer.clock()).metadata(Metadata::new());
    let server = server.build().unwrap();
    let app = server
        .guard()
        .get("/all", ok, resource().scope("a").all_of(["b", "c"]))
        .get("/clauses", ok, resource().scope("a").or(organization(any_organization()).scope("z")))
        .get("/optional", ok, optional(resource().scope("a")))
        .get("/machine", ok, resource().scope("a").machine())
        .into_router()
        .unwrap();
    let ask = async |target: &str, authorization: &[String]| {
        let mut request = Request::get(target).body(Body::empty()).unwrap();
        for value in authorization {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        send(&app, request).await
    };
    let bearer = |token: &str| [format!("Bearer {token}")];
    let held = issuer.resource_token(MCP).scope("b").mint();
    let expired = issuer.resource_token(MCP).scope("a b c").expired().mint();
    let user = issuer.resource_token(MCP).scope("a").mint();
    for (target, authorization, status, expected) in [
        ("/all", &[][..], 401, "a b c"),
        ("/all", &bearer("x.y.z"), 401, "a b c"),
        ("/all", &bearer("opaque"), 401, "a b c"),
        ("/all", &bearer(&expired), 401, "a b c"),
        ("/all", &bearer(&held), 403, "a b c"),
        ("/all", &[bearer(&held), bearer(&held)].concat(), 400, ""),
        ("/clauses", &[], 401, "a"),
        ("/optional", &bearer("x.y.z"), 401, "a"),
        ("/machine", &bearer(&user), 403, ""),
    ] {
        let seen = ask(target, authorization).await;
        assert_eq!((seen.status, seen.scope()), (status, expected), "{target}: {}", seen.challenge());
        assert_eq!(seen.metadata(), format!("{API}{MCP_PATH}"), "{target}");
    }
}

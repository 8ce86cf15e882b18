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
    let scope =
        |seen: &Seen| seen.challenge().split("scope=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let bearer = |token: &str| [format!("Bearer {token}")];
    let held = issuer.resource_token(MCP).scope("b").mint();
    let expired = issuer.resource_token(MCP).scope("a b c").expired().mint();
    let user = issuer.resource_token(MCP).scope("a").mint();
    for (target, authorization, status, expected) in [
        ("/all", &[][..], 401, Some("a b c")),
        ("/all", &bearer("x.y.z"), 401, Some("a b c")),
        ("/all", &bearer("opaque"), 401, Some("a b c")),
        ("/all", &bearer(&expired), 401, Some("a b c")),
        ("/all", &bearer(&held), 403, Some("a b c")),
        ("/all", &[bearer(&held), bearer(&held)].concat(), 400, None),
        ("/clauses", &[], 401, Some("a")),
        ("/optional", &bearer("x.y.z"), 401, Some("a")),
        ("/machine", &bearer(&user), 403, None),
    ] {
        let seen = ask(target, authorization).await;
        assert_eq!((seen.status, scope(&seen).as_deref()), (status, expected), "{target}: {}", seen.challenge());
        assert_eq!(seen.metadata(), format!("{API}{MCP_PATH}"), "{target}");
    }
}

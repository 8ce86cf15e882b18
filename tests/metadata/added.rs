//! Issuer entries that are added at run time with resource indicators of their own.

use orgate::policy::{any_issuer, authenticated, organization, path, resource};
use orgate::respond::Metadata;
use orgate::{Guard, ResourceServer};
use serde_json::json;

use super::support::*;

const ACME: &str = "https://acme.example/oidc";
const ACME_API: &str = "https://api.acme.example/mcp";

fn with_metadata() -> ResourceServer {
    server(MCP, Metadata::new().scopes(["mcp:read"]))
}

#[tokio::test]
async fn added_indicator_has_its_document_and_its_challenges_until_the_entry_is_removed() {
    let server = with_metadata();
    let guard: Guard = server.guard().get("/mcp", ok, resource().any_issuer());
    let app = guard.into_router().unwrap();
    let host = "api.acme.example";
    let document = async || get_at(&app, host, MCP_PATH).await;
    let challenged = async |host: &str| get_at(&app, host, "/mcp").await.metadata().to_owned();
    let (own, theirs) = (format!("{API}{MCP_PATH}"), format!("https://{host}{MCP_PATH}"));
    assert_eq!(document().await.json()["resource"], MCP, "the only one at this path");
    assert_eq!(challenged(host).await, own);

    let acme = server.add_issuer(issuer(ACME).name("acme").resource(ACME_API)).unwrap();
    let expected = json!({
        "resource": ACME_API,
        "authorization_servers": [ACME],
        "scopes_supported": ["mcp:read"],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(document().await.json(), expected);
    assert_eq!(challenged(host).await, theirs);
    assert_eq!(challenged("api.example.com").await, own, "others keep theirs");
    assert_eq!(challenged("gateway.internal").await, own);
    assert_eq!(server.metadata_path(ACME_API).as_deref(), Some(MCP_PATH));

    let partner = server.add_issuer(issuer("https://partner.example/oidc").resource(ACME_API)).unwrap();
    let servers = json!([ACME, "https://partner.example/oidc"]);
    assert_eq!(document().await.json()["authorization_servers"], servers, "two entries, one indicator");
    acme.update(issuer(ACME).name("acme").resource("https://new.acme.example/v2")).unwrap();
    let moved = get_at(&app, "new.acme.example", &format!("{ROOT_PATH}/v2")).await;
    assert_eq!((moved.status, moved.json()["authorization_servers"].clone()), (200, json!([ACME])));
    assert_eq!(document().await.json()["authorization_servers"], json!(["https://partner.example/oidc"]));

    acme.remove().unwrap();
    partner.remove().unwrap();
    assert_eq!(get_at(&app, "new.acme.example", &format!("{ROOT_PATH}/v2")).await.status, 404);
    assert_eq!(document().await.json()["resource"], MCP);
    assert_eq!(challenged(host).await, own);
}

#[tokio::test]
async fn only_policies_that_accept_any_issuer_serve_documents_that_come_later() {
    let server = with_metadata();
    let later = "/.well-known/oauth-protected-resource/{*oauth_protected_resource}";
    for (policy, expected) in [
        (resource().any_issuer(), true),
        (resource().in_organization(path("org")).and(any_issuer()), true),
        (resource(), false),
        (organization(path("org")).and(any_issuer()), false),
        (authenticated().and(any_issuer()), false),
    ] {
        let guard: Guard = server.guard().get("/orgs/{org}", ok, policy);
        let rows: Vec<_> = guard.routes().into_iter().filter_map(|row| row.path).collect();
        assert_eq!(rows.iter().any(|path| path == later), expected, "{guard}");
    }
    let without = builder(MCP).build().unwrap();
    let guard: Guard = without.guard().get("/mcp", ok, resource().any_issuer());
    assert_eq!(guard.routes().len(), 1, "{guard}");

    let closed = server.guard().get("/mcp", ok, resource()).into_router().unwrap();
    let open = server.guard().get("/mcp", ok, resource().any_issuer()).into_router().unwrap();
    server.add_issuer(issuer(ACME).resource("https://api.acme.example/other")).unwrap();
    let target = format!("{ROOT_PATH}/other");
    assert_eq!((get(&closed, &target).await.status, get(&open, &target).await.status), (404, 200));
    assert_eq!(get(&open, &format!("{ROOT_PATH}/unknown")).await.status, 404);
    assert_eq!(get(&open, ROOT_PATH).await.status, 404, "no indicator is only an origin");
}

#[tokio::test]
async fn policy_that_names_an_added_entry_names_its_document() {
    let server = with_metadata();
    server.add_issuer(issuer(ACME).name("acme").resource(ACME_API)).unwrap();
    let guard: Guard = server.guard().get("/acme", ok, resource().issued_by("acme"));
    let app = guard.into_router().unwrap();
    let expected = format!("https://api.acme.example{MCP_PATH}");
    assert_eq!(get(&app, "/acme").await.metadata(), expected);
    assert_eq!(get_at(&app, "api.acme.example", MCP_PATH).await.json()["resource"], ACME_API);
}

#[test]
fn added_indicator_without_an_address_is_a_config_error_where_there_is_metadata() {
    let server = with_metadata();
    for (entry, expected) in [
        (issuer(ACME).resource("urn:acme:api"), "urn:acme:api"),
        (issuer(ACME).resource("https://api.acme.example/{x}"), "pattern"),
        (issuer("acme").resource(ACME_API), "no metadata document"),
    ] {
        let error = server.add_issuer(entry.clone()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} should say {expected}");
        assert!(builder(MCP).build().unwrap().add_issuer(entry).is_ok(), "without metadata any URI will do");
    }
    let acme = server.add_issuer(issuer(ACME)).unwrap();
    assert!(acme.update(issuer(ACME).resource("urn:acme:api")).is_err());
    assert!(server.add_issuer(issuer("acme")).is_ok(), "it brings no indicator");
}

//! What cannot be right is found before a request is served.

use std::time::Duration;

use orgate::policy::{resource, scope};
use orgate::respond::Metadata;
use orgate::{Guard, ResourceServer};

use super::support::*;

fn fault(indicator: &str, metadata: Metadata) -> String {
    builder(indicator).metadata(metadata).build().unwrap_err().to_string()
}

#[test]
fn an_indicator_that_no_address_follows_from() {
    for indicator in
        ["urn:example:api", "http://api.example.com", "https://api.example.com/{x}", "https://a.example/a/../b"]
    {
        let error = fault(indicator, Metadata::new());
        assert!(error.contains(indicator) && error.contains("metadata"), "{error}");
        assert!(builder(indicator).build().is_ok(), "without metadata any URI will do: {indicator}");
    }
    assert!(builder("http://127.0.0.1:3000/mcp").metadata(Metadata::new()).build().is_ok());
}

#[test]
fn a_setting_that_cannot_be_right() {
    for (metadata, expected) in [
        (Metadata::new().scopes(["offline_access"]), "offline_access"),
        (Metadata::new().scopes_at(MCP, ["a", "offline_access"]), "offline_access"),
        (Metadata::new().scopes(["a b"]), "\"a b\""),
        (Metadata::new().scopes(["a", "a"]), "twice"),
        (Metadata::new().scopes_at("https://other.example", ["a"]), "https://other.example"),
        (Metadata::new().scopes_at(MCP, ["a"]).scopes_at(MCP, ["b"]), "twice"),
        (Metadata::new().name(""), "name"),
        (Metadata::new().documentation("docs"), "documentation"),
        (Metadata::new().policy("http://example.com/policy"), "policy"),
        (Metadata::new().terms_of_service("ftp://x"), "terms_of_service"),
        (Metadata::new().max_age(Duration::from_secs(24 * 60 * 60 + 1)), "max_age"),
        (Metadata::new().authorization_details_types(["payment", ""]), "type \"\" is empty"),
        (
            Metadata::new().authorization_details_types(["payment", "account", "payment"]),
            "type \"payment\" occurs twice",
        ),
    ] {
        let error = fault(MCP, metadata);
        assert!(error.contains(expected), "{error} should say {expected}");
    }
}

#[test]
fn an_indicator_that_no_issuer_with_an_address_speaks_for() {
    let error = ResourceServer::builder(issuer("partner"), MCP).metadata(Metadata::new()).build().unwrap_err();
    assert!(error.to_string().contains("none of its issuers is a URL"), "{error}");
}

#[test]
fn a_route_in_the_place_of_a_document() {
    let guard: Guard = server(MCP, Metadata::new()).guard();
    let guard = guard.get("/mcp", ok, resource()).public(MCP_PATH, axum::routing::get(ok));
    let error = guard.into_router().unwrap_err().to_string();
    assert!(error.contains(MCP_PATH), "{error}");
}

#[test]
fn a_scope_that_is_not_in_the_catalogue() {
    let texts = [("read:orders", "See orders"), ("mcp:read", "Use the tools")];
    let server = builder(MCP).scopes(texts).metadata(Metadata::new().scopes(["mcp:read"])).build().unwrap();
    assert_eq!(server.scopes().collect::<Vec<_>>(), [("mcp:read", "Use the tools"), ("read:orders", "See orders")]);
    let guard = |policy| -> Guard { server.guard().get("/orders", ok, policy) };
    assert!(guard(resource().scope("read:orders")).into_router().is_ok());
    for policy in [resource().scope("read:order"), resource().scope("mcp:read").or(resource().and(scope("x")))] {
        let error = guard(policy).into_router().unwrap_err().to_string();
        assert!(error.contains("Builder::scopes") && error.contains("policy"), "{error}");
    }
    let error = builder(MCP).scopes(texts).metadata(Metadata::new().scopes(["mcp:write"])).build().unwrap_err();
    assert!(error.to_string().contains("\"mcp:write\""), "{error}");
    for bad in [[("a", "x"), ("a", "y")], [("a", ""), ("b", "y")], [("a b", "x"), ("b", "y")]] {
        assert!(builder(MCP).scopes(bad).build().is_err(), "{bad:?}");
    }
}

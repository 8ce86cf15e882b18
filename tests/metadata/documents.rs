//! Clause by clause of RFC 9728 sections 2 and 3.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use orgate::policy::{authenticated, organization, path, resource, resource_at};
use orgate::respond::Metadata;
use orgate::token::binding::{Dpop, MutualTls};
use orgate::{Guard, ResourceServer};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::support::*;

#[tokio::test]
async fn a_document_says_what_was_configured_and_nothing_else() {
    let metadata = Metadata::new()
        .scopes(["mcp:read"])
        .name("Orders")
        .documentation("https://docs.example.com")
        .policy("https://example.com/policy")
        .terms_of_service("https://example.com/terms")
        .authorization_details_types(["payment_initiation"])
        .max_age(Duration::from_secs(60));
    let guard: Guard = server(MCP, metadata).guard();
    let app = guard.get("/mcp", ok, resource().all_of(["mcp:read", "mcp:admin"])).into_router().unwrap();
    let seen = get(&app, MCP_PATH).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("cache-control"), "public, max-age=60");
    assert_eq!(seen.header("access-control-allow-origin"), "*");
    let expected = json!({
        "resource": MCP,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "resource_documentation": "https://docs.example.com",
        "resource_policy_uri": "https://example.com/policy",
        "resource_tos_uri": "https://example.com/terms",
        "authorization_details_types_supported": ["payment_initiation"],
    });
    assert_eq!(seen.json(), expected);
}

#[tokio::test]
async fn members_without_a_value_are_absent() {
    let app = server(MCP, Metadata::new()).guard().get("/mcp", ok, resource()).into_router().unwrap();
    let expected =
        json!({ "resource": MCP, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"] });
    assert_eq!(get(&app, MCP_PATH).await.json(), expected);
}

#[tokio::test]
async fn methods_and_preflight() {
    let app = server(MCP, Metadata::new()).guard().get("/mcp", ok, resource()).into_router().unwrap();
    let ask = async |method: &str| {
        let request = Request::builder().method(method).uri(MCP_PATH).header("origin", "https://app.example");
        let request = request.header("access-control-request-method", "GET");
        let request = request.header("access-control-request-headers", "mcp-protocol-version");
        send(&app, request.body(Body::empty()).unwrap()).await
    };
    let head = ask("HEAD").await;
    assert_eq!((head.status, &*head.body, head.header("content-type")), (200, "", "application/json"));
    let preflight = ask("OPTIONS").await;
    assert_eq!((preflight.status, &*preflight.body), (204, ""));
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-headers"), "mcp-protocol-version");
    assert!(preflight.header("access-control-allow-methods").contains("GET"));
    for method in ["POST", "PUT", "DELETE"] {
        let seen = ask(method).await;
        assert_eq!(seen.status, 405, "{method}");
        assert!(seen.header("allow").contains("GET"), "{method}: {}", seen.header("allow"));
    }
}

#[tokio::test]
async fn a_document_for_each_indicator_that_policies_use() {
    let server = builder(MCP)
        .resource("https://api.example.com/billing")
        .resource("https://api.example.com/unused")
        .resource("https://other.example.com:8443/")
        .metadata(Metadata::new().scopes(["a"]).scopes_at("https://api.example.com/billing", ["b"]))
        .build()
        .unwrap();
    let guard: Guard = server
        .guard()
        .get("/mcp", ok, resource())
        .post("/mcp", ok, resource().scope("a"))
        .get("/billing", ok, resource_at("https://api.example.com/billing").or(resource()))
        .get(
            "/other",
            ok,
            resource_at("https://other.example.com:8443/").in_organization(orgate::policy::header("org")),
        );
    let table = guard.to_string();
    let app = guard.into_router().unwrap();
    for (path, resource, scope) in [
        (MCP_PATH, MCP, "a"),
        ("/.well-known/oauth-protected-resource/billing", "https://api.example.com/billing", "b"),
        (ROOT_PATH, "https://other.example.com:8443/", "a"),
    ] {
        let seen = get(&app, path).await;
        assert_eq!((seen.status, &seen.json()["resource"]), (200, &json!(resource)), "{path}");
        assert_eq!(seen.json()["scopes_supported"], json!([scope]), "{path}");
        let row = table.lines().find(|line| line.split_whitespace().nth(1) == Some(path)).expect(path);
        assert!(row.starts_with("GET,HEAD,OPTIONS ") && row.ends_with(" public"), "{row}");
    }
    assert_eq!(get(&app, "/.well-known/oauth-protected-resource/unused").await.status, 404);
    assert_eq!(table.matches("public").count(), 3, "{table}");
}

#[tokio::test]
async fn nested_and_merged_guards_and_a_fallback_have_their_documents_at_the_root() {
    let server = builder(API).resource(MCP).metadata(Metadata::new()).build().unwrap();
    let nested: Guard = server.guard().get("/tools", ok, resource_at(MCP));
    let app = server.guard().nest("/v1", nested).fallback(ok, resource()).into_router().unwrap();
    assert_eq!(get(&app, MCP_PATH).await.json()["resource"], MCP);
    assert_eq!(get(&app, ROOT_PATH).await.json()["resource"], API);
}

#[tokio::test]
async fn routes_without_a_resource_use_the_first_indicator() {
    let server = server(MCP, Metadata::new());
    for policy in [organization(path("org")), authenticated()] {
        let app = server.guard().get("/orgs/{org}", ok, policy).into_router().unwrap();
        assert_eq!(get(&app, MCP_PATH).await.status, 200);
        assert_eq!(get(&app, "/orgs/acme").await.metadata(), format!("{API}{MCP_PATH}"));
    }
}

#[tokio::test]
async fn hosts_that_share_a_path_are_told_apart() {
    let [one, two] = ["https://one.example/mcp", "https://two.example:8443/mcp"];
    let server = builder(one).resource(two).metadata(Metadata::new()).build().unwrap();
    let app = server.guard().get("/mcp", ok, resource().or(resource_at(two))).into_router().unwrap();
    for (host, resource) in [
        ("one.example", one),
        ("ONE.example:443", one),
        ("two.example:8443", two),
        ("gateway.internal:3000", one),
        ("two.example", one),
    ] {
        assert_eq!(get_at(&app, host, MCP_PATH).await.json()["resource"], resource, "{host}");
        let own = resource.replace("/mcp", MCP_PATH);
        assert_eq!(get_at(&app, host, "/mcp").await.metadata(), own, "{host}");
    }
    let by_authority = Request::get(format!("https://two.example:8443{MCP_PATH}")).body(Body::empty()).unwrap();
    assert_eq!(send(&app, by_authority).await.json()["resource"], two, "HTTP/2");
}

#[tokio::test]
async fn a_query_belongs_to_the_address() {
    let [plain, with_query] = ["https://api.example.com/a", "https://api.example.com/a?tenant=1"];
    let server = builder(plain).resource(with_query).metadata(Metadata::new()).build().unwrap();
    let app = server.guard().get("/a", ok, resource().or(resource_at(with_query))).into_router().unwrap();
    for (query, resource) in [("", plain), ("?x=y", plain), ("?tenant=1", with_query)] {
        let target = format!("/.well-known/oauth-protected-resource/a{query}");
        assert_eq!(get(&app, &target).await.json()["resource"], resource, "{query}");
    }
}

#[tokio::test]
async fn an_issuer_that_comes_and_goes_is_in_the_document() {
    let server = builder(MCP).metadata(Metadata::new()).build().unwrap();
    let app = server.guard().get("/mcp", ok, resource().any_issuer()).into_router().unwrap();
    let servers = async || get(&app, MCP_PATH).await.json()["authorization_servers"].clone();
    assert_eq!(servers().await, json!([ISSUER]));
    let acme = server.add_issuer(issuer("https://acme.example/oidc").alias("https://old.acme.example")).unwrap();
    let elsewhere = issuer("https://else.example/oidc").resource("https://else.example");
    server.add_issuer(elsewhere).unwrap();
    server.add_issuer(issuer("not-a-url")).unwrap();
    assert_eq!(servers().await, json!([ISSUER, "https://acme.example/oidc"]));
    acme.remove().unwrap();
    assert_eq!(servers().await, json!([ISSUER]));
}

#[tokio::test]
async fn sender_constrained_tokens_are_announced() {
    let document = async |server: ResourceServer| {
        let app = server.guard().get("/mcp", ok, resource()).into_router().unwrap();
        get(&app, MCP_PATH).await.json()
    };
    let with = || builder(MCP).metadata(Metadata::new());
    let dpop = || Dpop::new(API).algorithms([orgate::issuer::Algorithm::Es256]);
    let mutual_tls = || MutualTls::connection(|_: &http::Extensions| None);
    let both =
        document(with().dpop(dpop()).mutual_tls(mutual_tls()).require_sender_constrained().build().unwrap()).await;
    assert_eq!(both["dpop_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(both["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(both["dpop_bound_access_tokens_required"], json!(null), "a certificate will do");
    assert_eq!(both["bearer_methods_supported"], json!(["header"]));
    let only = document(with().dpop(dpop()).require_sender_constrained().build().unwrap()).await;
    assert_eq!(only["dpop_bound_access_tokens_required"], true);
    assert_eq!(only["bearer_methods_supported"], json!(null));
    let optional = document(with().dpop(dpop()).build().unwrap()).await;
    assert_eq!(optional["dpop_bound_access_tokens_required"], json!(null));
    assert_eq!(optional["dpop_signing_alg_values_supported"], json!(["ES256"]));
}

#[tokio::test]
async fn a_layer_serves_all_documents_in_front_of_a_plain_service() {
    let server = builder(API).resource(MCP).metadata(Metadata::new()).build().unwrap();
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner"))));
    let protected = server.require(resource()).unwrap().layer(inner);
    let service = server.metadata_layer().unwrap().layer(protected);
    for (target, status, text) in [
        (ROOT_PATH, 200, "\"https://api.example.com\""),
        (MCP_PATH, 200, "\"https://api.example.com/mcp\""),
        ("/.well-known/oauth-protected-resource/other", 401, "authenticate"),
        ("/", 401, "authenticate"),
    ] {
        let response = service.clone().oneshot(Request::get(target).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{target}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&body).unwrap().contains(text), "{target}: {body:?}");
    }
    assert!(builder(API).build().unwrap().metadata_layer().is_err());
}

#[tokio::test]
async fn documents_of_two_servers_with_one_path_are_told_apart_by_the_host() {
    const BILLS: &str = "https://billing.example.com";
    let other = ResourceServer::builder(issuer("https://other.example.com/oidc"), BILLS).metadata(Metadata::new());
    let bills: Guard = other.build().unwrap().guard().get("/bills", ok, resource());
    let guard: Guard = server(API, Metadata::new()).guard().get("/orders", ok, resource()).merge(bills);
    let table = guard.to_string();
    assert_eq!(table.matches(ROOT_PATH).count(), 1, "{table}");
    let app = guard.into_router().unwrap();
    for (host, indicator, issuer) in [
        ("api.example.com", API, ISSUER),
        ("billing.example.com", BILLS, "https://other.example.com/oidc"),
        ("elsewhere.example.com", API, ISSUER),
    ] {
        let document = get_at(&app, host, ROOT_PATH).await.json();
        assert_eq!(document["resource"], indicator, "{host}");
        assert_eq!(document["authorization_servers"], json!([issuer]), "{host}");
    }
}

#[tokio::test]
async fn document_of_an_indicator_that_two_servers_have_names_the_issuers_of_both() {
    let other = ResourceServer::builder(issuer("https://other.example.com/oidc"), API).metadata(Metadata::new());
    let partners: Guard = other.build().unwrap().guard().get("/partners", ok, resource());
    let guard: Guard = server(API, Metadata::new()).guard().get("/orders", ok, resource()).merge(partners);
    let document = get(&guard.into_router().unwrap(), ROOT_PATH).await.json();
    assert_eq!(document["resource"], API);
    assert_eq!(document["authorization_servers"], json!([ISSUER, "https://other.example.com/oidc"]));
}

#[tokio::test]
async fn documents_of_two_servers_with_one_path_are_told_apart_by_the_query() {
    let (plain, with_query) = ("https://api.example.com/a", "https://api.example.com/a?tenant=1");
    let guard_of =
        |indicator: &str, path: &str| -> Guard { server(indicator, Metadata::new()).guard().get(path, ok, resource()) };
    let app = guard_of(plain, "/a").merge(guard_of(with_query, "/b")).into_router().unwrap();
    for (query, resource) in [("", plain), ("?x=y", plain), ("?tenant=1", with_query)] {
        let target = format!("/.well-known/oauth-protected-resource/a{query}");
        assert_eq!(get_at(&app, "api.example.com", &target).await.json()["resource"], resource, "{query}");
    }
}

#[tokio::test]
async fn document_that_came_at_run_time_is_found_beside_one_of_another_server() {
    let own = server("https://a.example.com/mcp", Metadata::new());
    let trusting = builder("https://c.example.com/other").metadata(Metadata::new()).build().unwrap();
    let any: Guard = trusting.guard().get("/any", ok, resource().any_issuer());
    let app = own.guard().get("/mcp", ok, resource()).merge(any).into_router().unwrap();
    let added = issuer("https://acme.example/oidc").resource("https://b.example.com/mcp");
    trusting.add_issuer(added).unwrap();
    for (host, resource) in
        [("a.example.com", "https://a.example.com/mcp"), ("b.example.com", "https://b.example.com/mcp")]
    {
        let document = get_at(&app, host, MCP_PATH).await.json();
        assert_eq!(document["resource"], resource, "{host}");
    }
}

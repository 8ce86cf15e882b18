//! An MCP server (rmcp) with a policy for each tool: `cargo run --example mcp`.
//!
//! It prints what to paste into a shell and into MCP Inspector, with real tokens, and serves until Ctrl-C. Arguments, all
//! optional: the port, the issuer to trust in place of a tenant of its own, and a word for test suites: `rest` gives the basic
//! policy to whatever has none, `bare` serves without policies.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use orgate::engine::Grant;
use orgate::logto::LogtoManagement;
use orgate::mcp::Tools;
use orgate::policy::{argument, resource};
use orgate::respond::Metadata;
use orgate::testing::{RoleType, TestTenant, TokenRequest};
use orgate::{Guard, Issuer, ResourceServer};
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{schemars, tool, tool_router};
use serde::Deserialize;

#[derive(Clone)]
struct Orders;

#[derive(Deserialize, schemars::JsonSchema)]
struct Of {
    /// The id of the organization.
    organization: String,
}

#[tool_router(server_handler)]
impl Orders {
    #[tool(description = "Says who calls")]
    async fn whoami(&self, Extension(request): Extension<http::request::Parts>) -> String {
        let token = request.extensions.get::<Grant>().and_then(Grant::token);
        token.map_or_else(|| "a stranger".to_owned(), |token| token.subject().to_string())
    }

    #[tool(description = "Lists the orders of an organization")]
    async fn list_orders(
        &self,
        Extension(request): Extension<http::request::Parts>,
        Parameters(of): Parameters<Of>,
    ) -> String {
        // The organization that the policy has verified, which the argument names.
        let organization = request.extensions.get::<Grant>().and_then(Grant::organization);
        organization.map_or_else(
            || format!("no orders of {}", of.organization),
            |organization| format!("orders of {organization}"),
        )
    }

    #[tool(description = "Deletes everything")]
    async fn delete_all(&self) -> String {
        "deleted".to_owned()
    }

    #[tool(description = "Has no policy, so every call is rejected")]
    async fn forgotten(&self) -> String {
        "called".to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse::<u16>())?;
    let foreign_issuer = arguments.next().filter(|issuer| !issuer.is_empty());
    let word = arguments.next().unwrap_or_default();

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    // The indicator is the address of the endpoint: register it as an API resource of the tenant.
    let api = format!("{origin}/mcp");

    // Without sessions there is nothing that one user could use of another's.
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    let service = StreamableHttpService::new(|| Ok(Orders), Arc::new(LocalSessionManager::default()), config);

    let tenant = tenant(&api).await;
    let has_members = foreign_issuer.is_none();
    let issuer = match foreign_issuer {
        Some(issuer) => Issuer::new(issuer),
        None => Issuer::new(tenant.issuer().url()).permissions(management(&tenant)?),
    };
    let server = ResourceServer::builder(issuer, &api)
        .scopes([("mcp:read", "Use the tools"), ("mcp:admin", "Delete everything"), ("read:orders", "See orders")])
        .metadata(Metadata::new().scopes(["mcp:read"]).name("Orders"))
        .build()?;

    let mut tools = Tools::new(resource().scope("mcp:read"))
        .tool("whoami", resource().scope("mcp:read"))
        .tool("delete_all", resource().all_of(["mcp:read", "mcp:admin"]));
    if has_members {
        // An MCP client cannot ask for a token of an organization. The tenant says whether its user is a member.
        tools =
            tools.tool("list_orders", resource().for_member_of(argument("organization")).scope("read:orders").live());
    }
    if word == "rest" {
        let basic = || resource().scope("mcp:read");
        tools = tools.any_tool(basic()).any_prompt(basic()).any_resource(basic());
    }
    let guard: Guard = server.guard().mcp("/mcp", service.clone(), tools);
    println!("{guard}");
    let app = if word == "bare" { Router::new().route_service("/mcp", service) } else { guard.into_router()? };

    if has_members {
        print_requests(&tenant, &origin, &api)?;
    }
    println!("# Serving {api} until Ctrl-C.");
    axum::serve(listener, app).with_graceful_shutdown(ctrl_c()).await?;
    Ok(())
}

/// Alice may use the tools, and sees orders in acme. Bob may delete everything.
async fn tenant(api: &str) -> TestTenant {
    let tenant = TestTenant::start().await;
    tenant.add_resource(api, &["mcp:read", "mcp:admin", "read:orders"]);
    tenant.add_role("reader", RoleType::User, api, &["mcp:read"]);
    tenant.add_role("admin", RoleType::User, api, &["mcp:read", "mcp:admin"]);
    tenant.add_organization_role("clerk", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("clerk", api, "read:orders");
    tenant.add_application("mcp-client");
    for (user, role) in [("alice", "reader"), ("bob", "admin")] {
        tenant.add_user(user);
        tenant.give_role(user, role);
    }
    tenant.add_organization("acme");
    tenant.add_organization("globex");
    tenant.add_member("acme", "alice");
    tenant.give_organization_role("acme", "alice", "clerk");
    tenant
}

fn management(tenant: &TestTenant) -> Result<LogtoManagement, orgate::ConfigError> {
    let (id, secret) = tenant.management_client();
    LogtoManagement::builder(tenant.origin(), id, secret).management_resource(tenant.management_resource()).build()
}

fn print_requests(tenant: &TestTenant, origin: &str, api: &str) -> Result<(), Box<dyn Error>> {
    let token = |user: &str| -> Result<String, Box<dyn Error>> {
        let scopes = ["mcp:read", "mcp:admin", "read:orders"];
        Ok(tenant.sign_in(user, "mcp-client", &scopes)?.refresh(&TokenRequest::resource(api))?)
    };
    let (alice, bob) = (token("alice")?, token("bob")?);
    println!(
        "# 200: where a client learns how to get a token\ncurl -i {origin}/.well-known/oauth-protected-resource/mcp\n"
    );
    let call = |what: &str, token: Option<&str>, tool: &str, arguments: &str| {
        let authorization = token.map(|token| format!(" -H 'Authorization: Bearer {token}'")).unwrap_or_default();
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{{arguments}}}}}}}"#
        );
        println!(
            "# {what}\ncurl -i {api}{authorization} -H 'Content-Type: application/json' \
             -H 'Accept: application/json, text/event-stream' -d '{body}'\n"
        );
    };
    call("401: no token; the challenge names the document and the basic scope", None, "whoami", "");
    call("200: Alice calls a tool", Some(&alice), "whoami", "");
    call("403: Alice lacks mcp:admin, which the challenge names beside mcp:read", Some(&alice), "delete_all", "");
    call("200: Bob holds it", Some(&bob), "delete_all", "");
    call("200: Alice is a clerk of acme", Some(&alice), "list_orders", r#""organization":"acme""#);
    call("403: but no member of globex", Some(&alice), "list_orders", r#""organization":"globex""#);
    call("403: a tool without a policy", Some(&bob), "forgotten", "");
    println!("# MCP Inspector: npx @modelcontextprotocol/inspector --cli {api} --transport http \\");
    println!("#     --header 'Authorization: Bearer {alice}' --method tools/call --tool-name whoami\n");
    Ok(())
}

async fn ctrl_c() {
    // An error means that the signal cannot be listened to: then there is nothing to wait for.
    _ = tokio::signal::ctrl_c().await;
}

//! An MCP server of four tools behind a guard, on loopback, and requests as they are.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use orgate::engine::Grant;
use orgate::mcp::Tools;
use orgate::policy::{Policy, resource};
use orgate::respond::Metadata;
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::{Guard, ResourceServer};
use rmcp::handler::server::tool::Extension;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use serde_json::{Value, json};

pub(crate) use crate::seen::Seen;

pub(crate) const API: &str = "https://api.example.com/mcp";
pub(crate) const OLD: &str = "2025-11-25";
pub(crate) const NEW: &str = "2026-07-28";

/// What has run.
#[derive(Clone, Default)]
pub(crate) struct Ran(Arc<Mutex<Vec<String>>>);

impl Ran {
    fn note(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    /// Since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Clone)]
pub(crate) struct Server(Ran);

#[tool_router(server_handler)]
impl Server {
    #[tool(description = "Who calls")]
    async fn whoami(&self, Extension(request): Extension<http::request::Parts>) -> String {
        self.0.note("whoami");
        let grant = request.extensions.get::<Grant>().expect("a grant");
        let organization = grant.organization().map(|organization| format!(" in {organization}"));
        format!("{}{}", grant.token().expect("a token").subject(), organization.unwrap_or_default())
    }

    #[tool(description = "Deletes everything")]
    async fn delete_all(&self) -> String {
        self.0.note("delete_all");
        "deleted".to_owned()
    }

    #[tool(description = "Has no policy")]
    async fn unnamed(&self) -> String {
        self.0.note("unnamed");
        "unnamed".to_owned()
    }
}

pub(crate) fn service(ran: &Ran, sessions: bool) -> StreamableHttpService<Server, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = sessions;
    config.json_response = !sessions;
    let server = Server(ran.clone());
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config)
}

pub(crate) fn read() -> Policy {
    resource().scope("mcp:read")
}

pub(crate) fn tools() -> Tools {
    Tools::new(read()).tool("whoami", read()).tool("delete_all", resource().scope("mcp:admin"))
}

pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: ResourceServer,
    pub(crate) ran: Ran,
    pub(crate) address: SocketAddr,
}

impl World {
    pub(crate) async fn start(tools: Tools) -> Self {
        Self::built(tools, false, |builder| builder).await
    }

    pub(crate) async fn built(tools: Tools, sessions: bool, change: impl FnOnce(Builder) -> Builder) -> Self {
        let issuer = TestIssuer::start().await;
        let builder = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).metadata(Metadata::new());
        let server = change(builder).build().unwrap();
        let ran = Ran::default();
        let guard: Guard = server.guard().mcp("/mcp", service(&ran, sessions), tools);
        let address = serve(guard.into_router().unwrap()).await;
        Self { issuer, server, ran, address }
    }

    pub(crate) fn token(&self, scope: &str) -> String {
        self.issuer.resource_token(API).scope(scope).mint()
    }

    pub(crate) fn token_of(&self, subject: &str, scope: &str) -> String {
        self.issuer.resource_token(API).subject(subject).scope(scope).mint()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(crate) async fn post(
        &self,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Seen {
        send(&client(Http::One), "POST", &self.url(), token, headers, Some(body.into())).await
    }

    pub(crate) async fn call(&self, token: Option<&str>, tool: &str, arguments: Value) -> Seen {
        self.post(token, &[("mcp-protocol-version", OLD)], call(tool, arguments).to_string()).await
    }
}

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Http {
    One,
    Two,
}

pub(crate) fn client(version: Http) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    match version {
        Http::One => builder.http1_only(),
        Http::Two => builder.http2_prior_knowledge(),
    }
    .build()
    .unwrap()
}

pub(crate) async fn send(
    client: &reqwest::Client,
    method: &str,
    url: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<reqwest::Body>,
) -> Seen {
    let response = head(client, method, url, token, headers, body).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Seen { status, headers, body: response.text().await.unwrap() }
}

/// The response, of which only the head has arrived.
pub(crate) async fn head(
    client: &reqwest::Client,
    method: &str,
    url: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<reqwest::Body>,
) -> reqwest::Response {
    let mut request = client.request(method.parse().unwrap(), url);
    let has = |name: &str| headers.iter().any(|(other, _)| *other == name);
    for (name, value) in [("content-type", "application/json"), ("accept", "application/json, text/event-stream")] {
        if !has(name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    request.send().await.unwrap()
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

pub(crate) fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

#[allow(clippy::needless_pass_by_value, reason = "as json! makes it")]
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    message("tools/call", &json!({ "name": tool, "arguments": arguments }))
}

/// As a client of the newest version sends it.
pub(crate) fn modern_call(tool: &str) -> Value {
    message("tools/call", &json!({ "name": tool, "arguments": {}, "_meta": meta() }))
}

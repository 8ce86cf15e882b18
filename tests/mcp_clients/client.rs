//! rmcp's client with its `auth` feature against a protected MCP server, as `client.mjs` is for the TypeScript SDK: challenge,
//! discovery, sign-in as a pre-registered client, call, step-up. Run by `run.mjs`.
//!
//! Arguments: the address of the server, then the tools to call.

use std::collections::BTreeMap;
use std::error::Error;

use reqwest::Url;
use reqwest::redirect::Policy;
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, ClientConfig};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState, WWWAuthenticateParams,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

const CLIENT: &str = "mcp-client";
const REDIRECT: &str = "http://127.0.0.1:24019/callback";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the first argument is the address of the server")?;
    let config = || StreamableHttpClientTransportConfig::with_uri(url.as_str());

    let stranger = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config());
    let Err(error) = ClientConfig::default().serve(stranger).await else { return Err("it answers strangers".into()) };
    let challenge = error.auth_challenge().ok_or_else(|| format!("no challenge: {error}"))?.to_owned();
    println!("challenge: {challenge}");

    let mut state = OAuthState::new(url.as_str(), None).await?;
    let request = AuthorizationRequest::new(REDIRECT).with_preregistered_client(CLIENT).with_challenge(challenge);
    state.start_authorization(request).await?;
    state.handle_callback_url(&sign_in(&state.get_authorization_url().await?).await?).await?;
    let manager = state.into_authorization_manager().ok_or("not authorized")?;
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let manager = client.auth_manager.clone();
    let transport = StreamableHttpClientTransport::with_client(client, config());
    let service = ClientConfig::default().serve(transport).await?;
    println!("protocol: {:?}", service.peer_info().map(|info| info.protocol_version.clone()));

    for tool in arguments {
        let call = || service.call_tool(CallToolRequestParams::new(tool.clone()));
        let outcome = match call().await {
            Err(error) => {
                let challenge = error.auth_challenge().ok_or_else(|| format!("{tool}: {error}"))?;
                let challenge = WWWAuthenticateParams::parse(challenge, &Url::parse(&url)?);
                if !challenge.is_insufficient_scope() {
                    return Err(format!("{tool}: {error}").into());
                }
                let scope = challenge.scope.ok_or_else(|| format!("{tool}: no scope: {error}"))?;
                println!("403 {tool}: {scope}");
                let manager = manager.lock().await;
                let back = sign_in(&manager.request_scope_upgrade(&scope).await?).await?;
                let AuthorizationCallback { code, csrf_token, issuer, .. } =
                    AuthorizationCallback::from_redirect_url(&back)?;
                manager.exchange_code_for_token_with_issuer(&code, &csrf_token, issuer.as_deref()).await?;
                drop(manager);
                call().await
            }
            outcome => outcome,
        };
        println!("TOOL {tool}: {}", serde_json::to_string(&outcome?.content)?);
    }
    service.cancel().await?;
    Ok(())
}

/// What a browser does: it follows redirects with cookies until the client's own address.
async fn sign_in(url: &str) -> Result<String, Box<dyn Error>> {
    println!("authorization request: {url}");
    let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
    let mut cookies = BTreeMap::new();
    let mut at = Url::parse(url)?;
    while !at.as_str().starts_with(REDIRECT) {
        let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = browser.get(at.clone()).header("cookie", line.join("; ")).send().await?;
        for cookie in response.headers().get_all("set-cookie") {
            if let Some((name, value)) = cookie.to_str()?.split(';').next().and_then(|pair| pair.split_once('=')) {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get("location").ok_or_else(|| format!("stopped at {at}"))?;
        at = at.join(location.to_str()?)?;
    }
    Ok(at.into())
}

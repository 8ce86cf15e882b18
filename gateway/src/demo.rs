//! The quick start: everything in one process, and requests to paste.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use orgate::testing::TestIssuer;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::compile::{Purpose, compile};
use crate::config;
use crate::face::Current;
use crate::gateway::Face;
use crate::net::{Body, full};
use crate::serve::{Started, start};

const RESOURCE: &str = "https://api.example.com";

/// Serves until Ctrl-C.
pub(crate) async fn run(port: u16) -> io::Result<()> {
    let issuer = TestIssuer::start().await;
    let (orders, profile) = (upstream("orders").await?, upstream("profile").await?);
    let folder = std::env::temp_dir().join(format!("orgate-demo-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = folder.join("gateway.toml");
    let text = configuration(port, issuer.url(), orders, profile);
    fs::write(&path, &text)?;
    let gateway = config::load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).map_err(io::Error::other);
    fs::remove_dir_all(&folder)?;
    let current: Current = Arc::new(ArcSwap::from_pointee(gateway?));
    let (stop, stopped) = watch::channel(false);
    let Started { mut faces, addresses } = start(&current, &stopped).await?;
    let port = addresses.get(&Face::Proxy).map_or(port, SocketAddr::port);
    let token = issuer
        .organization_resource_token(RESOURCE, "acme")
        .subject("u1")
        .client("web")
        .scope("read:orders")
        .expires_in(Duration::from_secs(3600))
        .mint();
    let global = issuer.resource_token(RESOURCE).subject("u1").client("web");
    let global = global.scope("read:products").expires_in(Duration::from_secs(3600)).mint();
    println!("{text}\n{}", requests(port, &token, &global));
    tokio::signal::ctrl_c().await?;
    _ = stop.send(true);
    while faces.join_next().await.is_some() {}
    Ok(())
}

fn configuration(port: u16, issuer: &str, orders: u16, profile: u16) -> String {
    format!(
        r#"[api]
resource = "{RESOURCE}"
public_url = "http://127.0.0.1:{port}"

[[issuer]]
name = "customers"
url = "{issuer}"

[listen]
proxy = "127.0.0.1:{port}"

[upstream.orders]
url = "http://127.0.0.1:{orders}"

[upstream.profile]
url = "http://127.0.0.1:{profile}"

[[route]]
path = "/orgs/{{org}}/orders"
methods = ["GET"]
policy = "resource in organization from path {{org}} and scope read:orders"
upstream = "orders"

[[route]]
path = "/orgs/{{org}}/orders"
methods = ["POST"]
policy = "resource in organization from path {{org}} and scope write:orders"
upstream = "orders"

[[route]]
path = "/products"
methods = ["GET"]
policy = "resource and scope read:products"
upstream = "profile"

[[route]]
path = "/health"
public = true
upstream = "profile"
"#
    )
}

fn requests(port: u16, token: &str, global: &str) -> String {
    let at = format!("http://127.0.0.1:{port}");
    format!(
        r#"# The token is for the organization acme and holds read:orders:
TOKEN={token}
# This one is for no organization and holds read:products:
GLOBAL_TOKEN={global}

# 200, with what the upstream learned about the caller:
curl -i {at}/orgs/acme/orders -H "Authorization: Bearer $TOKEN"
# 200, for no organization:
curl -i {at}/products -H "Authorization: Bearer $GLOBAL_TOKEN"
# 403, a token of an organization on a route for none:
curl -i {at}/products -H "Authorization: Bearer $TOKEN"
# 200, public:
curl -i {at}/health
# 401, no token:
curl -i {at}/orgs/acme/orders
# 403, another organization:
curl -i {at}/orgs/globex/orders -H "Authorization: Bearer $TOKEN"
# 403, a scope is missing:
curl -i -X POST {at}/orgs/acme/orders -H "Authorization: Bearer $TOKEN"
# 404, no route:
curl -i {at}/admin -H "Authorization: Bearer $TOKEN"
# 200, and the forged identity header is not what the upstream gets:
curl -i {at}/orgs/acme/orders -H "Authorization: Bearer $TOKEN" -H 'Orgate: sub="root"'
"#
    )
}

/// A server that repeats what it was sent.
async fn upstream(name: &'static str) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(async move |request| Ok::<_, Infallible>(echo(name, &request)));
                _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(port)
}

fn echo(name: &str, request: &Request<Incoming>) -> Response<Body> {
    let mut text = format!("{name} received {} {}\n", request.method(), request.uri());
    let headers: &HeaderMap = request.headers();
    for (name, value) in headers {
        _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    Response::new(full(text))
}

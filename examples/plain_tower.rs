//! Without axum: a Tower service on a bare hyper connection, with a router of its own.
//!
//! `cargo run --example plain_tower`. Prints `curl` lines, then serves until Ctrl-C.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use orgate::engine::Grant;
use orgate::organization::PathParams;
use orgate::policy::{path, resource};
use orgate::testing::TestIssuer;
use orgate::{Organization, ResourceServer};
use tower::{Layer, ServiceExt, service_fn};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build()?;

    // The layer goes around the endpoint, inside the router: the router says what {org} is.
    let policy = resource().in_organization(path("org")).scope("read:orders");
    let orders = server.require(policy)?.layer(service_fn(list_orders));

    let router = service_fn(move |mut request: Request<Incoming>| {
        let orders = orders.clone();
        async move {
            let Some(org) = org_of_orders(&request) else { return Ok(not_found()) };
            request.extensions_mut().insert(PathParams::new([("org", org)]));
            orders.oneshot(request).await.map(|response| response.map(BodyExt::boxed))
        }
    });

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}", listener.local_addr()?);
    let acme = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
    println!("# 200: the token is for this API within acme");
    println!("curl -i {api}/orgs/acme/orders -H 'Authorization: Bearer {acme}'\n");
    println!("# 403: the path says globex\ncurl -i {api}/orgs/globex/orders -H 'Authorization: Bearer {acme}'\n");
    println!("# 401: no token\ncurl -i {api}/orgs/acme/orders\n");
    println!("# 404: no such route, token or not\ncurl -i {api}/elsewhere\n");

    println!("# Serving until Ctrl-C.");
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // An error is the end of this connection, and of nothing else.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The `{org}` of `GET /orgs/{org}/orders`. Path parameters are *decoded* values: this router takes only those that
/// need no decoding.
fn org_of_orders(request: &Request<Incoming>) -> Option<String> {
    let segments: Vec<&str> = request.uri().path().split('/').collect();
    match (request.method(), &*segments) {
        (&Method::GET, ["", "orgs", org, "orders"]) if !org.contains('%') => Some((*org).to_owned()),
        _ => None,
    }
}

async fn list_orders(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // The layer put it there: without it the request would not have come this far.
    let org =
        request.extensions().get::<Grant>().and_then(Grant::organization).map(Organization::id).unwrap_or_default();
    Ok(Response::new(Full::from(format!("orders of {org}\n"))))
}

fn not_found() -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::from("not found\n").boxed());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

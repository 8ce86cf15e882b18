//! A tonic service behind a policy, and a client that calls it: `cargo run --example grpc`.
//!
//! The messages and the service are written by hand, so nothing is generated. Rejections reach the client as gRPC
//! statuses: `UNAUTHENTICATED`, `PERMISSION_DENIED`. The program ends by itself.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use orgate::ResourceServer;
use orgate::engine::Grant;
use orgate::policy::{header, resource};
use orgate::testing::TestIssuer;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{NamedService, UnaryService};
use tonic::service::LayerExt;
use tonic::transport::{Channel, Server, server::TcpIncoming};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build()?;

    // Which organization a call is about is in its metadata.
    let policy = resource().in_organization(header("x-organization-id")).scope("read:orders");
    let service = server.require(policy)?.named_layer(Orders);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));

    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let acme = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
    let expired = issuer.organization_resource_token(API, "acme").scope("read:orders").expired().mint();
    for (what_it_shows, token, organization, expected) in [
        ("the token is for this API within acme", Some(&acme), "acme", Code::Ok),
        ("no token", None, "acme", Code::Unauthenticated),
        ("an expired token", Some(&expired), "acme", Code::Unauthenticated),
        ("the call is about globex, the token about acme", Some(&acme), "globex", Code::PermissionDenied),
    ] {
        let answer = list(channel.clone(), token, organization).await;
        let (code, text) = match &answer {
            Ok(reply) => (Code::Ok, reply.get_ref().text.as_str()),
            Err(status) => (status.code(), status.message()),
        };
        println!("{what_it_shows}: {code:?}, {text}");
        assert_eq!(code, expected);
    }
    Ok(())
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListRequest {
    #[prost(uint32, tag = "1")]
    limit: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListReply {
    #[prost(string, tag = "1")]
    text: String,
}

/// The method itself: by the time it runs, the policy has passed.
struct List;

impl UnaryService<ListRequest> for List {
    type Response = ListReply;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ListReply>, Status>> + Send>>;

    fn call(&mut self, request: Request<ListRequest>) -> Self::Future {
        Box::pin(async move {
            let organization = request.extensions().get::<Grant>().and_then(Grant::organization).cloned();
            let organization = organization.ok_or_else(|| Status::internal("the service is not behind its policy"))?;
            let limit = request.get_ref().limit;
            Ok(Response::new(ListReply { text: format!("the first {limit} orders of {organization}") }))
        })
    }
}

/// What a code generator would write around it.
#[derive(Clone)]
struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl tower::Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != "/shop.Orders/List" {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let codec = ProstCodec::<ListReply, ListRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(List, request).await)
        })
    }
}

async fn list(channel: Channel, token: Option<&String>, organization: &str) -> Result<Response<ListReply>, Status> {
    let mut request = Request::new(ListRequest { limit: 10 });
    let wrong = |_| Status::invalid_argument("not a metadata value");
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().map_err(wrong)?);
    }
    request.metadata_mut().insert("x-organization-id", organization.parse().map_err(wrong)?);

    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<ListRequest, ListReply>::default();
    client.unary(request, http::uri::PathAndQuery::from_static("/shop.Orders/List"), codec).await
}

//! An API in this process, and a tenant with a few roles.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError};
use orgate::testing::{RoleType, TestTenant};
use orgate::{Guard, ResourceServer};
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const OTHER: &str = "https://api.example.com/other";
/// An indicator of the server that the tenant does not know.
pub(crate) const UNKNOWN: &str = "https://api.example.com/unknown";

pub(crate) async fn handler() -> &'static str {
    "passed"
}

/// A server that is sent no token.
pub(crate) fn server() -> ResourceServer {
    ResourceServer::builder("https://tenant.logto.app/oidc", API).resource(OTHER).resource(UNKNOWN).build().unwrap()
}

pub(crate) fn guard() -> Guard {
    server().guard()
}

/// A router as a client: what is asked is answered in this process.
pub(crate) struct InProcess(pub(crate) Router);

impl Fetch for InProcess {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let answer = self.answer(request);
        Box::pin(async move {
            let (parts, body) = answer.await.into_parts();
            Ok(Response::from_parts(parts, body.collect().await.unwrap().to_bytes()))
        })
    }

    fn fetch_head(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<()>, FetchError>> {
        let answer = self.answer(request);
        Box::pin(async move { Ok(answer.await.map(drop)) })
    }
}

impl InProcess {
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send + use<> {
        let (mut parts, body) = request.into_parts();
        parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        let answer = self.0.clone().oneshot(Request::from_parts(parts, Body::from(body)));
        async move { answer.await.unwrap() }
    }
}

/// Two resources, and roles of every kind.
pub(crate) async fn tenant() -> TestTenant {
    let tenant = TestTenant::start().await;
    tenant.add_resource(API, &["read:orders", "write:orders", "approve:orders", "export"]);
    tenant.add_resource(OTHER, &["read:other"]);
    for scope in ["invite:member", "remove:member"] {
        tenant.add_organization_scope(scope);
    }
    tenant.add_role("support", RoleType::User, API, &["read:orders"]);
    tenant.add_role("robot", RoleType::MachineToMachine, API, &["export"]);
    tenant.add_organization_role("admin", RoleType::User, &["invite:member"]);
    for scope in ["read:orders", "write:orders"] {
        tenant.add_resource_scope_to_organization_role("admin", API, scope);
    }
    tenant.add_organization_role("auditor", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("auditor", API, "approve:orders");
    tenant.add_organization_role("worker", RoleType::MachineToMachine, &["invite:member"]);
    tenant.add_resource_scope_to_organization_role("worker", API, "read:orders");
    tenant.add_organization("acme");
    tenant.add_organization("globex");
    tenant
}

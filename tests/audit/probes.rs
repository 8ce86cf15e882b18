//! What a prober asks, and what it does not.

use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use orgate::http::HttpClient;
use orgate::policy::resource;
use orgate::testing::{Prober, TenantTokens, TestTenant};
use orgate::{Guard, ResourceServer};

use crate::support::{API, InProcess, handler, tenant};

async fn endless() -> impl IntoResponse {
    Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>())
}

fn guard(tenant: &TestTenant) -> Guard {
    let issuer = tenant.issuer();
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let (read, export) = (|| resource().scope("read:orders"), || resource().scope("export"));
    server
        .guard()
        .get("/both", handler, read())
        .any("/both", handler, export())
        .post("/rest", handler, read())
        .any("/rest", handler, export())
        .get("/events", endless, read())
}

#[tokio::test]
async fn route_of_the_other_methods_is_asked_by_one_of_them_or_not_at_all() {
    let tenant = tenant().await;
    let api = guard(&tenant);
    let audit = api.audit(&tenant).await.unwrap();
    let tokens = TenantTokens::new(&tenant, "acme").resource(API);
    let client = HttpClient::custom(InProcess(api.into_router().unwrap()));
    let prober = || Prober::new(audit.report(), "http://api.example.com").http_client(client.clone());
    let probe = prober().run(&tokens).await.unwrap();
    assert!(probe.is_clean(), "{probe}");
    assert_eq!(probe.skipped, ["* /both", "POST /rest"]);
    let probe = prober().dangerous_all_methods().run(&tokens).await.unwrap();
    assert!(probe.is_clean() && probe.skipped.is_empty(), "{probe}");
}

#[tokio::test]
async fn answer_that_never_ends_is_judged_by_its_head() {
    let tenant = tenant().await;
    let api = guard(&tenant);
    let audit = api.audit(&tenant).await.unwrap();
    let tokens = TenantTokens::new(&tenant, "acme").resource(API);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = api.into_router().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    for (base, client) in [("http://api.example.com", None), (&*base, Some(HttpClient::new()))] {
        let client = client.unwrap_or_else(|| HttpClient::custom(InProcess(guard(&tenant).into_router().unwrap())));
        let probe = Prober::new(audit.report(), base).http_client(client).run(&tokens).await.unwrap();
        assert!(probe.is_clean() && probe.agreed > 0, "{probe}");
    }
    serving.abort();
}

//! What cannot be brought about from outside.

use std::time::Duration;

use http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::policy::resource;
use crate::testing::TestIssuer;
use crate::{Issuer, ResourceServer};

#[test]
fn request_without_a_free_signature_check_is_counted_as_rejected() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let prometheus = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scenario = async {
        let issuer = TestIssuer::start().await;
        let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
        let builder = ResourceServer::builder(entry, "https://api.example.com").clock(issuer.clock());
        let builder = builder.max_concurrent_verifications(1).verification_queue(0, Duration::ZERO);
        let server = builder.metrics().build().unwrap();
        let requirement = server.requirement(resource()).unwrap();
        let token = issuer.resource_token("https://api.example.com").mint();
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let busy = server.state.permits.try_acquire().unwrap();
        server.update_metrics();
        assert_eq!(requirement.authorize(&mut parts).await.unwrap_err().status(), 503);
        drop(busy);
        assert!(prometheus.render().contains("orgate_signature_checks_running 1"));
        assert!(requirement.authorize(&mut parts).await.is_ok());
        server.update_metrics();
    };
    ::metrics::with_local_recorder(&recorder, || runtime.block_on(scenario));
    let text = prometheus.render();
    for line in [
        "orgate_signature_checks_refused_total 1",
        "orgate_signature_checks_running 0",
        "orgate_signature_checks_waiting 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

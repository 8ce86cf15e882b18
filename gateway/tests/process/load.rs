//! Reloads while requests are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use orgate::testing::TestIssuer;

use crate::application::Recorder;
use crate::support::{RESOURCE, Running, beginning};

const RELOADS: u64 = 100;
/// A thousand requests a second: so many tasks, each with a request every so often.
const CLIENTS: usize = 20;
const EVERY: Duration = Duration::from_millis(20);

/// Two sound configurations that differ in two places, and faulty ones in between.
#[tokio::test(flavor = "multi_thread")]
async fn hundred_reloads_under_load_fail_no_request_and_keep_what_was_sound() {
    let (issuer, application) = (TestIssuer::start().await, Recorder::start().await);
    let route =
        "path = \"/orgs/{org}/orders\"\npolicy = \"resource in organization from path {org} and scope read:orders\"\n";
    let one = format!(
        "{}[upstream.a]\nurl = \"http://{}\"\n[[route]]\n{route}upstream = \"a\"\n",
        beginning(issuer.url()),
        application.address
    );
    let gateway = Running::start(&one).await;
    let one = std::fs::read_to_string(&gateway.path).unwrap();
    let two = format!(
        "{}[identity]\nheader = \"Other\"\n",
        one.replace("[upstream.a]", "[[route]]\npath = \"/new\"\npublic = true\nupstream = \"a\"\n[upstream.a]")
    );
    let token = issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web").scope("read:orders");
    let (uri, token) = (format!("http://{}/orgs/acme/orders", gateway.proxy), format!("Bearer {}", token.mint()));
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (stop, done, client) = (stop.clone(), done.clone(), client.clone());
        let (uri, token) = (uri.clone(), token.clone());
        clients.spawn(async move {
            let mut interval = tokio::time::interval(EVERY);
            while !stop.load(Ordering::Relaxed) {
                interval.tick().await;
                let request = Request::get(&uri).header("authorization", &token).body(Full::default()).unwrap();
                let response = client.request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "served");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let [loaded, faulty] =
        ["loaded", "faulty"].map(|outcome| format!("orgate_gateway_reloads_total{{outcome=\"{outcome}\"}}"));
    let started = tokio::time::Instant::now();
    for reload in 0..RELOADS {
        let is_faulty = reload % 10 == 9;
        let text = if reload % 2 == 0 { &two } else { &one };
        let text = if is_faulty { text.replace("scope read:orders", "scope") } else { text.clone() };
        let counter = if is_faulty { &faulty } else { &loaded };
        let before = gateway.metric(counter).await;
        std::fs::write(&gateway.path, text).unwrap();
        gateway.signal("HUP");
        while gateway.metric(counter).await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if is_faulty {
            assert_eq!(gateway.metric("orgate_gateway_last_reload_failed").await, 1);
        }
    }
    let took = started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let done = done.load(Ordering::Relaxed);
    let received = application.take();
    assert_eq!(received.len(), done, "each request reached the application once");
    let (mut ones, mut others) = (0, 0);
    for headers in &received {
        match (headers.contains_key("orgate"), headers.contains_key("other")) {
            (true, false) => ones += 1,
            (false, true) => others += 1,
            _ => panic!("half a configuration: {headers:?}"),
        }
    }
    assert!(ones > 0 && others > 0, "{ones} and {others}");
    let log = gateway.log();
    assert_eq!(log.matches("the configuration is faulty").count() as u64, gateway.metric(&faulty).await);
    let (loaded, faulty) = (gateway.metric(&loaded).await, gateway.metric(&faulty).await);
    println!(
        "{done} requests in {took:.1} s, {:.0} a second; {loaded} reloads, {faulty} faulty",
        f64::from(u32::try_from(done).unwrap()) / took
    );
}

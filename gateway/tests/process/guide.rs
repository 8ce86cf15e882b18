//! The pages of the guide, tried as a reader would: the file as it is printed, the configuration to copy, the requests.

use std::process::Command;
use std::time::Duration;

use orgate::testing::TestIssuer;

use crate::application::Recorder;
use crate::proxies::{Ports, free_port, launch};
use crate::support::{RESOURCE, Running};

const GATEWAY: &str = include_str!("../../../docs/guide/gateway.md");
const NGINX: &str = include_str!("../../../docs/guide/behind-nginx.md");
const ENVOY: &str = include_str!("../../../docs/guide/behind-envoy.md");
const CADDY_AND_TRAEFIK: &str = include_str!("../../../docs/guide/behind-caddy-and-traefik.md");

/// Returns the code blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

/// Returns the file that a page prints as a whole.
fn file(page: &str) -> String {
    let whole: Vec<&str> = blocks(page, "toml").into_iter().filter(|block| block.contains("[api]")).collect();
    assert_eq!(whole.len(), 1, "a page has one whole file");
    whole[0].to_owned()
}

/// Returns each request of a page with the status that stands above it.
fn requests(page: &str) -> Vec<(String, String)> {
    let mut requests = Vec::new();
    for block in blocks(page, "sh") {
        let mut announced = None;
        for line in block.lines() {
            if let Some(status) = line.strip_prefix("# ").and_then(|line| line.get(..3)) {
                announced = Some(status.to_owned());
            } else if line.starts_with("curl ") {
                requests.push((announced.take().expect("a status above each request"), line.to_owned()));
            }
        }
    }
    requests
}

async fn ask(request: &str, port: u16, token: &str) -> String {
    let request = request.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{request} --noproxy '*' -sS -o /dev/null -w '%{{http_code}}'")).env("TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tries a page's requests through `proxy`, or the gateway itself, with the page's file after `adapt`.
async fn try_page(page: &str, proxy: Option<&str>, adapt: impl Fn(String) -> String) {
    let (issuer, application) = (TestIssuer::start().await, Recorder::start().await);
    let ports = Ports {
        proxy: free_port(),
        forward_auth: free_port(),
        ext_authz: free_port(),
        application: application.address.port(),
    };
    let text = adapt(file(page))
        .replace("https://tenant.logto.app/oidc", issuer.url())
        .replace("0.0.0.0:8080", "{proxy}")
        .replace("127.0.0.1:9090", "{admin}")
        .replace("127.0.0.1:3001", &application.address.to_string())
        .replace("127.0.0.1:9000", &format!("127.0.0.1:{}", ports.forward_auth))
        .replace("127.0.0.1:9001", &format!("127.0.0.1:{}", ports.ext_authz));
    let gateway = Running::start(&text).await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = proxy.map(|proxy| launch(proxy, folder.path(), ports));
    let port = if child.is_some() { ports.proxy } else { gateway.proxy.port() };
    let token =
        issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web").scope("read:orders").mint();
    let requests = requests(page);
    assert!(requests.len() >= 5);
    let mut tries = 0;
    while ask(&requests[0].1, port, &token).await != requests[0].0 && tries < 200 {
        tries += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut found = Vec::new();
    for (announced, request) in &requests {
        found.push((announced, ask(request, port, &token).await, request));
    }
    if let Some(child) = &mut child {
        _ = child.kill();
        _ = child.wait();
    }
    for (announced, status, request) in found {
        assert_eq!(&status, announced, "{proxy:?}: {request}");
    }
    let received = application.take();
    let known: Vec<_> =
        received.iter().filter_map(|headers| headers.get("orgate")).filter(|it| !it.is_empty()).collect();
    let accepted = requests.iter().filter(|(status, request)| status == "200" && request.contains("$TOKEN"));
    assert_eq!(known.len(), accepted.count(), "{proxy:?}: {received:?}");
    let is_of_the_token = |value: &str| value.contains("u1") && !value.contains("root");
    assert!(known.iter().all(|value| is_of_the_token(&format!("{value:?}"))), "{proxy:?}: {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_the_gateway_answers_as_it_says() {
    try_page(GATEWAY, None, |text| text).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs of the proxies"]
async fn page_of_nginx_answers_as_it_says() {
    try_page(NGINX, Some("nginx"), |text| text).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs of the proxies"]
async fn page_of_envoy_answers_as_it_says() {
    try_page(ENVOY, Some("envoy-grpc"), |text| text).await;
    // What the page says to write instead.
    let other = *blocks(ENVOY, "toml").last().unwrap();
    try_page(ENVOY, Some("envoy-http"), |text| {
        let (before, rest) = text.split_once("[listen]").unwrap();
        let routes = rest.find("[[route]]").unwrap();
        format!("{before}{other}{}", &rest[routes..])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs of the proxies"]
async fn page_of_caddy_and_traefik_answers_as_it_says() {
    try_page(CADDY_AND_TRAEFIK, Some("caddy"), |text| text).await;
    let other = *blocks(CADDY_AND_TRAEFIK, "toml").last().unwrap();
    try_page(CADDY_AND_TRAEFIK, Some("traefik"), |text| {
        let (before, rest) = text.split_once("[forward_auth]").unwrap();
        let routes = rest.find("[[route]]").unwrap();
        format!("{before}{other}{}", &rest[routes..])
    })
    .await;
}

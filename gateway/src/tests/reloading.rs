use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use orgate::change::About;
use orgate::testing::TestIssuer;

use super::World;
use super::world::{RESOURCE, status};
use crate::compile::{Purpose, compile};
use crate::config::load;
use crate::gateway::Face;
use crate::net::full;
use crate::reload;

async fn eventually(world: &World, line: &str, expected: u16) {
    for _ in 0..100 {
        if status(&world.ask(line, "").await) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{line} never answered {expected}");
}

#[tokio::test]
async fn changed_file_takes_effect_and_a_faulty_one_does_not() {
    let world = World::start().await;
    let watching = tokio::spawn(reload::watch(world.path.clone(), world.current.clone(), vec![world.path.clone()]));
    assert_eq!(status(&world.ask("GET /new/x", "").await), 404);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let route = "[[route]]\npath = \"/new/{x}\"\npublic = true\nupstream = \"application\"\n";
    std::fs::write(&world.path, format!("{}{route}", world.text)).unwrap();
    eventually(&world, "GET /new/x", 200).await;
    std::fs::write(&world.path, "[api]\nresource = 1\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(status(&world.ask("GET /new/x", "").await), 200);
    std::fs::write(&world.path, &world.text).unwrap();
    eventually(&world, "GET /new/x", 404).await;
    watching.abort();
}

fn reloaded(world: &World, text: &str) -> Result<(), String> {
    std::fs::write(&world.path, text).unwrap();
    let before = world.current.load_full();
    let gateway = load(&world.path).and_then(|loaded| compile(loaded, Purpose::Replace(&before)));
    gateway.map(|gateway| world.current.store(gateway.into())).map_err(|fault| fault.to_string())
}

fn token_of(issuer: &TestIssuer) -> String {
    let token = issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
    token.scope("read:orders").mint()
}

async fn ask_with(world: &World, token: &str) -> u16 {
    status(&world.ask("GET /orgs/acme/orders", &format!("Authorization: Bearer {token}\r\n")).await)
}

/// The demo's issuer gets another port with each start: the name stays, the URL does not.
#[tokio::test]
async fn issuer_that_gets_another_url_under_its_name_is_exchanged_in_place() {
    let (world, other) = (World::start().await, TestIssuer::start().await);
    let theirs = token_of(&other);
    assert_eq!((ask_with(&world, &world.token).await, ask_with(&world, &theirs).await), (200, 401));
    let moved = world.text.replace(world.issuer.url(), other.url());
    reloaded(&world, &moved).unwrap();
    assert_eq!((ask_with(&world, &world.token).await, ask_with(&world, &theirs).await), (401, 200));
    // And back, beside another one that is new and one whose settings change.
    let third = TestIssuer::start().await;
    let staff = format!("[[issuer]]\nname = \"staff\"\nurl = \"{}\"\n", third.url());
    let named = |text: &str| text.replace("policy = \"resource in", "policy = \"issued by customers and resource in");
    reloaded(&world, &named(&world.text).replace("[listen]", &format!("{staff}[listen]"))).unwrap();
    assert_eq!((ask_with(&world, &world.token).await, ask_with(&world, &theirs).await), (200, 401));
    assert_eq!(ask_with(&world, &token_of(&third)).await, 403);
    assert_eq!(world.current.load().server.issuers().len(), 2);
}

/// The first two changes are sound, the third is one that only a start accepts: none of them takes effect.
#[tokio::test]
async fn reload_that_fails_at_its_last_issuer_leaves_every_issuer_as_it_was() {
    let (world, moved, staff) = (World::start().await, TestIssuer::start().await, TestIssuer::start().await);
    let staff = format!("[[issuer]]\nname = \"staff\"\nurl = \"{}\"\n", staff.url());
    let named = world.text.replace("policy = \"resource in", "policy = \"issued by customers and resource in");
    reloaded(&world, &named.replace("[listen]", &format!("{staff}[listen]"))).unwrap();
    let log = world.path.with_file_name("decisions.jsonl");
    let before = world.current.load_full();
    before.server.issuer("customers").unwrap().revoke(About::client("lost")).unwrap();
    let (keys, revocations) = (before.server.keys().len(), before.server.revocations());
    assert_eq!(ask_with(&world, &world.token).await, 200);
    let plain = "http://127.0.0.1:9/oidc";
    let text = named.replace(world.issuer.url(), moved.url()).replace(
        "[listen]",
        &format!(
            "{}[[issuer]]\nname = \"plain\"\nurl = \"{plain}\"\n[log]\ndecisions = \"{}\"\n[listen]",
            staff.replace("url =", "organization_tokens = true\nurl ="),
            log.display()
        ),
    );
    let fault = reloaded(&world, &text).unwrap_err();
    let line = text.lines().position(|line| line.contains(plain)).unwrap() + 1;
    assert!(fault.contains(&format!("gateway.toml:{line}:")) && fault.contains("plain http"), "{fault}");
    assert!(fault.contains("dangerous_allow_http") && fault.ends_with("restart orgate to use this file"), "{fault}");
    assert!(!fault.contains("add_issuer"), "{fault}");
    assert!(!log.exists(), "a rejected reload made a log of decisions");
    assert!(Arc::ptr_eq(&before, &world.current.load_full()));
    assert_eq!((ask_with(&world, &world.token).await, ask_with(&world, &token_of(&moved)).await), (200, 401));
    let server = &before.server;
    assert_eq!(server.keys().len(), keys);
    assert_eq!(format!("{revocations:?}"), format!("{:?}", server.revocations()));
    assert!(server.issuer("plain").is_err());
    // The start that the log line asks for.
    std::fs::write(&world.path, &text).unwrap();
    let started = compile(load(&world.path).unwrap(), Purpose::Serve).unwrap();
    assert_eq!(started.server.issuers().len(), 3);
    assert!(log.exists());
}

/// A log beside the configuration, written all the time: it is no change, and it holds no change back.
#[tokio::test]
async fn other_files_of_the_folder_neither_reload_nor_delay_a_reload() {
    let world = World::start().await;
    let log = world.path.with_file_name("decisions.jsonl");
    let writing = tokio::spawn(async move {
        for line in 0.. {
            std::fs::write(&log, format!("{line}\n")).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let watching = tokio::spawn(reload::watch(world.path.clone(), world.current.clone(), vec![world.path.clone()]));
    let before = world.current.load_full();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(Arc::ptr_eq(&before, &world.current.load_full()), "nothing of the configuration has changed");
    let route = "[[route]]\npath = \"/new/{x}\"\npublic = true\nupstream = \"application\"\n";
    std::fs::write(&world.path, format!("{}{route}", world.text)).unwrap();
    eventually(&world, "GET /new/x", 200).await;
    watching.abort();
    writing.abort();
}

/// Two configurations that differ in two places, swapped while requests are in flight: none fails, and each is judged by one
/// of them as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn hundred_reloads_under_load_fail_no_request() {
    let world = World::with("nginx", "").await;
    let one = world.text.clone();
    // In the other one the header has another name, and a stricter policy says so.
    let two = format!("{one}[identity]\nheader = \"Other\"\n").replace(
        "path = \"/header/orders\"\nmethods = [\"GET\"]",
        "path = \"/header/orders\"\nmethods = [\"GET\", \"POST\"]",
    );
    // A token that was verified before needs no place in the queue for signatures.
    while status(&world.ask("GET /orgs/acme/orders", "Authorization: Bearer {{TOKEN}}\r\n").await) != 200 {}
    world.application.take();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (stop, done, client) = (stop.clone(), done.clone(), client.clone());
        let (uri, token) =
            (format!("http://{}/orgs/acme/orders", world.addresses[&Face::Proxy]), format!("Bearer {}", world.token));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let request = Request::get(&uri).header("authorization", &token).body(full("")).unwrap();
                assert_eq!(client.request(request).await.unwrap().status(), 200);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for reload in 0..100 {
        std::fs::write(&world.path, if reload % 2 == 0 { &two } else { &one }).unwrap();
        let before = world.current.load_full();
        let gateway = compile(load(&world.path).unwrap(), Purpose::Replace(&before)).unwrap();
        world.current.store(gateway.into());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(done.load(Ordering::Relaxed) > 200, "{done:?}");
    let received = world.application.take();
    for received in &received {
        let named = |name: &str| received.head.headers.contains_key(name);
        assert!(named("orgate") != named("other"), "{:?}", received.head.headers);
    }
    assert!(received.iter().any(|received| received.head.headers.contains_key("other")));
}

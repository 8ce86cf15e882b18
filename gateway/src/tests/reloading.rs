use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::World;
use super::world::status;
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

//! How large the head of a request may be.

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::World;
use super::world::status;
use crate::gateway::Face;
use crate::net::full;

const LIMIT: usize = 64 * 1024;

/// A request over HTTP/1.1 with a head of this length.
fn head(length: usize) -> String {
    let around = "GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Large: \r\n\r\n";
    around.replace("X-Large: ", &format!("X-Large: {}", "x".repeat(length - around.len())))
}

#[tokio::test]
async fn head_of_64_kib_is_431_and_a_shorter_one_passes() {
    let world = World::start().await;
    for (length, expected) in [(LIMIT - 1024, 200), (LIMIT, 431), (LIMIT + 1, 431), (2 * LIMIT, 431), (16 * LIMIT, 431)]
    {
        let response = world.raw(Face::Proxy, head(length)).await;
        assert_eq!(status(&response), expected, "{length}: {response}");
        assert_eq!(world.application.take().len(), usize::from(expected == 200), "{length}");
    }
}

#[tokio::test]
async fn more_than_256_fields_are_431() {
    let world = World::start().await;
    for (fields, expected) in [(254, 200), (257, 431)] {
        // Host and Connection are two more.
        let response = world.ask("GET /public/x", &"X: y\r\n".repeat(fields - 2)).await;
        assert_eq!(status(&response), expected, "{fields}: {response}");
        assert_eq!(world.application.take().len(), usize::from(expected == 200), "{fields}");
    }
}

#[tokio::test]
async fn head_of_64_kib_is_431_over_http2() {
    let world = World::start().await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for (length, expected) in [(LIMIT - 1024, 200), (LIMIT, 431)] {
        let request = Request::get(format!("http://{}/public/x", world.addresses[&Face::Proxy]));
        let request = request.header("x-large", "x".repeat(length)).body(full("")).unwrap();
        assert_eq!(client.request(request).await.unwrap().status(), expected, "{length}");
        assert_eq!(world.application.take().len(), usize::from(expected == 200), "{length}");
    }
}

#[tokio::test]
async fn limits_change_with_a_reload() {
    let world = World::start().await;
    assert_eq!(status(&world.raw(Face::Proxy, head(20_000)).await), 200);
    world.reload(|text| format!("{text}\n[limits]\nmax_header_bytes = 10000\n"));
    assert_eq!(status(&world.raw(Face::Proxy, head(20_000)).await), 431);
}

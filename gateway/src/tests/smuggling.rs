//! Requests that two servers would cut differently: the upstream reads exactly the judged request, or none.

use super::World;
use super::world::status;
use crate::gateway::Face;

/// A second request, hidden in what one server takes for the body of the first.
const HIDDEN: &str = "GET /public/hidden HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

#[tokio::test]
async fn upstream_reads_at_most_the_request_that_was_judged() {
    let world = World::start().await;
    let token = world.token.clone();
    let post = |lines: &str, body: &str| {
        format!(
            "POST /orgs/acme/orders HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n{lines}\r\n{body}"
        )
    };
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let long = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let cases = [
        (
            "CL.TE",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n", chunked.len()),
                &chunked,
            ),
        ),
        ("TE.CL", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n", &long)),
        (
            "TE twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nConnection: close\r\n", &chunked),
        ),
        ("TE list", post("Transfer-Encoding: chunked, identity\r\nConnection: close\r\n", &chunked)),
        ("TE unknown", post("Transfer-Encoding: xchunked\r\nConnection: close\r\n", &chunked)),
        (
            "TE with a space",
            post(&format!("Transfer-Encoding : chunked\r\nContent-Length: {}\r\n", chunked.len()), &chunked),
        ),
        ("TE folded", post("X: y\r\n Transfer-Encoding: chunked\r\n", &chunked)),
        (
            "CL twice",
            post(&format!("Content-Length: 0\r\nContent-Length: {}\r\nConnection: close\r\n", HIDDEN.len()), HIDDEN),
        ),
        ("CL list", post(&format!("Content-Length: 0, {}\r\nConnection: close\r\n", HIDDEN.len()), HIDDEN)),
        ("CL with a plus", post(&format!("Content-Length: +{}\r\nConnection: close\r\n", HIDDEN.len()), HIDDEN)),
        (
            "chunk length too long",
            post("Transfer-Encoding: chunked\r\nConnection: close\r\n", &format!("fffffffffffffffff\r\n{HIDDEN}")),
        ),
        ("bare LF in a chunk", post("Transfer-Encoding: chunked\r\nConnection: close\r\n", &format!("0\n\n{HIDDEN}"))),
        ("two hosts", post("Host: globex.example.com\r\nConnection: close\r\n", "")),
        ("NUL in a value", post("X: a\0b\r\nConnection: close\r\n", "")),
    ];
    for (name, request) in cases {
        let response = world.raw(Face::Proxy, &request).await;
        let received = world.application.take();
        assert!(received.len() <= 1, "{name}: {received:?}");
        for received in &received {
            assert_eq!(received.head.uri.path(), "/orgs/acme/orders", "{name}");
            let headers = &received.head.headers;
            assert!(!(headers.contains_key("content-length") && headers.contains_key("transfer-encoding")), "{name}");
        }
        // A request that reached no upstream was rejected, by a status or by closing.
        if received.is_empty() {
            let status = status(&response);
            assert!(status == 0 || (400..500).contains(&status), "{name}: {response}");
        }
    }
}

#[tokio::test]
async fn second_request_on_a_connection_is_judged_by_itself() {
    let world = World::start().await;
    let request = format!(
        "GET /orgs/acme/orders HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\n\r\n\
         GET /orgs/globex/orders HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n",
        world.token
    );
    let response = world.raw(Face::Proxy, request).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("HTTP/1.1 401 "), "{response}");
    assert_eq!(world.application.received().len(), 1);
}

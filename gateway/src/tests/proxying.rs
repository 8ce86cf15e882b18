use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::World;
use super::world::status;
use crate::gateway::Face;
use crate::net::full;

#[tokio::test]
async fn request_that_passes_reaches_the_application_as_it_was_judged() {
    let world = World::start().await;
    let headers = "Authorization: Bearer {{TOKEN}}\r\nX-Forwarded-For: 9.9.9.9\r\nX-Original-URL: /admin\r\n\
                   X-HTTP-Method-Override: DELETE\r\nX-Real-Ip: 9.9.9.9\r\nAccept: text/plain\r\n";
    let response = world.ask("GET /orgs/%61cme/orders?page=2&x=%2F", headers).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("x-served-by: application") && !response.contains("keep-alive"), "{response}");
    let received = world.application.take().remove(0);
    assert_eq!(received.head.uri, "/orgs/%61cme/orders?page=2&x=%2F");
    let mut names: Vec<&str> = received.head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "forwarded", "host", "orgate", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
    );
    assert_eq!(received.head.headers["host"], "api.example.com");
    assert_eq!(received.head.headers["x-forwarded-for"], "127.0.0.1");
}

/// The address of the gateway is behind a name, or behind another proxy: the file does not tell.
#[tokio::test]
async fn request_that_comes_back_to_the_gateway_is_508_at_once() {
    let world = World::with("nginx", "[limits]\nmax_connections = 20\n").await;
    let (application, own) = (world.application.address.to_string(), world.addresses[&Face::Proxy].to_string());
    world.reload(|text| text.replace(&application, &own));
    for path in ["/public/x", "/orgs/acme/orders"] {
        let response =
            world.ask(&format!("GET {path}"), "Authorization: Bearer {{TOKEN}}\r\nConnection: Via\r\n").await;
        assert_eq!(status(&response), 508, "{response}");
        assert!(response.contains("an upstream is the gateway itself"), "{response}");
    }
}

#[tokio::test]
async fn proxies_before_the_gateway_are_named_before_it() {
    let world = World::start().await;
    let response = world.ask("GET /public/x", "Via: 1.0 edge, 2 orgate-0123456789abcdef\r\n").await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(!response.contains("via:"), "{response}");
    let received = world.application.take().remove(0);
    let via: Vec<&str> = received.head.headers.get_all("via").iter().map(|via| via.to_str().unwrap()).collect();
    assert_eq!(via[..1], ["1.0 edge, 2 orgate-0123456789abcdef"]);
    assert!(via.len() == 2 && via[1].starts_with("1.1 orgate-"), "{via:?}");
}

#[tokio::test]
async fn rejection_is_the_library_s_and_reaches_nobody() {
    let world = World::start().await;
    let response = world.ask("GET /orgs/acme/orders", "").await;
    assert_eq!(status(&response), 401);
    for part in ["www-authenticate: Bearer", "application/problem+json", "cache-control: no-store", "\"authenticate\""]
    {
        assert!(response.contains(part), "{part}: {response}");
    }
    for (line, expected) in [
        ("GET /orgs/globex/orders", 403),
        ("PUT /orgs/acme/orders", 405),
        ("GET /orgs/acme/../globex/orders", 400),
        ("GET //orgs/acme/orders", 400),
        ("CONNECT api.example.com:80", 400),
        ("OPTIONS *", 400),
        ("GET /PUBLIC/x", 404),
    ] {
        let response = world.ask(line, "Authorization: Bearer {{TOKEN}}\r\n").await;
        assert_eq!(status(&response), expected, "{line}: {response}");
    }
    assert!(world.application.received().is_empty());
}

#[tokio::test]
async fn bodiless_and_partial_responses_pass_unchanged() {
    let world = World::start().await;
    let head = world.ask("HEAD /public/x", "").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 6") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let not_modified = world.ask("GET /public/304", "If-None-Match: \"x\"\r\n").await;
    assert!(status(&not_modified) == 304 && not_modified.contains("etag: \"x\""), "{not_modified}");
    let range = world.ask("GET /public/range", "Range: bytes=0-5\r\n").await;
    assert!(status(&range) == 206 && range.contains("content-range: bytes 0-5/10"), "{range}");
    assert_eq!(world.application.take()[2].head.headers["range"], "bytes=0-5");
}

#[tokio::test]
async fn upstream_that_fails_is_502_or_504() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[upstream.dead]\nurl = \"http://{}\"\n[upstream.nobody]\nurl = \"http://{}\"\n\
         [[route]]\npath = \"/dead\"\npublic = true\nupstream = \"dead\"\n\
         [[route]]\npath = \"/nobody\"\npublic = true\nupstream = \"nobody\"\n",
        dead.local_addr().unwrap(),
        nobody.local_addr().unwrap(),
    );
    drop(nobody);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = dead.accept().await {
            _ = stream.read(&mut [0; 1024]).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await;
        }
    });
    let world = World::with("nginx", &more).await;
    for (line, expected) in [("GET /nobody", 502), ("GET /dead", 502), ("GET /slow", 504)] {
        let response = world.ask(line, "").await;
        assert_eq!(status(&response), expected, "{line}: {response}");
        assert!(response.contains("application/problem+json"), "{response}");
    }
}

#[tokio::test]
async fn too_many_header_bytes_and_too_large_a_body_are_rejected() {
    let world = World::with("nginx", "[limits]\nmax_body_bytes = 100\n").await;
    let response = world.ask("GET /public/x", &format!("X-Large: {}\r\n", "x".repeat(70_000))).await;
    assert_eq!(status(&response), 431, "{response}");
    let post = |framing: &str, body: &str| format!("Authorization: Bearer {{{{TOKEN}}}}\r\n{framing}\r\n\r\n{body}");
    let large = "x".repeat(200);
    let response = world.ask("POST /orgs/acme/orders", &post("Content-Length: 200", &large)).await;
    assert_eq!(status(&response), 413, "{response}");
    let chunk = format!("c8\r\n{large}\r\n0\r\n\r\n");
    let response = world.ask("POST /orgs/acme/orders", &post("Transfer-Encoding: chunked", &chunk)).await;
    assert_eq!(status(&response), 413, "{response}");
    assert!(world.application.received().is_empty());
}

/// A search, for example: without its body it would be another one.
#[tokio::test]
async fn body_of_unknown_length_reaches_the_upstream_whatever_the_method() {
    let world =
        World::with("nginx", "[[route]]\npath = \"/search\"\npublic = true\nupstream = \"application\"\n").await;
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4\r\nall \r\n2\r\nof\r\n0\r\n\r\n";
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "QUERY"] {
        for (framing, length) in [("Content-Length: 6\r\n\r\nall of", Some("6")), (chunks, None)] {
            let response = world.ask(&format!("{method} /search"), framing).await;
            assert_eq!(status(&response), 200, "{method}: {response}");
            let received = world.application.take().remove(0);
            assert_eq!(received.body, "all of", "{method} {framing}");
            let headers = &received.head.headers;
            assert_eq!(headers.get("content-length").map(|length| length.to_str().unwrap()), length, "{method}");
            assert_eq!(headers.contains_key("transfer-encoding"), length.is_none(), "{method}");
        }
        let response = world.ask(&format!("{method} /search"), "").await;
        assert_eq!(status(&response), 200, "{method}: {response}");
        let received = world.application.take().remove(0);
        assert!(received.body.is_empty() && !received.head.headers.contains_key("transfer-encoding"), "{method}");
    }
    // Over HTTP/2 a body needs no length at all.
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for method in ["GET", "POST"] {
        let frames = ["all ", "of"].map(|part| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(part))));
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}/search", world.addresses[&Face::Proxy]))
            .body(StreamBody::new(tokio_stream(frames)).boxed_unsync())
            .unwrap();
        assert_eq!(client.request(request).await.unwrap().status(), 200, "{method}");
        assert_eq!(world.application.take().remove(0).body, "all of", "{method}");
    }
}

#[tokio::test]
async fn handshake_with_a_body_is_no_handshake() {
    let world = World::start().await;
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Version: 13\r\n";
    for body in ["Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"] {
        let response =
            world.raw(Face::Proxy, format!("GET /public/upgrade HTTP/1.1\r\nHost: a.example\r\n{handshake}{body}"));
        let response = response.await;
        assert_eq!(status(&response), 200, "{response}");
        let received = world.application.take().remove(0);
        assert_eq!(received.body, "body");
        assert!(!received.head.headers.contains_key("upgrade"));
    }
}

#[tokio::test]
async fn rejected_upload_is_never_asked_for() {
    let world = World::start().await;
    let headers = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let refused = world.ask("POST /orgs/acme/orders", headers).await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let headers = format!("Authorization: Bearer {{{{TOKEN}}}}\r\n{headers}\r\nhello");
    let response = world.ask("POST /orgs/acme/orders", &headers).await;
    assert!(response.starts_with("HTTP/1.1 100 ") && response.contains("HTTP/1.1 200 "), "{response}");
    assert_eq!(world.application.take()[0].body, "hello");
}

#[tokio::test]
async fn grpc_call_keeps_its_trailers_over_http2() {
    let world = World::with("nginx", "").await;
    let http2 = World::with(
        "nginx",
        &format!(
            "[upstream.grpc]\nurl = \"http://{}\"\nhttp2 = true\n\
             [[route]]\npath = \"/pkg.Service/Method\"\npublic = true\nupstream = \"grpc\"\n",
            world.application.address
        ),
    )
    .await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("5"));
    trailers.insert("orgate", HeaderValue::from_static("root"));
    let frames =
        [Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"call"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(tokio_stream(frames));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::post(format!("http://{}/pkg.Service/Method", http2.addresses[&Face::Proxy]))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(body.boxed_unsync())
        .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let received = world.application.take().remove(0);
    assert_eq!(received.body, "call");
    assert_eq!(received.head.headers[TE], "trailers");
    let trailers = received.trailers.unwrap();
    assert_eq!(trailers["x-checksum"], "5");
    assert!(!trailers.contains_key("orgate"));
}

fn tokio_stream<T>(items: impl IntoIterator<Item = T>) -> impl futures_core::Stream<Item = T> {
    futures_util::stream::iter(items)
}

#[tokio::test]
async fn thousand_requests_share_one_connection_of_http2() {
    let world = World::start().await;
    // A token that was verified before needs no place in the queue for signatures.
    assert_eq!(status(&world.ask("GET /orgs/acme/orders", "Authorization: Bearer {{TOKEN}}\r\n").await), 200);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let requests = (0..1000).map(|_| {
        let request = Request::get(format!("http://{}/orgs/acme/orders", world.addresses[&Face::Proxy]))
            .header("authorization", format!("Bearer {}", world.token))
            .body(full(""))
            .unwrap();
        client.request(request)
    });
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.unwrap().status(), 200);
    }
}

/// A server that accepts every WebSocket, or pretends to, and then repeats what it reads.
async fn websocket_upstream(accepts: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                _ = stream.read(&mut [0; 4096]).await;
                let accept = if accepts { "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" } else { "forged" };
                let response = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                _ = stream.write_all(response.as_bytes()).await;
                let (mut read, mut write) = stream.split();
                _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn websocket_is_connected_only_after_a_valid_response() {
    for (accepts, expected) in [(true, 101), (false, 502)] {
        let more = format!(
            "[upstream.ws]\nurl = \"http://{}\"\n[[route]]\npath = \"/ws\"\npolicy = \"resource in any organization\"\nupstream = \"ws\"\n",
            websocket_upstream(accepts).await
        );
        let world = World::with("nginx", &more).await;
        let mut stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
        let handshake = format!(
            "GET /ws HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            world.token
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut response = [0; 1024];
        let read = stream.read(&mut response).await.unwrap();
        assert_eq!(status(&String::from_utf8_lossy(&response[..read])), expected);
        if accepts {
            stream.write_all(b"echo").await.unwrap();
            let mut echo = [0; 4];
            tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut echo)).await.unwrap().unwrap();
            assert_eq!(&echo, b"echo");
        }
    }
}

#[tokio::test]
async fn other_upgrades_are_not_forwarded() {
    let world = World::start().await;
    let headers = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let response = world.ask("GET /public/x", headers).await;
    assert_eq!(status(&response), 200, "{response}");
    let headers = world.application.take().remove(0).head.headers;
    assert!(!headers.contains_key("upgrade") && !headers.contains_key("http2-settings"));
}

/// How much is streamed in one test: enough that a buffer would show.
const STREAMED: usize = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_streamed_while_they_are_sent() {
    // An application that repeats the body while it is read, and does not know its end.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let echo = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
                    Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body()))
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                _ = hyper::server::conn::http1::Builder::new().serve_connection(io, echo).await;
            });
        }
    });
    let more = format!(
        "[upstream.echo]\nurl = \"http://{address}\"\n[[route]]\npath = \"/echo\"\npublic = true\nupstream = \"echo\"\n"
    );
    let world = World::with("nginx", &more).await;
    let stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: {STREAMED}\r\nConnection: close\r\n\r\n");
    write.write_all(head.as_bytes()).await.unwrap();
    // The first part comes back before the last one was sent.
    write.write_all(&vec![b'x'; 1024]).await.unwrap();
    let mut first = [0; 512];
    let got = tokio::time::timeout(Duration::from_secs(5), read.read(&mut first)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&first[..got]);
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    let mut received = text.split_once("\r\n\r\n").unwrap().1.len();
    let sending = tokio::spawn(async move {
        let chunk = vec![b'x'; 64 * 1024];
        let mut left = STREAMED - 1024;
        while left > 0 {
            let part = left.min(chunk.len());
            write.write_all(&chunk[..part]).await.unwrap();
            left -= part;
        }
        write
    });
    let mut chunk = vec![0; 64 * 1024];
    while received < STREAMED {
        let read = read.read(&mut chunk).await.unwrap();
        assert!(read > 0, "ended after {received}");
        received += read;
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn event_stream_arrives_event_by_event() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (send, mut events) = tokio::sync::mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        _ = stream.read(&mut [0; 4096]).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        while events.recv().await.is_some() {
            stream.write_all(b"d\r\ndata: event\n\n\r\n").await.unwrap();
        }
    });
    let more = format!(
        "[upstream.sse]\nurl = \"http://{address}\"\n[[route]]\npath = \"/sse\"\npublic = true\nupstream = \"sse\"\n"
    );
    let world = World::with("nginx", &more).await;
    let mut stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    stream.write_all(b"GET /sse HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    let mut text = String::new();
    for event in 1..=3 {
        send.send(()).await.unwrap();
        while text.matches("data: event").count() < event {
            let mut chunk = [0; 1024];
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut chunk)).await.unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
    }
}

#[tokio::test]
async fn decision_is_logged_with_its_route_and_without_the_token() {
    let world = World::with("nginx", "[log]\ndecisions = \"decisions.jsonl\"\n").await;
    assert_eq!(status(&world.ask("GET /orgs/globex/orders", "Authorization: Bearer {{TOKEN}}\r\n").await), 403);
    let path = world.path.with_file_name("decisions.jsonl");
    for _ in 0..100 {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.ends_with('\n') {
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(line["route"], "/orgs/{org}/orders");
            assert_eq!((&line["outcome"], &line["status"]), (&"deny".into(), &403.into()));
            assert!(line.get("subject").is_none() && !text.contains(&world.token));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no decision was logged");
}

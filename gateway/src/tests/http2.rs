//! HTTP/2 by hand: what a library would not send.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, mpsc};

use super::World;
use super::world::status;
use crate::gateway::Face;
use crate::net::full;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Literal fields without indexing and without Huffman coding (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 0x7f + 128);
        let mut octets = match u8::try_from(text.len()).unwrap() {
            short @ 0..0x7f => vec![short],
            long => vec![0x7f, long - 0x7f],
        };
        octets.extend_from_slice(text.as_bytes());
        octets
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const HIDDEN: &str = "GET /public/hidden HTTP/1.1\r\nHost: a\r\n\r\n";

fn request(path: &'static str, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "api.example.com"), (":path", path)];
    pseudo.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn upstream_reads_at_most_the_request_that_was_judged() {
    let world =
        World::with("nginx", "[[route]]\npath = \"/upload\"\npublic = true\nupstream = \"application\"\n").await;
    let pseudo_twice = [request("/upload", &[]), vec![(":path", "/public/hidden")]].concat();
    let cases = [
        ("sound", request("/upload", &[("content-length", "40")]), true),
        ("transfer-encoding", request("/upload", &[("transfer-encoding", "chunked")]), false),
        ("content-length too small", request("/upload", &[("content-length", "0")]), false),
        ("content-length too large", request("/upload", &[("content-length", "99")]), false),
        ("content-length twice", request("/upload", &[("content-length", "40"), ("content-length", "0")]), false),
        ("connection", request("/upload", &[("connection", "close")]), false),
        ("upgrade", request("/upload", &[("upgrade", "h2c")]), false),
        ("line break in a value", request("/upload", &[("x", "a\r\nx-b: c")]), false),
        ("line break in a name", request("/upload", &[("x\r\ny", "a")]), false),
        ("NUL in a value", request("/upload", &[("x", "a\0b")]), false),
        ("upper case", request("/upload", &[("X-Upper", "a")]), false),
        ("colon in a name", request("/upload", &[("x:y", "a")]), false),
        ("space in the path", request("/upload HTTP/1.1\r\nx: y", &[]), false),
        ("no path", vec![(":method", "POST"), (":scheme", "http"), (":authority", "a")], false),
        ("path twice", pseudo_twice, false),
        ("pseudo-header at the end", request("/upload", &[("x", "y"), (":authority", "b")]), false),
        ("another host", request("/upload", &[("host", "b.example.com")]), false),
        ("two hosts", request("/upload", &[("host", "api.example.com"), ("host", "b.example.com")]), false),
        ("response's pseudo-header", request("/upload", &[(":status", "200")]), false),
    ];
    for (name, fields, passes) in cases {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        bytes.extend(frame(HEADERS, END_HEADERS, 1, &block(&fields)));
        bytes.extend(frame(DATA, END_STREAM, 1, HIDDEN.as_bytes()));
        _ = world.raw(Face::Proxy, bytes).await;
        let received = world.application.take();
        assert_eq!(received.len(), usize::from(passes), "{name}: {received:?}");
        assert!(received.iter().all(|received| received.head.uri.path() == "/upload"), "{name}: {received:?}");
    }
}

/// RFC 9113 section 8.2.3: a client may cut its cookies into several fields, and HTTP/1.1 has one.
#[tokio::test]
async fn cookies_are_one_field_whatever_the_client_made_of_them() {
    let more = "[[route]]\npath = \"/cookies\"\npublic = true\nupstream = \"application\"\n";
    let more_http2 = |address| {
        format!("[upstream.http2]\nurl = \"http://{address}\"\nhttp2 = true\n{}", more.replace("application", "http2"))
    };
    let world = World::with("nginx", more).await;
    let http2 = World::with("nginx", &more_http2(world.application.address)).await;
    let fields = request("/cookies", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
    for world_asked in [&world, &http2] {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields)));
        _ = world_asked.raw(Face::Proxy, bytes).await;
        _ = world_asked.ask("GET /cookies", "Cookie: a=1\r\nCookie: b=2; c=3; d=4\r\n").await;
        let received = world.application.take();
        assert_eq!(received.len(), 2);
        for received in received {
            let cookies: Vec<_> = received.head.headers.get_all("cookie").iter().collect();
            assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
        }
    }
}

pub(crate) type Messages = mpsc::Sender<Result<Frame<Bytes>, std::convert::Infallible>>;

pub(crate) fn body() -> (Messages, crate::net::Body) {
    let (send, receive) = mpsc::channel(1);
    let stream = futures_util::stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    (send, StreamBody::new(Box::pin(stream)).map_err(|never| match never {}).boxed_unsync())
}

/// A server of gRPC streams: repeats each message when it comes, and ends with trailers.
async fn streaming() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(async |request: Request<Incoming>| {
                let (send, response) = body();
                tokio::spawn(async move {
                    let mut messages = request.into_body();
                    while let Some(Ok(frame)) = messages.frame().await {
                        let Ok(data) = frame.into_data() else { continue };
                        _ = send.send(Ok(Frame::data(data))).await;
                    }
                    let trailers = HeaderMap::from_iter([
                        (http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0")),
                        (http::HeaderName::from_static("x-count"), HeaderValue::from_static("3")),
                    ]);
                    _ = send.send(Ok(Frame::trailers(trailers))).await;
                });
                Ok::<_, std::convert::Infallible>(http::Response::new(response))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
        }
    });
    address
}

#[tokio::test]
async fn grpc_stream_is_passed_message_by_message_with_its_trailers() {
    let more = format!(
        "[upstream.grpc]\nurl = \"http://{}\"\nhttp2 = true\n\
         [[route]]\npath = \"/pkg.Service/Stream\"\npolicy = \"resource in any organization\"\nupstream = \"grpc\"\n",
        streaming().await
    );
    let world = World::with("nginx", &more).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let (send, messages) = body();
    let request = Request::post(format!("http://{}/pkg.Service/Stream", world.addresses[&Face::Proxy]))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", world.token))
        .body(messages)
        .unwrap();
    let mut response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    for message in ["one", "two", "three"] {
        send.send(Ok(Frame::data(Bytes::from_static(message.as_bytes())))).await.unwrap();
        let frame = tokio::time::timeout(std::time::Duration::from_secs(5), response.frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), message);
    }
    drop(send);
    let trailers = response.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((&trailers["grpc-status"], &trailers["x-count"]), (&HeaderValue::from(0), &HeaderValue::from(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousand_streams_are_open_at_once() {
    const STREAMS: usize = 1000;
    let (listener, all) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Barrier::new(STREAMS)));
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let all = all.clone();
            // None is answered before the last one has arrived.
            let service = hyper::service::service_fn(move |_: Request<Incoming>| {
                let all = all.clone();
                async move {
                    all.wait().await;
                    Ok::<_, std::convert::Infallible>(http::Response::new(full("served")))
                }
            });
            // It allows 200 streams on each connection.
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service));
        }
    });
    let more = format!(
        "[upstream.all]\nurl = \"http://{address}\"\nhttp2 = true\n\
         [[route]]\npath = \"/all\"\npolicy = \"resource in any organization\"\nupstream = \"all\"\n"
    );
    let world = World::with("nginx", &more).await;
    // A token that was verified before needs no place in the queue for signatures.
    assert_eq!(status(&world.ask("GET /orgs/acme/orders", "Authorization: Bearer {{TOKEN}}\r\n").await), 200);
    let stream = tokio::net::TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    // One connection, so that the streams are those of one.
    let (client, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let requests = (0..STREAMS).map(|_| {
        let mut client = client.clone();
        let request =
            Request::get("http://api.example.com/all").header("authorization", format!("Bearer {}", world.token));
        async move { client.send_request(request.body(full("")).unwrap()).await }
    });
    let responses = futures_util::future::join_all(requests);
    let responses = tokio::time::timeout(std::time::Duration::from_secs(60), responses).await.unwrap();
    assert!(responses.iter().all(|response| response.as_ref().is_ok_and(|response| response.status() == 200)));
}

/// Where an upstream of HTTP/2 ends.
#[derive(Clone, Copy, Debug)]
enum End {
    BeforeItsSettings,
    Garbage,
    AfterTheHead,
    GoingAway,
    ResetAtTheHead,
    AfterItsHead,
    InItsBody,
    ResetInItsBody,
}

async fn ending(end: End) -> std::net::SocketAddr {
    const RST_STREAM: u8 = 3;
    const GOAWAY: u8 = 7;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reset = frame(RST_STREAM, 0, 1, &2_u32.to_be_bytes());
    let head = frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "200")]));
    let part = frame(DATA, 0, 1, b"half");
    let answer = match end {
        End::BeforeItsSettings => return closing(listener, address, None),
        End::Garbage => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        End::AfterTheHead => Vec::new(),
        End::GoingAway => frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]),
        End::ResetAtTheHead => reset,
        End::AfterItsHead => head,
        End::InItsBody => [head, part].concat(),
        End::ResetInItsBody => [head, part, reset].concat(),
    };
    let settings = if matches!(end, End::Garbage) { Vec::new() } else { frame(SETTINGS, 0, 0, &[]) };
    closing(listener, address, Some([settings, answer].concat()))
}

/// Reads a request, answers with these bytes, and closes.
fn closing(listener: TcpListener, address: std::net::SocketAddr, answer: Option<Vec<u8>>) -> std::net::SocketAddr {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(answer) = answer.clone() else { continue };
            tokio::spawn(async move {
                let mut read = Vec::new();
                // The path, in whatever form the header compression gives it, comes with the first frame of headers.
                while !read.windows(9).any(|frame| frame[3] == HEADERS && frame[5..] == [0, 0, 0, 1]) {
                    let mut some = [0; 4096];
                    match stream.read(&mut some).await {
                        Ok(length) if length > 0 => read.extend_from_slice(&some[..length]),
                        _ => return,
                    }
                }
                _ = stream.write_all(&answer).await;
                // Whatever else is sent is read, so that nothing of the answer is lost.
                _ = stream.shutdown().await;
                while stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn client_never_takes_a_broken_response_of_http2_for_a_whole_one() {
    let stages = [
        (End::BeforeItsSettings, 502),
        (End::Garbage, 502),
        (End::AfterTheHead, 502),
        (End::GoingAway, 502),
        (End::ResetAtTheHead, 502),
        (End::AfterItsHead, 200),
        (End::InItsBody, 200),
        (End::ResetInItsBody, 200),
    ];
    for (end, expected) in stages {
        let more = format!(
            "[upstream.dying]\nurl = \"http://{}\"\nhttp2 = true\n\
             [[route]]\npath = \"/dying\"\npublic = true\nupstream = \"dying\"\n",
            ending(end).await
        );
        let world = World::with("nginx", &more).await;
        let response = world.ask("GET /dying", "").await;
        if expected == 502 {
            assert_eq!(status(&response), 502, "{end:?}: {response}");
            assert!(response.contains("application/problem+json"), "{end:?}: {response}");
        } else {
            // The connection may close before the head was sent on.
            let is_whole = response.contains("\r\n\r\n") && response.ends_with("0\r\n\r\n");
            assert!(matches!(status(&response), 0 | 200) && !is_whole, "{end:?}: {response}");
        }
    }
}

/// The client of a call waits for the reply with an open body: so does gRPC with metadata that comes before it.
#[tokio::test]
async fn upstream_that_does_not_answer_a_call_whose_body_is_open_is_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[upstream.hung-call]\nurl = \"http://{}\"\nhttp2 = true\ntimeout = \"500ms\"\n\
         [[route]]\npath = \"/pkg.Service/Talk\"\npublic = true\nupstream = \"hung-call\"\n",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(async |_: Request<Incoming>| {
                std::future::pending::<Result<http::Response<crate::net::Body>, std::convert::Infallible>>().await
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
        }
    });
    let world = World::with("nginx", &more).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for (content_type, expected) in [("application/grpc+proto", 504), ("text/plain", 408)] {
        let (send, messages) = body();
        let request = Request::post(format!("http://{}/pkg.Service/Talk", world.addresses[&Face::Proxy]))
            .header("content-type", content_type)
            .body(messages)
            .unwrap();
        send.send(Ok(Frame::data(Bytes::from_static(b"message")))).await.unwrap();
        let response = tokio::time::timeout(std::time::Duration::from_secs(20), client.request(request)).await;
        assert_eq!(response.unwrap().unwrap().status(), expected, "{content_type}");
        // Only what the upstream did counts.
        let metrics = crate::telemetry::render(&world.current.load_full()).unwrap();
        let counted = "orgate_gateway_upstream_failures_total{upstream=\"hung-call\",reason=\"late\"} 1\n";
        assert!(metrics.contains(counted), "{metrics}");
        drop(send);
    }
}

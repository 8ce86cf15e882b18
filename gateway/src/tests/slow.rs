//! Clients and upstreams that take their time.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::World;
use super::http2::body;
use super::world::status;
use crate::gateway::Face;
use crate::net::{Body, full};

const LIMITS: &str = "[limits]\nheader_timeout = \"300ms\"\n";

/// A client that never finishes its head holds a connection for the time that is set, and no longer.
#[tokio::test]
async fn client_that_does_not_finish_its_head_is_disconnected() {
    let world = World::with("nginx", LIMITS).await;
    for face in [Face::Proxy, Face::ForwardAuth, Face::Admin] {
        for start in ["", "GET /public/x HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
            let mut client = TcpStream::connect(world.addresses[&face]).await.unwrap();
            client.write_all(start.as_bytes()).await.unwrap();
            let mut response = Vec::new();
            let ended = timeout(Duration::from_secs(10), client.read_to_end(&mut response)).await;
            assert!(ended.is_ok(), "{face:?} holds a connection after {start:?}");
            assert!(!String::from_utf8_lossy(&response).contains(" 200 "), "{face:?}");
        }
    }
    assert!(world.application.received().is_empty());
}

/// As many places as are set are taken: whoever comes next waits, and is served when one is free.
#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let world = World::with("nginx", "[limits]\nmax_connections = 2\nheader_timeout = \"30s\"\n").await;
    let address = world.addresses[&Face::Proxy];
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        idle.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(b"GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = [0; 1024];
    assert!(timeout(Duration::from_millis(300), third.read(&mut response)).await.is_err());
    idle.pop();
    let read = timeout(Duration::from_secs(10), third.read(&mut response)).await.unwrap().unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&response[..read])), 200);
}

/// A body that comes byte by byte is passed on byte by byte, however long it takes, in both directions.
#[tokio::test]
async fn slow_bodies_pass_in_both_directions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "{LIMITS}[upstream.slow-body]\nurl = \"http://{}\"\ntimeout = \"10s\"\n\
         [[route]]\npath = \"/slow-body\"\npublic = true\nupstream = \"slow-body\"\n",
        listener.local_addr().unwrap()
    );
    let world = World::with("nginx", &more).await;
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    client.write_all(b"POST /slow-body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(upstream.read_u8().await.unwrap());
    }
    for byte in *b"slow" {
        client.write_all(&[byte]).await.unwrap();
        let read = timeout(Duration::from_secs(5), upstream.read_u8()).await.unwrap();
        assert_eq!(read.unwrap(), byte);
        // Longer in all than a head may take.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    for byte in *b"well" {
        upstream.write_all(&[byte]).await.unwrap();
        let read = timeout(Duration::from_secs(5), client.read_u8()).await.unwrap();
        assert_eq!(read.unwrap(), byte);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Opens a connection of HTTP/2 that answers pings and everything else that the library answers by itself.
async fn connect(world: &World) -> (hyper::client::conn::http2::SendRequest<Body>, tokio::task::JoinHandle<()>) {
    let stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (client, tokio::spawn(async move { _ = connection.await }))
}

async fn is_served(world: &World) -> bool {
    let request = "GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    let read = timeout(Duration::from_secs(20), client.read_to_string(&mut response)).await;
    read.is_ok() && status(&response) == 200
}

#[tokio::test]
async fn connections_of_http2_without_a_request_give_their_places_to_others() {
    let world = World::with("nginx", "[limits]\nmax_connections = 2\nidle_timeout = \"2s\"\n").await;
    let (idle, ended) = connect(&world).await;
    let (mut once, also_ended) = connect(&world).await;
    let request = Request::get("http://api.example.com/public/x").version(Version::HTTP_2).body(full("")).unwrap();
    let response = once.send_request(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "served");
    assert!(is_served(&world).await);
    for ended in [ended, also_ended] {
        timeout(Duration::from_secs(20), ended).await.expect("an idle connection ends").unwrap();
    }
    drop((idle, once));
}

/// It acknowledges nothing, and never closes.
#[tokio::test]
async fn connection_of_http2_that_does_not_close_when_it_is_told_is_closed() {
    let limits = "[limits]\nmax_connections = 1\nidle_timeout = \"300ms\"\n";
    let world = World::with("nginx", limits).await;
    let mut deaf = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    assert!(is_served(&world).await);
    let mut received = Vec::new();
    timeout(Duration::from_secs(20), deaf.read_to_end(&mut received)).await.expect("it is closed").unwrap();
    // GOAWAY comes before the end.
    assert!(received.windows(2).any(|frame| frame == [8, 7]), "{received:?}");
}

/// Both ends work: an open request that nothing comes of for a while is no idle connection, and no stalled one.
#[tokio::test]
async fn open_stream_and_open_websocket_outlast_idle_and_stall_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (send, events) = body();
    let events = std::sync::Arc::new(std::sync::Mutex::new(Some(events)));
    let more = format!(
        "[limits]\nidle_timeout = \"1s\"\nstall_timeout = \"200ms\"\n\
         [upstream.live]\nurl = \"http://{}\"\n[[route]]\npath = \"/live\"\npublic = true\nupstream = \"live\"\n",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let events = events.clone();
            let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
                let events = events.clone();
                async move {
                    if !request.headers().contains_key("upgrade") {
                        let events = events.lock().unwrap().take().unwrap();
                        let response = http::Response::builder().header("content-type", "text/event-stream");
                        return response.body(events);
                    }
                    let upgrade = hyper::upgrade::on(&mut request);
                    tokio::spawn(async move {
                        let mut io = TokioIo::new(upgrade.await.unwrap());
                        let mut frame = [0; 7];
                        while io.read_exact(&mut frame).await.is_ok() {
                            io.write_all(&frame).await.unwrap();
                        }
                    });
                    let response = http::Response::builder().status(101).header("connection", "upgrade");
                    let response = response.header("upgrade", "websocket");
                    response.header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").body(full(""))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    let world = World::with("nginx", &more).await;
    let (mut client, _connection) = connect(&world).await;
    let request = Request::get("http://api.example.com/live").version(Version::HTTP_2).body(full("")).unwrap();
    let mut stream = client.send_request(request).await.unwrap();
    let mut socket = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let handshake = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert_eq!(status(&String::from_utf8_lossy(&head)), 101);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        send.send(Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))).await.unwrap();
        let frame = timeout(Duration::from_secs(20), stream.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: x\n\n");
        let (sent, mut echoed) = ([0x82, 0x81, 1, 2, 3, 4, 5], [0; 7]);
        socket.write_all(&sent).await.unwrap();
        socket.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, sent);
    }
    // The connection was not told to close, either.
    let request = Request::get("http://api.example.com/public/x").version(Version::HTTP_2).body(full("")).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn client_that_does_not_read_its_response_is_disconnected() {
    let (application, world) = endless_application("[limits]\nmax_connections = 1\nstall_timeout = \"500ms\"\n").await;
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    client.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.readable().await.unwrap();
    // It holds the only place.
    assert!(is_served(&world).await);
    // The upstream sends no more.
    timeout(Duration::from_secs(20), application).await.expect("the upstream's connection ends").unwrap();
    let mut rest = vec![0; 1 << 20];
    while client.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}

/// An application that sends without an end to the first who connects.
async fn endless_application(limits: &str) -> (tokio::task::JoinHandle<()>, World) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "{limits}[upstream.endless]\nurl = \"http://{}\"\n\
         [[route]]\npath = \"/endless\"\npublic = true\nupstream = \"endless\"\n",
        listener.local_addr().unwrap()
    );
    let application = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let part = vec![b'x'; 64 * 1024];
        while stream.write_all(&part).await.is_ok() {}
    });
    (application, World::with("nginx", &more).await)
}

/// A gateway before an upstream with a limit of two seconds, a connection to it with this much of a body of five bytes, and the
/// upstream's end of it.
async fn uploading(sent: &[u8]) -> (World, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[upstream.upload]\nurl = \"http://{}\"\ntimeout = \"2s\"\n\
         [[route]]\npath = \"/upload\"\npublic = true\nupstream = \"upload\"\n",
        listener.local_addr().unwrap()
    );
    let world = World::with("nginx", &more).await;
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    client.write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    client.write_all(sent).await.unwrap();
    let (upstream, _) = listener.accept().await.unwrap();
    (world, client, upstream)
}

async fn answered(client: &mut TcpStream) -> u16 {
    let mut response = [0; 1024];
    let read = timeout(Duration::from_secs(20), client.read(&mut response)).await.unwrap().unwrap();
    status(&String::from_utf8_lossy(&response[..read]))
}

#[tokio::test]
async fn upload_may_take_longer_than_the_upstream_s_limit() {
    let (_world, mut client, mut upstream) = uploading(b"").await;
    for byte in *b"bytes" {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.write_all(&[byte]).await.unwrap();
    }
    let mut received = Vec::new();
    while !received.ends_with(b"bytes") {
        received.push(upstream.read_u8().await.unwrap());
    }
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(answered(&mut client).await, 200);
}

#[tokio::test]
async fn upstream_that_does_not_answer_is_504_and_a_client_that_stops_sending_408() {
    let (_world, mut client, _upstream) = uploading(b"bytes").await;
    assert_eq!(answered(&mut client).await, 504);
    let (_world, mut client, _upstream) = uploading(b"byte").await;
    assert_eq!(answered(&mut client).await, 408);
}

/// Reads frames of HTTP/2 and says which they are, allows 16 KiB more a while after it has got as many, and returns how many bytes
/// of responses there were until one ends.
async fn trickle(client: &mut TcpStream, kinds: &mut Vec<u8>) -> usize {
    const WINDOW: usize = 16 * 1024;
    let (mut length, mut allowed) = (0, WINDOW);
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let payload = u32::from_be_bytes([0, head[0], head[1], head[2]]).try_into().unwrap();
        client.read_exact(&mut vec![0; payload]).await.unwrap();
        kinds.push(head[3]);
        if head[3] == 0 {
            length += payload;
        }
        if matches!(head[3], 0 | 1) && head[4] & 1 == 1 {
            return length;
        }
        if length == allowed {
            allowed += WINDOW;
            tokio::time::sleep(Duration::from_millis(150)).await;
            for stream in [0, 1] {
                client.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, stream, 0, 0, 0x40, 0]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn client_that_reads_longer_than_idle_timeout_is_not_told_to_close_before_the_end() {
    const LENGTH: usize = 200_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[limits]\nidle_timeout = \"200ms\"\n[upstream.whole]\nurl = \"http://{}\"\n\
         [[route]]\npath = \"/whole\"\npublic = true\nupstream = \"whole\"\n",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &vec![b'x'; LENGTH]].concat()).await.unwrap();
    });
    let world = World::with("nginx", &more).await;
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    // INITIAL_WINDOW_SIZE is 16 KiB. `:method: GET`, `:scheme: http`, `:path: /whole` and `:authority: a`.
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\x40\0").await.unwrap();
    client.write_all(b"\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/whole\x01\x01a").await.unwrap();
    let mut kinds = Vec::new();
    let length = timeout(Duration::from_secs(60), trickle(&mut client, &mut kinds)).await.unwrap();
    assert_eq!(length, LENGTH);
    assert!(!kinds.contains(&7), "no GOAWAY: {kinds:?}");
}

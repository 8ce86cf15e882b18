//! Clients and upstreams that take their time.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::World;
use super::world::status;
use crate::gateway::Face;

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
            let ended = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut response)).await;
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
    assert!(tokio::time::timeout(Duration::from_millis(300), third.read(&mut response)).await.is_err());
    idle.pop();
    let read = tokio::time::timeout(Duration::from_secs(10), third.read(&mut response)).await.unwrap().unwrap();
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
        let read = tokio::time::timeout(Duration::from_secs(5), upstream.read_u8()).await.unwrap();
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
        let read = tokio::time::timeout(Duration::from_secs(5), client.read_u8()).await.unwrap();
        assert_eq!(read.unwrap(), byte);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

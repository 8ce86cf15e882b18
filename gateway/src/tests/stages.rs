//! Upstreams that end at any point of a request: the client learns it, and no other request is sent in its place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::World;
use super::world::status;
use crate::gateway::Face;

/// Where an upstream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    BeforeReading,
    AfterTheHead,
    InItsStatusLine,
    InItsHead,
    Garbage,
    AfterItsHead,
    InItsBody,
    InAChunk,
    BetweenChunks,
}

const STAGES: [(Stage, u16); 9] = [
    (Stage::BeforeReading, 502),
    (Stage::AfterTheHead, 502),
    (Stage::InItsStatusLine, 502),
    (Stage::InItsHead, 502),
    (Stage::Garbage, 502),
    (Stage::AfterItsHead, 200),
    (Stage::InItsBody, 200),
    (Stage::InAChunk, 200),
    (Stage::BetweenChunks, 200),
];

async fn end(mut stream: TcpStream, stage: Stage, requests: Arc<AtomicUsize>) {
    if stage == Stage::BeforeReading {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    requests.fetch_add(1, Ordering::Relaxed);
    let answer: &[u8] = match stage {
        Stage::BeforeReading | Stage::AfterTheHead => b"",
        Stage::InItsStatusLine => b"HTTP/1.1 20",
        Stage::InItsHead => b"HTTP/1.1 200 OK\r\nContent-Le",
        Stage::Garbage => b"\x16\x03\x01 not HTTP at all\r\n\r\n",
        Stage::AfterItsHead => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        Stage::InItsBody => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        Stage::InAChunk => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
        Stage::BetweenChunks => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    };
    _ = stream.write_all(answer).await;
    _ = stream.shutdown().await;
}

async fn upstream(stage: Stage) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(end(stream, stage, counted.clone()));
        }
    });
    (address, requests)
}

fn route(name: &str, address: SocketAddr) -> String {
    format!(
        "[upstream.{name}]\nurl = \"http://{address}\"\n\
         [[route]]\npath = \"/{name}\"\npublic = true\nupstream = \"{name}\"\n"
    )
}

#[tokio::test]
async fn client_never_takes_a_broken_response_for_a_whole_one() {
    for (stage, expected) in STAGES {
        for method in ["GET", "POST"] {
            let (address, requests) = upstream(stage).await;
            let world = World::with("nginx", &route("dying", address)).await;
            let framing = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let response = world.ask(&format!("{method} /dying"), framing).await;
            match response.split_once("\r\n\r\n") {
                Some((head, _)) if expected == 502 => {
                    assert_eq!(status(&response), 502, "{stage:?} {method}: {response}");
                    assert!(head.contains("application/problem+json"), "{stage:?} {method}: {response}");
                }
                Some((head, body)) => {
                    assert_eq!(status(&response), 200, "{stage:?} {method}: {response}");
                    let is_whole = if head.contains("content-length: 10") {
                        body.len() == 10
                    } else {
                        !head.contains("transfer-encoding: chunked") || body.contains("0\r\n\r\n")
                    };
                    assert!(!is_whole, "{stage:?} {method}: {response}");
                }
                // The connection may close before the head was sent on.
                None => assert!(expected == 200 && response.is_empty(), "{stage:?} {method}: {response}"),
            }
            // What may have been acted on is not sent again.
            assert!(requests.load(Ordering::Relaxed) <= 1, "{stage:?} {method}: {requests:?}");
        }
    }
}

#[tokio::test]
async fn upload_that_its_upstream_does_not_read_is_never_answered_as_a_success() {
    for stage in [Stage::AfterTheHead, Stage::InItsHead, Stage::InItsBody] {
        let (address, _) = upstream(stage).await;
        let world = World::with("nginx", &route("dying", address)).await;
        let body = "x".repeat(512 * 1024);
        let response = world.ask("POST /dying", &format!("Content-Length: {}\r\n\r\n{body}", body.len())).await;
        // The client may be cut off in its upload, or in what it receives, but never told that all went well.
        match status(&response) {
            0 | 502 => {}
            other => assert!(other == 200 && stage == Stage::InItsBody && response.ends_with("half"), "{response}"),
        }
    }
}

/// An upstream that answers one request, keeps the connection, and closes it before the next one.
#[tokio::test]
async fn request_on_a_connection_that_died_in_the_pool_goes_over_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                if stream.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {
                    counted.fetch_add(1, Ordering::Relaxed);
                    _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            });
        }
    });
    let world = World::with("nginx", &route("closing", address)).await;
    for request in 1..=20 {
        let (method, framing) = if request % 2 == 0 { ("POST", "Content-Length: 0\r\n") } else { ("GET", "") };
        let response = world.ask(&format!("{method} /closing"), framing).await;
        assert_eq!(status(&response), 200, "{response}");
        assert_eq!(requests.load(Ordering::Relaxed), request);
    }
}

#[tokio::test]
async fn client_that_leaves_ends_its_request_at_the_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::with("nginx", &route("waiting", listener.local_addr().unwrap())).await;
    let mut client = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    client.write_all(b"GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    assert!(upstream.read(&mut [0; 4096]).await.unwrap() > 0);
    drop(client);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), upstream.read(&mut [0; 16])).await;
    assert_eq!(ended.expect("the connection is closed").unwrap_or(0), 0);
}

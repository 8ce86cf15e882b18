//! Bodies of any size take a constant amount of memory.

use orgate::testing::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::application::echo;
use crate::support::{Running, beginning};

/// More than what streaming needs, and less than any body below.
const MOST_KIB: u64 = 24 * 1024;

/// `ORGATE_STREAMED_MIB` sets how much goes up and comes down.
#[tokio::test(flavor = "multi_thread")]
async fn body_that_goes_up_and_comes_down_takes_constant_memory() {
    let mib: usize = std::env::var("ORGATE_STREAMED_MIB").map_or(64, |mib| mib.parse().unwrap());
    let streamed = mib * 1024 * 1024;
    let (issuer, application) = (TestIssuer::start().await, echo().await);
    let text = format!(
        "{}[upstream.echo]\nurl = \"http://{application}\"\n[[route]]\npath = \"/echo\"\npublic = true\nupstream = \"echo\"\n",
        beginning(issuer.url())
    );
    let gateway = Running::start(&text).await;
    let before = gateway.peak_kib();
    for framing in [format!("Content-Length: {streamed}"), "Transfer-Encoding: chunked".to_owned()] {
        let is_chunked = framing.starts_with("Transfer");
        let (mut read, mut write) = TcpStream::connect(gateway.proxy).await.unwrap().into_split();
        let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\nConnection: close\r\n\r\n");
        let sending = tokio::spawn(async move {
            write.write_all(head.as_bytes()).await.unwrap();
            let chunk = vec![b'x'; 64 * 1024];
            for _ in 0..streamed / chunk.len() {
                if is_chunked {
                    write.write_all(b"10000\r\n").await.unwrap();
                }
                write.write_all(&chunk).await.unwrap();
                if is_chunked {
                    write.write_all(b"\r\n").await.unwrap();
                }
            }
            if is_chunked {
                write.write_all(b"0\r\n\r\n").await.unwrap();
            }
            write
        });
        let (mut received, mut chunk) = (0, vec![0; 64 * 1024]);
        loop {
            let length = read.read(&mut chunk).await.unwrap();
            if length == 0 {
                break;
            }
            received += chunk[..length].iter().filter(|byte| **byte == b'x').count();
        }
        drop(sending.await.unwrap());
        assert_eq!(received, streamed, "{framing}");
    }
    let grown = gateway.peak_kib() - before;
    println!("{mib} MiB up and down, twice: {grown} KiB more at the peak");
    assert!(grown < MOST_KIB, "{grown} KiB more, from {before} KiB");
}

/// A client that does not read holds back the upstream, not the memory of the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn client_that_does_not_read_takes_constant_memory() {
    let (issuer, listener) = (TestIssuer::start().await, tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let application = listener.local_addr().unwrap();
    let (send, mut sent) = tokio::sync::watch::channel(0_usize);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        _ = stream.read(&mut [0; 4096]).await;
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await;
        let chunk = vec![b'x'; 64 * 1024];
        while stream.write_all(&chunk).await.is_ok() {
            send.send_modify(|sent| *sent += chunk.len());
        }
    });
    let text = format!(
        "{}[upstream.large]\nurl = \"http://{application}\"\n[[route]]\npath = \"/large\"\npublic = true\nupstream = \"large\"\n",
        beginning(issuer.url())
    );
    let gateway = Running::start(&text).await;
    let before = gateway.peak_kib();
    let mut stream = TcpStream::connect(gateway.proxy).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    // Until nothing more is taken: what is in flight is in the buffers of three sockets.
    while tokio::time::timeout(std::time::Duration::from_secs(1), sent.changed()).await.is_ok() {}
    assert!(*sent.borrow() < 128 * 1024 * 1024, "{} bytes", *sent.borrow());
    let grown = gateway.peak_kib() - before;
    assert!(grown < MOST_KIB, "{grown} KiB more, from {before} KiB");
}

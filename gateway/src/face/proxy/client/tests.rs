use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::uri::{Authority, Scheme};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::gateway::Streams;
use crate::net::full;

async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(full("served"))));
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// Passes bytes on, until connections that are open when the value changes fall silent without being closed.
async fn relay(to: SocketAddr, silence: watch::Receiver<()>, accepted: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            let mut silence = silence.clone();
            silence.mark_unchanged();
            tokio::spawn(async move {
                let mut behind = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut stream, &mut behind) => {}
                    _ = silence.changed() => std::future::pending().await,
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn requests_after_a_connection_of_http2_has_died_without_a_word_are_sent_over_another_one() {
    let (silent, silence) = watch::channel(());
    let accepted = Arc::new(AtomicUsize::new(0));
    let address = relay(upstream().await, silence, accepted.clone()).await;
    let pings = Pings { every: Duration::from_millis(100), within: Duration::from_secs(3) };
    let client = Client::with(pings).unwrap();
    let upstream = Upstream {
        name: "silent".to_owned(),
        scheme: Scheme::HTTP,
        authority: Authority::try_from(address.to_string()).unwrap(),
        timeout: Duration::from_secs(1),
        http2: Some(Streams { all: 100, each: 100 }),
    };
    let send = async || {
        let request = Request::get(format!("http://{address}/")).version(http::Version::HTTP_2).body(full("")).unwrap();
        let sent = client.send(&upstream, request).unwrap();
        timeout(upstream.timeout, sent).await.is_ok_and(|response| response.is_ok_and(|it| it.status() == 200))
    };
    assert!(send().await);
    // As long as it responds to pings, it is kept.
    tokio::time::sleep(pings.every * 8).await;
    assert!(send().await);
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    silent.send(()).unwrap();
    let recovered = async { while !send().await {} };
    timeout(Duration::from_secs(20), recovered).await.expect("a request succeeds again");
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::uri::{Authority, Scheme};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tower_service::Service as _;

use super::super::lane;
use super::*;
use crate::gateway::Streams;
use crate::net::full;
use crate::tests::http2::{Messages, body};

const PATIENCE: Duration = Duration::from_secs(20);
/// For what is never answered.
const HASTE: Duration = Duration::from_millis(50);

/// Answers `/quiet` with a body that goes on until its sender is dropped, and `/hung` never. Senders come over the channel.
async fn upstream() -> (SocketAddr, mpsc::UnboundedReceiver<Messages>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, opened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let open = open.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let open = open.clone();
                async move {
                    Ok::<_, Infallible>(Response::new(match request.uri().path() {
                        "/quiet" => {
                            let (send, body) = body();
                            open.send(send).unwrap();
                            body
                        }
                        "/hung" => std::future::pending().await,
                        _ => full("served"),
                    }))
                }
            });
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, opened)
}

fn at(address: SocketAddr, timeout: Duration, all: usize, each: usize) -> Upstream {
    Upstream {
        name: "silent".to_owned(),
        scheme: Scheme::HTTP,
        authority: Authority::try_from(address.to_string()).unwrap(),
        timeout,
        http2: Some(Streams { all, each }),
    }
}

/// Sends a request as the face does. `None` if its response did not begin in time.
async fn send(client: &Client, upstream: &Upstream, path: &str) -> Option<Response<Held>> {
    let uri = format!("{}{path}", upstream.url());
    let request = Request::get(uri).version(http::Version::HTTP_2).body(full("")).unwrap();
    let Sent { response, stream } = client.send(upstream, request).unwrap();
    let response = timeout(upstream.timeout, response).await;
    if response.is_err() {
        stream.unwrap().note_late();
    }
    response.ok()?.ok()
}

async fn is_served(client: &Client, upstream: &Upstream) -> bool {
    send(client, upstream, "/").await.is_some_and(|response| response.status() == 200)
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
    let (behind, mut opened) = upstream().await;
    let address = relay(behind, silence, accepted.clone()).await;
    let client = Client::new().unwrap();
    let (patient, hasty) = (at(address, PATIENCE, 100, 100), at(address, HASTE, 100, 100));
    assert!(is_served(&client, &patient).await);
    // As long as it responds, it is kept.
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    silent.send(()).unwrap();
    assert!(!is_served(&client, &hasty).await);
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 2);

    // And so if a call is open, which goes on.
    let mut quiet = send(&client, &patient, "/quiet").await.unwrap();
    let _sender = opened.recv().await.unwrap();
    silent.send(()).unwrap();
    assert!(!is_served(&client, &hasty).await);
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 3);
    assert!(timeout(HASTE, quiet.body_mut().frame()).await.is_err(), "it is open");
}

/// Callers give up before the gateway does.
#[tokio::test]
async fn connection_that_was_silent_when_a_caller_gave_up_is_avoided() {
    let (silent, silence) = watch::channel(());
    let accepted = Arc::new(AtomicUsize::new(0));
    let (behind, mut opened) = upstream().await;
    let address = relay(behind, silence, accepted.clone()).await;
    let (client, patient) = (Client::new().unwrap(), at(address, PATIENCE, 100, 100));
    let _quiet = send(&client, &patient, "/quiet").await.unwrap();
    let _sender = opened.recv().await.unwrap();
    silent.send(()).unwrap();
    let give_up = async |after: Duration| {
        let request = Request::get(patient.url()).version(http::Version::HTTP_2).body(full("")).unwrap();
        let Sent { response, stream } = client.send(&patient, request).unwrap();
        drop(stream);
        assert!(timeout(after, response).await.is_err());
    };
    // Too early to tell.
    give_up(HASTE).await;
    give_up(lane::PATIENCE + HASTE).await;
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn requests_that_are_not_answered_open_no_more_connections_than_there_may_be_and_stop_no_other_request() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let (_silent, silence) = watch::channel(());
    let (behind, mut opened) = upstream().await;
    let address = relay(behind, silence, accepted.clone()).await;
    let client = Client::new().unwrap();
    let (patient, hasty) = (at(address, PATIENCE, 40, 20), at(address, HASTE, 40, 20));
    let mut quiet = Vec::new();
    for round in 0..10 {
        let response = send(&client, &patient, "/quiet").await.unwrap();
        quiet.push((response, opened.recv().await.unwrap()));
        assert!(send(&client, &hasty, "/hung").await.is_none());
        // Two that the streams need, and four besides.
        assert_eq!(accepted.load(Ordering::Relaxed), (round + 1).min(6), "round {round}");
    }
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn connection_that_is_silent_is_avoided_until_something_is_read_from_it() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let (_silent, silence) = watch::channel(());
    let (behind, mut opened) = upstream().await;
    let address = relay(behind, silence, accepted.clone()).await;
    let client = Client::new().unwrap();
    let (patient, hasty) = (at(address, PATIENCE, 100, 100), at(address, HASTE, 100, 100));
    let mut quiet = send(&client, &patient, "/quiet").await.unwrap();
    let sender = opened.recv().await.unwrap();
    let (late, ()) = tokio::join!(send(&client, &hasty, "/hung"), async {
        assert!(is_served(&client, &patient).await);
    });
    assert!(late.is_none() && is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 1, "something was read while it was waited for");

    assert!(send(&client, &hasty, "/hung").await.is_none());
    sender.send(Ok(Frame::data("more".into()))).await.unwrap();
    let frame = timeout(PATIENCE, quiet.body_mut().frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "more");
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 1, "something was read afterwards");

    assert!(send(&client, &hasty, "/hung").await.is_none());
    assert!(is_served(&client, &patient).await);
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;

/// Begins a response to each request, and counts pings until a stream is reset.
async fn without_an_end(mut stream: TcpStream) -> usize {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut pings = 0;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).await.unwrap();
        match head[3] {
            // With the head of stream 1: status 200, and no end.
            HEADERS => stream.write_all(b"\0\0\x01\x01\x04\0\0\0\x01\x88").await.unwrap(),
            PING => pings += 1,
            RST_STREAM => return pings,
            _ => {}
        }
    }
}

/// Servers of gRPC close a connection with pings that they did not ask for.
#[tokio::test]
async fn quiet_call_stays_open_without_a_ping() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = at(listener.local_addr().unwrap(), PATIENCE, 100, 100);
    let server = tokio::spawn(async move { without_an_end(listener.accept().await.unwrap().0).await });
    let client = Client::new().unwrap();
    let mut quiet = send(&client, &upstream, "/quiet").await.unwrap();
    tokio::time::pause();
    for _ in 0..600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    assert!(timeout(HASTE, quiet.body_mut().frame()).await.is_err(), "it is open");
    drop(quiet);
    assert_eq!(timeout(PATIENCE, server).await.unwrap().unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn system_looks_whether_the_peer_of_a_connection_of_http2_is_there() {
    let (address, _opened) = upstream().await;
    let connected = watched_tcp().call(format!("http://{address}").parse().unwrap()).await.unwrap();
    let socket = socket2::SockRef::from(connected.inner());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
    assert!(socket.keepalive().unwrap());
    let found = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
    assert_eq!(found, (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 2);
}

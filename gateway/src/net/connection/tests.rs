//! Clients that take their time, by a clock that the tests turn.

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::places::Places;
use super::*;

const LENGTH: usize = 200_000;
const IDLE: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_secs(60);

/// Answers `/once` with one frame, `/endless` with one large frame after another, and everything else with a body in which nothing
/// happens.
struct Application;

impl Connections for Application {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        Response::new(match request.uri().path() {
            "/once" => full(vec![b'x'; LENGTH]),
            "/endless" => {
                let frames = futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from(vec![b'x'; 256 * 1024]))));
                StreamBody::new(frames).boxed_unsync()
            }
            _ => StreamBody::new(futures_util::stream::pending()).boxed_unsync(),
        })
    }
}

/// Serves one connection over a pipe that holds little.
async fn connection() -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(1024);
    let settings = ServeSettings {
        max_header_bytes: 8192,
        max_connections: 1,
        header_timeout: Duration::from_secs(10),
        idle_timeout: IDLE,
        stall_timeout: STALL,
        drain: Duration::from_secs(30),
    };
    let (place, (keep, stop)) = (Places::default().take(|| 1).await, watch::channel(false));
    let served = tokio::spawn(async move {
        serve_connection(Box::new(server), Peer::default(), place, Arc::new(Application), settings, stop).await;
        drop(keep);
    });
    (client, served)
}

async fn http2(window: u32) -> (SendRequest<Body>, JoinHandle<()>) {
    let (client, served) = connection().await;
    let mut builder = Builder::new(TokioExecutor::new());
    let (client, connection) =
        builder.initial_stream_window_size(window).handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    (client, served)
}

async fn get(client: &mut SendRequest<Body>, path: &str) -> Incoming {
    let request = Request::get(format!("http://api.example.com{path}")).body(full("")).unwrap();
    client.send_request(request).await.unwrap().into_body()
}

/// Reads as much of a body, with a pause after each 16 KiB.
async fn read(body: &mut Incoming, most: usize, pause: Duration) -> usize {
    let (mut read, mut paused) = (0, 0);
    while read < most {
        // A frame may be short.
        while paused + 16 * 1024 <= read {
            paused += 16 * 1024;
            sleep(pause).await;
        }
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    read
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_slowly_gets_the_end_of_its_response() {
    let (mut client, served) = http2(16 * 1024).await;
    let mut body = get(&mut client, "/once").await;
    assert_eq!(read(&mut body, LENGTH, STALL / 2).await, LENGTH);
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
    timeout(STALL, served).await.expect("an idle connection ends").unwrap();

    let ((mut client, served), mut head) = (connection().await, Vec::new());
    client.write_all(b"GET /once HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let (mut length, mut some) = (0, [0; 1024]);
    loop {
        match client.read(&mut some).await.unwrap() {
            0 => break,
            read => length += read,
        }
        sleep(IDLE / 5).await;
    }
    assert_eq!(length, LENGTH);
    timeout(STALL, served).await.expect("an idle connection ends").unwrap();
}

#[tokio::test(start_paused = true)]
async fn response_of_one_frame_is_reset_when_its_client_takes_nothing_more_of_it() {
    let (mut client, served) = http2(1).await;
    let _quiet = get(&mut client, "/quiet").await;
    let mut body = get(&mut client, "/once").await;
    let began = Instant::now();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1);
    // The window of one byte is only opened again by reading on.
    sleep(STALL * 2).await;
    while let Some(frame) = timeout(Duration::from_secs(1), body.frame()).await.expect("it has ended") {
        if frame.is_err() {
            assert!(!served.is_finished() && began.elapsed() < STALL * 3);
            return;
        }
    }
    panic!("a part is taken for the whole");
}

#[tokio::test(start_paused = true)]
async fn client_that_takes_less_than_a_frame_in_the_time_is_served_for_as_long_as_it_takes_some() {
    let (mut client, _served) = http2(65_535).await;
    let mut body = get(&mut client, "/endless").await;
    // The library allows more when half of its window is read.
    let began = Instant::now();
    assert!(read(&mut body, 1024 * 1024, STALL / 4).await >= 1024 * 1024);
    assert!(began.elapsed() > STALL * 10);
}

//! Many streams of HTTP/2 at one upstream: what one client does with its own holds up no other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::World;
use super::http2::{Messages, body};
use super::world::status;
use crate::gateway::Face;
use crate::net::{Body, full};

const LARGE: usize = 64 * 1024;
const SOON: Duration = Duration::from_secs(20);

/// Answers `/large` and `/frame` at once, and `/held` with a body that goes on until its sender is dropped. Senders come over the channel.
async fn application() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Messages>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, opened) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let open = open.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let open = open.clone();
                async move {
                    let body = if request.uri().path() == "/held" {
                        let (send, body) = body();
                        open.send(send).unwrap();
                        body
                    } else {
                        full(vec![b'x'; if request.uri().path() == "/frame" { 1000 } else { LARGE }])
                    };
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, opened)
}

fn tables(application: SocketAddr, upstream: &str) -> String {
    format!(
        "[upstream.streams]\nurl = \"http://{application}\"\nhttp2 = true\n{upstream}\
         [[route]]\npath = \"/large\"\npublic = true\nupstream = \"streams\"\n\
         [[route]]\npath = \"/frame\"\npublic = true\nupstream = \"streams\"\n\
         [[route]]\npath = \"/held\"\npublic = true\nupstream = \"streams\"\n"
    )
}

/// Opens one connection, over which the gateway may send so many bytes of each response.
async fn connect(world: &World, window: u32) -> SendRequest<Body> {
    let stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (client, connection) =
        builder.initial_stream_window_size(window).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn head(client: &SendRequest<Body>, path: &str) -> Response<Incoming> {
    let request = Request::get(format!("http://api.example.com{path}")).body(full("")).unwrap();
    let mut client = client.clone();
    timeout(SOON, client.send_request(request)).await.expect("a response in time").unwrap()
}

async fn read(response: Response<Incoming>) -> Option<Bytes> {
    let read = timeout(SOON, response.into_body().collect()).await.expect("the whole response in time");
    read.ok().map(http_body_util::Collected::to_bytes)
}

/// More bytes than a connection's window holds by default, and than many connections of the gateway would be needed for.
#[tokio::test(flavor = "multi_thread")]
async fn client_that_takes_no_byte_of_many_responses_holds_up_no_other_client() {
    let (application, _opened) = application().await;
    let world = World::with("nginx", &tables(application, "max_streams = [1000, 1000]\n")).await;
    let (idle, other) = (connect(&world, 0).await, connect(&world, 1 << 20).await);
    let mut unread = Vec::new();
    for _ in 0..120 {
        unread.push(head(&idle, "/large").await);
    }
    assert!(unread.iter().all(|response| response.status() == 200));
    assert_eq!(read(head(&other, "/large").await).await.map(|body| body.len()), Some(LARGE));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_that_its_client_takes_no_byte_of_ends_and_one_that_its_upstream_is_silent_in_goes_on() {
    let (application, mut opened) = application().await;
    let limits = "[limits]\nstall_timeout = \"300ms\"\n";
    let world = World::with("nginx", &format!("{limits}{}", tables(application, ""))).await;
    let client = connect(&world, 0).await;
    let silent = head(&client, "/held").await;
    let send = opened.recv().await.unwrap();
    // Its client would take more, and there is none.
    let other = connect(&world, 1 << 20).await;
    let mut open = head(&other, "/held").await;
    let send_more = opened.recv().await.unwrap();
    let stalled = head(&client, "/large").await;
    assert_eq!(read(stalled).await, None);
    // Three times as long as the first one took to end.
    tokio::time::sleep(Duration::from_millis(900)).await;
    send_more.send(Ok(Frame::data(Bytes::from_static(b"more")))).await.unwrap();
    let frame = timeout(SOON, open.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "more");
    // It shares the connection of the stream before.
    assert!(!send.is_closed());
    send.send(Ok(Frame::data(Bytes::from_static(b"now there is one")))).await.unwrap();
    assert_eq!(read(silent).await, None);
    timeout(SOON, send.closed()).await.expect("the upstream is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_beyond_the_streams_of_an_upstream_is_503_until_one_ends() {
    let (application, mut opened) = application().await;
    let world = World::with("nginx", &tables(application, "max_streams = [3, 2]\n")).await;
    let client = connect(&world, 1 << 20).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push((head(&client, "/held").await, opened.recv().await.unwrap()));
    }
    let full = world.ask("GET /large", "").await;
    assert_eq!(status(&full), 503, "{full}");
    for part in ["retry-after: 1", "application/problem+json", "as many open requests as it may have"] {
        assert!(full.contains(part), "{part}: {full}");
    }
    // The streams are still open.
    world.reload(|text| format!("{text}\n[limits]\nmax_header_bytes = 10000\n"));
    assert_eq!(status(&world.ask("GET /large", "").await), 503);
    let (response, send) = held.pop().unwrap();
    drop(send);
    assert_eq!(read(response).await.as_deref(), Some(&b""[..]));
    // The gateway may give it back just after its client has read the end.
    let served = async { while status(&world.ask("GET /large", "").await) != 200 {} };
    timeout(SOON, served).await.expect("a stream that ended is free again");
    // A client that goes away gives back what it held.
    drop((client, held));
    let again = connect(&world, 1 << 20).await;
    let all_three = async {
        let mut held = Vec::new();
        while held.len() < 3 {
            held.extend(Some(head(&again, "/held").await).filter(|response| response.status() == 200));
        }
    };
    timeout(SOON, all_three).await.expect("streams of a client that is gone are free again");
}

/// The whole response is in one frame that the connection has, and has begun to send.
#[tokio::test(flavor = "multi_thread")]
async fn response_of_which_its_client_takes_one_byte_is_reset_while_another_one_of_the_connection_goes_on() {
    let (application, mut opened) = application().await;
    let limits = "[limits]\nstall_timeout = \"300ms\"\n";
    let world = World::with("nginx", &format!("{limits}{}", tables(application, ""))).await;
    let client = connect(&world, 1).await;
    let mut open = head(&client, "/held").await;
    let send = opened.recv().await.unwrap();
    let mut stalled = head(&client, "/frame").await;
    let frame = timeout(SOON, stalled.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap().len(), 1);
    // The library allows more when it is read on: too late.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(read(stalled).await, None);
    send.send(Ok(Frame::data(Bytes::from_static(b"1")))).await.unwrap();
    let frame = timeout(SOON, open.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "1");
}

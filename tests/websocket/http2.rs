//! WebSockets as streams of HTTP/2 (RFC 8441).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, Request, Response, Version};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::support::{PAGE, World, next};

async fn connect(world: &World, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut client, mut connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    // The server says that it takes extended CONNECT.
    while !connection.is_extended_connect_protocol_enabled() {
        assert!(poll_fn(|cx| Poll::Ready(connection.poll_unpin(cx).is_pending())).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("http://{}{path}", world.address))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send_request(request.body(Empty::new()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn token_among_the_protocols_opens_a_stream() {
    let world = World::start().await;
    let token = world.token();
    let offered = format!("orders.v1, bearer.{token}");
    let headers = [("origin", PAGE), ("sec-websocket-protocol", &*offered)];
    let response = connect(&world, "/live", &headers).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "orders.v1");
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    assert_eq!(next(&mut socket).await, "user_1 orders.v1 false");
}

#[tokio::test]
async fn rules_of_the_handshake_hold_for_a_stream() {
    let world = World::start().await;
    let token = world.token();
    let offered = format!("orders.v1, bearer.{token}");
    let alone = format!("bearer.{token}");
    let authorization = format!("Bearer {token}");
    for (headers, status) in [
        (vec![("sec-websocket-protocol", &*offered)], 400),
        (vec![("origin", "https://evil.example"), ("sec-websocket-protocol", &*offered)], 403),
        (vec![("origin", PAGE), ("sec-websocket-protocol", &*alone)], 400),
        (vec![("origin", PAGE), ("sec-websocket-protocol", &*offered), ("authorization", &*authorization)], 400),
        (vec![("origin", PAGE)], 401),
        (vec![("authorization", &*authorization)], 200),
    ] {
        assert_eq!(connect(&world, "/live", &headers).await.status(), status, "{headers:?}");
    }
}

#[tokio::test]
async fn first_message_is_the_token_of_a_stream() {
    use futures_util::SinkExt as _;
    let world = World::start().await;
    let response = connect(&world, "/first", &[("origin", PAGE)]).await;
    assert_eq!(response.status(), 200);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    socket.send(Message::text(world.token())).await.unwrap();
    assert_eq!(next(&mut socket).await, "hello user_1");
    assert_eq!(connect(&world, "/first", &[]).await.status(), 400);
}

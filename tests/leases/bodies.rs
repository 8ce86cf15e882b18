//! Streams, bodies, sockets and calls that end with their right and say why.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::BodyExt as _;
use orgate::axum::ws::LeasedSocket;
use orgate::change::Change;
use orgate::lease::{Ended, Lease, LeasedBody};
use orgate::mcp::Tools;
use orgate::policy::resource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::support::{LONG, World};

fn get(path: &str, token: &str) -> Request<Body> {
    Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

async fn events(lease: Lease) -> impl IntoResponse {
    let first = stream::iter([Ok::<_, Infallible>(Event::default().data("first"))]);
    lease.attach(Sse::new(first.chain(stream::pending())).into_response())
}

async fn chat(lease: Lease, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        let mut socket = LeasedSocket::new(lease, socket);
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                Message::Text(text) if text.starts_with("renew ") => {
                    let renewed = socket.lease().renew(&text["renew ".len()..]).await;
                    let word = renewed.map_or_else(|rejection| rejection.remediation().as_str(), |()| "renewed");
                    _ = socket.send(Message::Text(word.into())).await;
                }
                Message::Text(text) => _ = socket.send(Message::Text(text)).await,
                _ => {}
            }
        }
    })
}

fn app(world: &World) -> Router {
    let guard = world.server.guard().get("/events", events, resource()).get("/chat", chat, resource());
    guard.into_router().unwrap()
}

#[tokio::test]
async fn event_stream_ends_with_a_last_event_that_says_why() {
    let world = World::start().await;
    let response = app(&world).oneshot(get("/events", &world.token("alice", ""))).await.unwrap();
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: first\n\n");
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    let rest = tokio::time::timeout(LONG, body.collect()).await.unwrap().unwrap().to_bytes();
    assert_eq!(rest, "event: end\ndata: {\"reason\":\"suspended\",\"remediation\":\"authenticate\"}\n\n");
    assert_eq!(world.server.usage().leases, 0);
}

#[tokio::test]
async fn body_that_the_client_leaves_takes_its_lease_along() {
    let world = World::start().await;
    let response = app(&world).oneshot(get("/events", &world.token("alice", ""))).await.unwrap();
    assert_eq!(world.server.usage().leases, 1);
    drop(response);
    assert_eq!(world.server.usage().leases, 0);
}

fn response(content_type: &str, chunks: Vec<&'static str>) -> http::Response<Body> {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)).chain(stream::pending());
    http::Response::builder().header("content-type", content_type).body(Body::from_stream(chunks)).unwrap()
}

#[tokio::test]
async fn body_ends_in_the_form_of_its_content_type() {
    let last = "event: end\ndata: {\"reason\":\"suspended\",\"remediation\":\"authenticate\"}\n\n";
    for (content_type, chunks, expected) in [
        ("text/event-stream", vec!["data: a\n\n"], Ok(last)),
        ("Text/Event-Stream; charset=utf-8", vec!["data: a\r\n\r\n"], Ok(last)),
        ("text/event-stream", vec![], Ok(last)),
        ("text/event-stream", vec!["data: a\n", "\n"], Ok(last)),
        // Within an event: a client drops what is not whole.
        ("text/event-stream", vec!["data: a\n"], Ok("")),
        ("text/event-stream", vec!["data: a\n\ndata: b"], Ok("")),
        ("application/octet-stream", vec!["abc"], Err("suspended: authenticate")),
        ("application/grpc-web", vec!["abc"], Err("suspended: authenticate")),
    ] {
        let world = World::start().await;
        let lease = world.lease(resource(), &world.token("alice", "")).await;
        let count = chunks.len();
        let mut body = LeasedBody::attach(Arc::new(lease), response(content_type, chunks)).into_body();
        for _ in 0..count {
            body.frame().await.unwrap().unwrap();
        }
        world.apply(|iss, at| Change::suspended(iss, "alice", at));
        let rest = tokio::time::timeout(LONG, body.collect()).await.unwrap();
        let rest =
            rest.map(|rest| String::from_utf8(rest.to_bytes().to_vec()).unwrap()).map_err(|error| error.to_string());
        assert_eq!(rest.as_deref().map_err(|error| &**error), expected, "{content_type}");
    }
}

#[tokio::test]
async fn body_that_no_lease_watches_ends_with_the_end_that_it_is_given() {
    for (content_type, expected) in [
        ("text/event-stream", Ok("\"reason\":\"closing\",\"remediation\":\"retry\",\"retry_after\":")),
        ("application/octet-stream", Err("closing: retry")),
    ] {
        let (end, ended) = tokio::sync::oneshot::channel();
        let ended = async { ended.await.unwrap() };
        let mut body = LeasedBody::end_with(ended, response(content_type, vec!["data: a\n\n"])).into_body();
        body.frame().await.unwrap().unwrap();
        assert!(!http_body::Body::is_end_stream(&body));
        end.send(Ended::closing()).unwrap();
        match (tokio::time::timeout(LONG, body.frame()).await.unwrap().unwrap(), expected) {
            (Ok(last), Ok(part)) => {
                let last = String::from_utf8(last.into_data().unwrap().to_vec()).unwrap();
                assert!(last.starts_with("event: end\nretry: ") && last.contains(part), "{last}");
            }
            (last, expected) => assert_eq!(last.unwrap_err().to_string(), expected.unwrap_err()),
        }
        assert!(http_body::Body::is_end_stream(&body) && body.frame().await.is_none());
    }
    let after: std::collections::BTreeSet<_> = (0..50).map(|_| Ended::closing().retry_after()).collect();
    let most = Duration::from_secs(11);
    assert!(after.iter().all(|after| after.is_some_and(|after| after >= Duration::from_secs(1) && after <= most)));
    assert!(after.len() > 10, "clients would come back together: {after:?}");
}

#[tokio::test]
async fn stream_ends_with_the_item_that_is_made_of_its_end() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    let items = stream::iter(["one".to_owned()]).chain(stream::pending());
    let mut items = std::pin::pin!(lease.stream(items, |ended| Some(ended.reason().as_str().to_owned())));
    assert_eq!(items.next().await.unwrap(), "one");
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    assert_eq!(items.next().await.unwrap(), "suspended");
    assert_eq!(items.next().await, None);
    let lease = world.issuer.resource_token(crate::support::API).subject("bob").mint();
    let lease = world.lease(resource(), &lease).await;
    let whole: Vec<i32> = lease.stream(stream::iter([1, 2]), |_| None).collect().await;
    assert_eq!(whole, [1, 2], "one that ends by itself says nothing more");
    assert_eq!(world.server.usage().leases, 0);
}

async fn serve(app: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A WebSocket's client, as far as it is needed here.
struct Client(TcpStream);

impl Client {
    async fn connect(address: std::net::SocketAddr, token: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /chat HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            read.push(stream.read_u8().await.unwrap());
        }
        assert!(read.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&read));
        Self(stream)
    }

    async fn say(&mut self, text: &str) {
        // Masked with zeros, and with a length of 16 bits.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// The opcode and the payload of the next frame.
    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let hearing = async {
            let opcode = self.0.read_u8().await.unwrap() & 0x0f;
            let length = self.0.read_u8().await.unwrap();
            let mut payload = vec![0; length.into()];
            self.0.read_exact(&mut payload).await.unwrap();
            (opcode, payload)
        };
        tokio::time::timeout(LONG, hearing).await.expect("a frame")
    }
}

#[tokio::test]
async fn socket_closes_with_the_code_and_the_remediation() {
    let world = World::start().await;
    let address = serve(app(&world)).await;
    let mint = || world.issuer.resource_token(crate::support::API).subject("alice").client("web");
    let mut client = Client::connect(address, &mint().expires_in(Duration::from_secs(600)).mint()).await;
    client.say("hello").await;
    assert_eq!(client.hear().await, (1, b"hello".to_vec()));
    client.say(&format!("renew {}", mint().subject("bob").mint())).await;
    assert_eq!(client.hear().await, (1, b"authenticate".to_vec()));
    client.say(&format!("renew {}", mint().expires_in(Duration::from_secs(1200)).mint())).await;
    assert_eq!(client.hear().await, (1, b"renewed".to_vec()));
    world.pass(900.0);
    client.say("still there").await;
    assert_eq!(client.hear().await, (1, b"still there".to_vec()));
    world.pass(400.0);
    let (opcode, payload) = client.hear().await;
    assert_eq!((opcode, &payload[..2], &payload[2..]), (8, &3000_u16.to_be_bytes()[..], &b"refresh"[..]));
}

#[tokio::test]
async fn graceful_shutdown_waits_for_no_stream() {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shut_down, server) = (Arc::new(tokio::sync::Notify::new()), world.server.clone());
    let signal = shut_down.clone();
    let serving = axum::serve(listener, app(&world)).with_graceful_shutdown(async move {
        signal.notified().await;
        server.close();
    });
    let serving = tokio::spawn(async move { serving.await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", world.token("alice", ""));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = vec![0; 4096];
    assert!(stream.read(&mut read).await.unwrap() > 0);
    shut_down.notify_one();
    tokio::time::timeout(LONG, serving).await.expect("it shuts down").unwrap().unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(
        rest.contains("event: end\nretry: ") && rest.contains("\"reason\":\"closing\",\"remediation\":\"retry\""),
        "{rest}"
    );
}

/// An MCP server whose every answer is a stream.
#[derive(Clone)]
struct Streaming;

impl<B: Send + 'static> tower::Service<Request<B>> for Streaming {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(response("text/event-stream", vec!["data: {}\n\n"])))
    }
}

#[tokio::test]
async fn streams_of_an_mcp_server_end_with_their_right() {
    let world = World::start().await;
    let tools = Tools::new(resource()).tool("wait", resource());
    let guard: orgate::Guard = world.server.guard().mcp("/mcp", Streaming, tools);
    let app = guard.into_router().unwrap();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait"}}"#;
    let post = Request::post("/mcp").header("authorization", format!("Bearer {}", world.token("alice", "")));
    let post = post.header("content-type", "application/json").body(Body::from(call)).unwrap();
    let mut bodies = Vec::new();
    for request in [get("/mcp", &world.token("alice", "")), post] {
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: {}\n\n");
        bodies.push(body);
    }
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    for body in bodies {
        let rest = tokio::time::timeout(LONG, body.collect()).await.unwrap().unwrap().to_bytes();
        assert!(rest.starts_with(b"event: end\n"), "{rest:?}");
    }
}

mod grpc {
    //! `test.Clock`, whose one method streams.

    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::{Stream, StreamExt as _, stream};
    use orgate::engine::Grant;
    use tonic::body::Body;
    use tonic::server::{Grpc, NamedService, ServerStreamingService};
    use tonic::{Code, Status};
    use tonic_prost::ProstCodec;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Tick {
        #[prost(uint32, tag = "1")]
        pub(super) number: u32,
    }

    type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

    #[derive(Clone)]
    pub(super) struct Clock;

    impl NamedService for Clock {
        const NAME: &'static str = "test.Clock";
    }

    impl ServerStreamingService<Tick> for Clock {
        type Response = Tick;
        type ResponseStream = Pin<Box<dyn Stream<Item = Result<Tick, Status>> + Send>>;
        type Future = Answer<tonic::Response<Self::ResponseStream>>;

        fn call(&mut self, request: tonic::Request<Tick>) -> Self::Future {
            let lease = request.extensions().get::<Grant>().unwrap().lease().unwrap();
            Box::pin(async move {
                let ticks = stream::iter([Ok(Tick { number: 1 })]).chain(stream::pending());
                let ticks = lease.stream(ticks, |ended| {
                    Some(Err(Status::new(Code::from(i32::from(ended.grpc_code())), ended.to_string())))
                });
                Ok(tonic::Response::new(Box::pin(ticks) as Self::ResponseStream))
            })
        }
    }

    impl tower::Service<http::Request<Body>> for Clock {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            Box::pin(async { Ok(Grpc::new(ProstCodec::default()).server_streaming(Self, request).await) })
        }
    }
}

#[tokio::test]
async fn streaming_call_of_tonic_ends_with_its_status() {
    let world = World::start().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let layer = world.server.require(resource()).unwrap();
    let server = tonic::transport::Server::builder().layer(layer).add_service(grpc::Clock);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(grpc::Tick { number: 0 });
    let token = format!("Bearer {}", world.token("alice", ""));
    request.metadata_mut().insert("authorization", token.parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/test.Clock/Watch");
    let codec = tonic_prost::ProstCodec::<grpc::Tick, grpc::Tick>::default();
    let mut ticks = client.server_streaming(request, path, codec).await.unwrap().into_inner();
    assert_eq!(ticks.message().await.unwrap(), Some(grpc::Tick { number: 1 }));
    world.apply(|iss, at| Change::suspended(iss, "alice", at));
    let status = tokio::time::timeout(LONG, ticks.message()).await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::Unauthenticated, "suspended: authenticate"));
}

#[tokio::test]
async fn grpc_body_ends_with_trailers() {
    let world = World::start().await;
    let lease = world.lease(resource(), &world.token("alice", "")).await;
    let mut body = lease.attach(response("application/grpc+proto", vec!["abc"])).into_body();
    body.frame().await.unwrap().unwrap();
    world.server.close();
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"14".parse().unwrap(), &"closing: retry".parse().unwrap())
    );
    assert!(body.frame().await.is_none());
}

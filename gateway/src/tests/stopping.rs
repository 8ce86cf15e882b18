//! What is in flight when the gateway is told to stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::World;
use super::http2::body;
use crate::gateway::Face;
use crate::net::{Body, full};
use crate::retired::Stage;
use crate::serve::close;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const PATHS: [&str; 2] = ["/call", "/open"];

/// Begins a response at once or when it is told to, and then ends it: a message, and trailers.
struct Held {
    address: SocketAddr,
    arrived: mpsc::Receiver<()>,
    release: watch::Sender<bool>,
}

impl Held {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ((arrives, arrived), (release, released)) = (mpsc::channel(64), watch::channel(false));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (arrives, released) = (arrives.clone(), released.clone());
                let service = hyper::service::service_fn(move |request| {
                    let (arrives, released) = (arrives.clone(), released.clone());
                    async move {
                        _ = arrives.send(()).await;
                        Ok::<_, Infallible>(respond(request, released).await)
                    }
                });
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, arrived, release }
    }

    /// A gateway before it: one route with a policy, and a public one.
    async fn world(&self, more: &str) -> World {
        let routes = format!(
            "{more}[upstream.held]\nurl = \"http://{}\"\nhttp2 = true\n\
             [[route]]\npath = \"/call\"\npolicy = \"resource in any organization\"\nupstream = \"held\"\n\
             [[route]]\npath = \"/open\"\npublic = true\nupstream = \"held\"\n",
            self.address
        );
        World::with("nginx", &routes).await
    }
}

async fn respond(request: Request<Incoming>, mut released: watch::Receiver<bool>) -> Response<Body> {
    let (send, body) = body();
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", request.headers()["x-type"].clone());
    let is_late = request.headers().contains_key("x-late");
    if is_late {
        _ = released.wait_for(|released| *released).await;
    }
    tokio::spawn(async move {
        _ = released.wait_for(|released| *released).await;
        let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from(0))]);
        for frame in [Frame::data(Bytes::from_static(b"message")), Frame::trailers(trailers)] {
            _ = send.send(Ok(frame)).await;
        }
    });
    response
}

/// What has come of a call: its message and its status.
type Outcome = Result<(Bytes, Option<u16>), String>;

/// Calls to both routes, whose responses have begun or not.
async fn calls(world: &World, held: &mut Held, kinds: &[(Method, &str)]) -> Vec<(String, JoinHandle<Outcome>)> {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut calls = Vec::new();
    for (method, kind) in kinds {
        for path in PATHS {
            for is_late in [false, true] {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("http://{}{path}", world.addresses[&Face::Proxy]))
                    .header("authorization", format!("Bearer {}", world.token))
                    .header("x-type", *kind);
                let request = if is_late { request.header("x-late", "1") } else { request };
                let response = client.request(request.body(full("")).unwrap());
                let call = if is_late {
                    let call = tokio::spawn(async move { outcome(response.await.map_err(|e| e.to_string())?).await });
                    held.arrived.recv().await.unwrap();
                    call
                } else {
                    let response = response.await.unwrap();
                    held.arrived.recv().await.unwrap();
                    tokio::spawn(outcome(response))
                };
                calls.push((format!("{method} {path} {kind}, late: {is_late}"), call));
            }
        }
    }
    calls
}

async fn outcome(response: Response<Incoming>) -> Outcome {
    let collected = response.into_body().collect().await.map_err(|error| error.to_string())?;
    let status = collected.trailers().and_then(|trailers| trailers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok());
    Ok((collected.to_bytes(), status))
}

/// Waits until no more connections are taken.
async fn refused(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn responses_that_end_by_themselves_are_whole_when_the_gateway_stops() {
    let mut held = Held::start().await;
    let mut world = held.world("").await;
    let kinds = [
        (Method::POST, "application/grpc"),
        (Method::POST, "application/grpc+proto"),
        (Method::GET, "application/x-ndjson"),
        (Method::GET, "application/json-seq"),
        // The answer to a call, whose client does not connect again by itself.
        (Method::POST, "text/event-stream"),
    ];
    let calls = calls(&world, &mut held, &kinds).await;
    let address = world.addresses[&Face::Proxy];
    let ended = async {
        refused(address).await;
        held.release.send(true).unwrap();
        for (what, call) in calls {
            assert_eq!(call.await.unwrap(), Ok((Bytes::from_static(b"message"), Some(0))), "{what}");
        }
    };
    let both = async { tokio::join!(world.close(), ended) };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
}

#[tokio::test]
async fn responses_that_do_not_end_in_the_drain_time_say_why_when_the_gateway_stops() {
    let mut held = Held::start().await;
    let mut world = held.world("[limits]\ndrain = \"1s\"\n").await;
    let kinds = [(Method::POST, "application/grpc"), (Method::GET, "application/x-ndjson")];
    let calls = calls(&world, &mut held, &kinds).await;
    tokio::time::timeout(Duration::from_secs(20), world.close()).await.unwrap();
    for (what, call) in calls {
        if what.contains("late: true") {
            call.abort();
            continue;
        }
        let outcome = tokio::time::timeout(Duration::from_secs(10), call).await.expect(&what).unwrap();
        if what.contains("grpc") {
            assert_eq!(outcome, Ok((Bytes::new(), Some(14))), "{what}");
        } else {
            assert!(outcome.is_err(), "{what}: a part is taken for the whole: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_quarter_of_the_drain_time_is_left_for_what_is_told_to_end() {
    let world = World::start().await;
    let gateway = world.current.load_full();
    let (stop, mut stopped) = watch::channel(false);
    let mut faces = JoinSet::new();
    let waits: Vec<_> = gateway.retired.iter().map(|route| route.wait(Stage::Over)).collect();
    faces.spawn(async move {
        stopped.wait_for(|stop| *stop).await.unwrap();
        futures_util::future::join_all(waits).await;
    });
    tokio::time::pause();
    let started = Instant::now();
    close(&world.current, &stop, &mut faces).await;
    let drain = gateway.serve.drain;
    assert!((drain / 4 * 3..drain / 5 * 4).contains(&started.elapsed()), "{:?}", started.elapsed());
}

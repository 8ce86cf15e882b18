//! An authorizer that says yes to everything: an empty answer, in whichever protocol it is asked.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                _ = builder.serve_connection(TokioIo::new(stream), service_fn(yes)).await;
            });
        }
    });
    address
}

async fn yes(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    if request.headers().get("content-type").is_none_or(|value| value != "application/grpc") {
        return Ok(Response::new(Empty::new().boxed()));
    }
    _ = request.into_body().collect().await;
    // A message of no bytes, which Envoy takes for a yes.
    let message = Full::new(Bytes::from_static(&[0; 5]));
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let mut response = Response::new(message.with_trailers(async { Some(Ok(trailers)) }).boxed());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

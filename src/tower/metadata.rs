use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::ResponseBody;
use crate::engine::State;

/// Serves metadata documents. Made by [`ResourceServer::metadata_layer`](crate::ResourceServer::metadata_layer).
#[derive(Clone, Debug)]
pub struct MetadataLayer(Arc<State>);

impl MetadataLayer {
    pub(crate) fn new(state: &Arc<State>) -> Self {
        Self(state.clone())
    }
}

impl<S> Layer<S> for MetadataLayer {
    type Service = WithMetadata<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithMetadata { inner, state: self.0.clone() }
    }
}

/// A service beside metadata documents. Made by [`MetadataLayer`].
#[derive(Clone, Debug)]
pub struct WithMetadata<S> {
    inner: S,
    state: Arc<State>,
}

impl<S, B, R> Service<Request<B>> for WithMetadata<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
    R::Data: From<Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = WithMetadataFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let stage = if let Some(document) = self.state.metadata_response(&parts) {
            // What the service has reserved is given back with it.
            self.inner = self.inner.clone();
            Stage::Document { response: Some(Box::new(document)) }
        } else {
            Stage::Passing { inner: self.inner.call(Request::from_parts(parts, body)) }
        };
        WithMetadataFuture { stage }
    }
}

pin_project! {
    /// The response of [`WithMetadata`].
    #[derive(Debug)]
    pub struct WithMetadataFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[derive(Debug)]
    enum Stage<F> {
        Passing { #[pin] inner: F },
        Document { response: Option<Box<Response<Bytes>>> },
    }
}

impl<F, R, E> Future for WithMetadataFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Data: From<Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Passing { inner } => inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner)),
            StageProjection::Document { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::refusal))),
                None => Poll::Pending,
            },
        }
    }
}

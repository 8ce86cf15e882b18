use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::answered::AnsweredFuture;
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
    type Future = AnsweredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        if let Some(document) = self.state.metadata_response(&parts) {
            // What the service has reserved is given back with it.
            self.inner = self.inner.clone();
            return AnsweredFuture::answered(document);
        }
        AnsweredFuture::passing(self.inner.call(Request::from_parts(parts, body)))
    }
}

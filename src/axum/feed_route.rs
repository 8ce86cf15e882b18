//! What answers on the routes of a feed.

use axum::body::Body;
use axum::extract::Request;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::feed::Feed;

/// What a route of a feed sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Events,
    State,
}

/// What answers: the feed decides about its requests itself.
pub(super) fn endpoint<S: Clone + Send + Sync + 'static>(feed: Feed, form: Form) -> MethodRouter<S> {
    let handler = async move |request: Request| {
        let (mut head, _) = request.into_parts();
        let response = match form {
            Form::Events => feed.events(&mut head).await,
            Form::State => feed.state(&mut head).await,
        };
        response.map(Body::new)
    };
    on(MethodFilter::GET, handler)
}

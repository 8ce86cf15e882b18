use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tower_service::Service as _;

use super::Current;
use crate::answer;
use crate::config::Webhook;
use crate::gateway::{Face, Gateway};
use crate::net::{Body, Connections, Peer, full};

/// Takes deliveries of issuers on a socket of their own.
pub(crate) struct Webhooks(pub(crate) Current);

impl Connections for Webhooks {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let gateway = self.0.load_full();
        deliver(&gateway, request).await
    }
}

impl Gateway {
    /// Returns whether deliveries come to this path.
    pub(crate) fn takes_webhooks_at(&self, path: &str) -> bool {
        self.file.webhooks.iter().any(|table| table.path.as_str() == path)
    }

    /// Returns the webhooks whose deliveries the proxy takes before it looks at a route.
    pub(crate) fn webhooks_before_routes(&self) -> &[Webhook] {
        let has_own_address = self.listen.contains_key(&Face::Webhooks);
        if self.listen.contains_key(&Face::Proxy) && !has_own_address { &self.file.webhooks } else { &[] }
    }
}

pub(crate) async fn deliver(gateway: &Gateway, request: Request<Incoming>) -> Response<Body> {
    let Some(router) = &gateway.webhooks else { return answer::no_route().map(full) };
    // A router is ready at all times, and does not fail.
    match router.clone().call(request).await {
        Ok(response) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
        Err(never) => match never {},
    }
}

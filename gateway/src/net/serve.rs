use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Listener;
use super::connection::{Connections, ServeSettings, serve_connection};
use super::places::Places;

/// How long to wait after an error of the listener: no file descriptors left, for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `stop` says so, then waits for requests in flight and for connections that were upgraded.
/// `settings` says what holds for the next connection: a reload changes it.
pub(crate) async fn serve<C: Connections>(
    listener: Listener,
    face: Arc<C>,
    settings: impl Fn() -> ServeSettings,
    mut stop: watch::Receiver<bool>,
) {
    let mut places = Places::default();
    loop {
        let place = tokio::select! {
            place = places.take(|| settings().max_connections) => place,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(target: "orgate", %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        tokio::spawn(serve_connection(stream, peer, place, face.clone(), settings(), stop.clone()));
    }
    drop(listener);
    if tokio::time::timeout(settings().drain, places.all_free()).await.is_err() {
        tracing::warn!(target: "orgate", "what was in flight was cut off at the end of the drain time");
    }
}

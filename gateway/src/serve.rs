use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::face::Current;
use crate::face::admin::{Admin, KeySet};
use crate::face::ext_authz::ExtAuthz;
use crate::face::forward_auth::ForwardAuth;
use crate::face::proxy::{Client, Proxy, Via};
use crate::face::webhooks::Webhooks;
use crate::gateway::{Face, Gateway};
use crate::net::{Listener, serve};
use crate::retired::{Retired, Stage};
use crate::{reload, telemetry};

/// Serves every face until the process is told to stop, then lets requests in flight end.
///
/// # Errors
///
/// Returns an error if a face cannot listen.
pub(crate) async fn run(path: PathBuf, gateway: Gateway, read: Vec<PathBuf>) -> io::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let current: Current = Arc::new(ArcSwap::from_pointee(gateway));
    let Started { mut faces, .. } = start(&current, &stopped).await?;
    let reloads = tokio::spawn(reload::watch(path, current.clone(), read));
    let gateway = current.load_full();
    if let Some(bridge) = gateway.lasting.bridge.clone() {
        tokio::spawn(bridge.work());
    }
    tokio::spawn(telemetry::upkeep());
    // The first requests find keys, and what the log of changes holds.
    let warm_up = gateway.server.ready();
    tokio::spawn(async move {
        if let Err(error) = warm_up.await {
            tracing::warn!(target: "orgate", %error, "not ready yet");
        }
    });
    drop(gateway);
    notify(&[NotifyState::Ready]);
    tracing::info!(target: "orgate", "serving");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        // A face ends before it was told to only by a panic: the process must not go on half open.
        ended = faces.join_next() => {
            reloads.abort();
            return Err(io::Error::other(format!("a face ended: {ended:?}")));
        }
    }
    tracing::info!(target: "orgate", "stopping: requests in flight may end");
    notify(&[NotifyState::Stopping]);
    reloads.abort();
    close(&current, &stop, &mut faces).await;
    let (kept, within) = {
        let gateway = current.load();
        (gateway.server.changes_kept(), gateway.serve.drain)
    };
    if tokio::time::timeout(within, kept).await.is_err() {
        tracing::error!(target: "orgate", "changes were not kept at the end of the drain time");
    }
    Ok(())
}

/// Takes no more connections, and waits until no face has one. What would not end by itself ends at once, and what may end by
/// itself a while before the drain time is over: clients are told to come again.
pub(crate) async fn close(current: &Current, stop: &watch::Sender<bool>, faces: &mut JoinSet<()>) {
    let gateway = current.load_full();
    gateway.retired.iter().for_each(|route| route.advance(Stage::Stopping));
    _ = stop.send(true);
    let ended = async { while faces.join_next().await.is_some() {} };
    if tokio::time::timeout(gateway.serve.drain / 4 * 3, ended).await.is_err() {
        gateway.server.close();
        gateway.retired.iter().for_each(Retired::retire);
        while faces.join_next().await.is_some() {}
    }
}

/// Faces that serve, and where.
pub(crate) struct Started {
    pub(crate) faces: JoinSet<()>,
    pub(crate) addresses: BTreeMap<Face, SocketAddr>,
}

/// Binds every face, then serves all of them.
///
/// # Errors
///
/// Returns an error if a face cannot listen.
pub(crate) async fn start(current: &Current, stopped: &watch::Receiver<bool>) -> io::Result<Started> {
    let gateway = current.load_full();
    let (mut listeners, mut addresses) = (Vec::new(), BTreeMap::new());
    for (face, address) in &gateway.listen {
        let listener = Listener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("{} cannot listen on {address}: {error}", face.as_str()))
        })?;
        let local = listener.local_address();
        let at = local.map_or_else(|| address.to_string(), |local| local.to_string());
        tracing::info!(target: "orgate", face = face.as_str(), address = at, "listening");
        addresses.extend(local.map(|local| (*face, local)));
        listeners.push((*face, listener));
    }
    let mut faces = JoinSet::new();
    for (face, listener) in listeners {
        let (current, latest, stopped) = (current.clone(), current.clone(), stopped.clone());
        let settings = move || latest.load().serve;
        match face {
            Face::Proxy => {
                let proxy = Proxy { current, client: Client::new()?, via: Via::new()? };
                faces.spawn(serve(listener, Arc::new(proxy), settings, stopped))
            }
            Face::ForwardAuth => faces.spawn(serve(listener, Arc::new(ForwardAuth(current)), settings, stopped)),
            Face::ExtAuthz => faces.spawn(serve(listener, Arc::new(ExtAuthz(current)), settings, stopped)),
            Face::Admin => faces.spawn(serve(listener, Arc::new(Admin(current)), settings, stopped)),
            Face::Webhooks => faces.spawn(serve(listener, Arc::new(Webhooks(current)), settings, stopped)),
            Face::Jwks => faces.spawn(serve(listener, Arc::new(KeySet(current)), settings, stopped)),
        };
    }
    Ok(Started { faces, addresses })
}

/// Tells systemd, if it started the process.
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(target: "orgate", %error, "systemd could not be notified");
    }
}

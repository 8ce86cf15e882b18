//! A changed file takes effect without a restart, if it is sound.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::compile::{Purpose, compile};
use crate::config::{self, Fault};
use crate::face::Current;
use crate::{serve, telemetry};

/// How long files must have been still: a certificate and its key are written one after the other.
const STILL: Duration = Duration::from_secs(1);

/// Reloads on SIGHUP and whenever a file changes that the configuration was read from.
pub(crate) async fn watch(path: PathBuf, current: Current, mut read: Vec<PathBuf>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let (changed, mut changes) = mpsc::channel(1);
    let mut watcher = watcher(changed, &read);
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            Some(()) = changes.recv() => still(&mut changes, &mut hangup).await,
        }
        // Files are read on another thread, so that a slow disk holds up no request.
        let (file, before) = (path.clone(), current.load_full());
        let loaded = tokio::task::spawn_blocking(move || load(&file, &before)).await;
        telemetry::reloaded(matches!(loaded, Ok(Ok(_))));
        match loaded {
            Ok(Ok((gateway, files))) => {
                current.store(gateway.into());
                if files != read {
                    read = files;
                    let (changed, receiver) = mpsc::channel(1);
                    (watcher, changes) = (self::watcher(changed, &read), receiver);
                }
                tracing::info!(target: "orgate", "the configuration was reloaded");
            }
            Ok(Err(fault)) => {
                tracing::error!(target: "orgate", %fault, "the configuration is faulty: the one before stays in force");
            }
            Err(error) => tracing::error!(target: "orgate", %error, "the configuration could not be reloaded"),
        }
        serve::notify(&[NotifyState::Ready]);
        _ = &watcher;
    }
}

fn load(path: &Path, before: &crate::gateway::Gateway) -> Result<(crate::gateway::Gateway, Vec<PathBuf>), Fault> {
    let loaded = config::load(path)?;
    let read = loaded.read.clone();
    let gateway = compile(loaded, Purpose::Replace(before))?;
    for warning in &gateway.warnings {
        tracing::warn!(target: "orgate", "{warning}");
    }
    Ok((gateway, read))
}

/// Waits until nothing has changed for a while, or somebody says that nothing more will.
async fn still(changes: &mut mpsc::Receiver<()>, hangup: &mut Signal) {
    let quiet =
        async { while tokio::time::timeout(STILL, changes.recv()).await.is_ok_and(|change| change.is_some()) {} };
    tokio::select! {
        () = quiet => {}
        _ = hangup.recv() => {}
    }
}

/// Watches the folders of the files: an editor or a secret store replaces a file rather than writing into it.
fn watcher(changed: mpsc::Sender<()>, files: &[PathBuf]) -> Option<RecommendedWatcher> {
    let event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Full: a change is on its way already.
            _ = changed.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(event)
        .inspect_err(|error| tracing::warn!(target: "orgate", %error, "files are not watched: reload by SIGHUP"))
        .ok()?;
    let folders: BTreeSet<&Path> = files
        .iter()
        .filter_map(|file| file.parent())
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .collect();
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(target: "orgate", folder = %folder.display(), %error, "a folder is not watched: reload by SIGHUP");
        }
    }
    Some(watcher)
}

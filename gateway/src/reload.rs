//! A changed file takes effect without a restart, if it is sound.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
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
/// A file that never is still is read after so many looks.
const MOST_LOOKS: usize = 10;

/// Reloads on SIGHUP and whenever a file changes that the configuration was read from.
pub(crate) async fn watch(path: PathBuf, current: Current, mut read: Vec<PathBuf>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let (changed, mut changes) = mpsc::channel(1);
    let mut watcher = watcher(changed, &read);
    // None while the file is faulty: then it is not known which files it would be read from.
    let mut known = Some(stamps(&read).await);
    let mut last_fault = None;
    loop {
        tokio::select! {
            _ = hangup.recv() => last_fault = None,
            // Logs may be written into the same folder.
            Some(()) = changes.recv() => if !has_changed(&read, known.as_deref(), &mut hangup).await { continue },
        }
        let stamped = stamps(&read).await;
        // Files are read on another thread, so that a slow disk holds up no request.
        let (file, before) = (path.clone(), current.load_full());
        let loaded = tokio::task::spawn_blocking(move || load(&file, &before)).await;
        let fault = match loaded {
            Ok(Ok((gateway, files))) => {
                current.store(gateway.into());
                known = Some(stamped);
                if files != read {
                    read = files;
                    let (changed, receiver) = mpsc::channel(1);
                    // They were not watched while they were read: they are read once more.
                    _ = changed.try_send(());
                    (watcher, changes) = (self::watcher(changed, &read), receiver);
                    known = None;
                }
                telemetry::reloaded(true);
                tracing::info!(target: "orgate", "the configuration was reloaded");
                None
            }
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = &fault {
            known = None;
            // What is logged may be a change of the folder: the same fault is logged once.
            if last_fault.as_ref() != Some(fault) {
                telemetry::reloaded(false);
                tracing::error!(target: "orgate", %fault, "the configuration is faulty: the one before stays in force");
            }
        }
        last_fault = fault;
        serve::notify(&[NotifyState::Ready]);
        _ = &watcher;
    }
}

/// What changes with the content of a file, and with the file that a link leads to.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

async fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let files = files.to_vec();
    let stamp = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        let (changed, modified) = ((found.ctime(), found.ctime_nsec()), (found.mtime(), found.mtime_nsec()));
        Some((found.dev(), found.ino(), found.len(), changed, modified))
    };
    tokio::task::spawn_blocking(move || files.iter().map(stamp).collect()).await.unwrap_or_default()
}

/// Whether one of the files has changed. Waits until they are still, or somebody says that nothing more will come.
async fn has_changed(files: &[PathBuf], known: Option<&[Stamp]>, hangup: &mut Signal) -> bool {
    let mut seen = stamps(files).await;
    if known == Some(&seen) {
        return false;
    }
    for _ in 0..MOST_LOOKS {
        tokio::select! {
            () = tokio::time::sleep(STILL) => {}
            _ = hangup.recv() => break,
        }
        let again = stamps(files).await;
        if again == seen {
            break;
        }
        seen = again;
    }
    true
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

//! What is logged.

#![allow(dead_code, reason = "each test needs a part of it")]

use std::future::Future;
use std::io;
use std::sync::Once;
use std::time::Duration;

use tokio::sync::watch;
use tracing::subscriber::DefaultGuard;

/// What this thread logs while the value lives.
pub(crate) struct Log {
    text: watch::Sender<String>,
    _guard: DefaultGuard,
}

impl Log {
    /// As an operator would see it.
    pub(crate) fn start() -> Self {
        Self::filtered("orgate=debug")
    }

    /// Of every crate, at every level.
    pub(crate) fn of_everything() -> Self {
        Self::filtered("trace")
    }

    fn filtered(filter: &str) -> Self {
        // While there is no subscriber elsewhere, an event that happens there first would be switched off for all threads.
        static EVERYWHERE: Once = Once::new();
        EVERYWHERE.call_once(|| {
            let deaf = tracing_subscriber::fmt().with_env_filter("orgate=debug").with_writer(io::sink).finish();
            let _ = tracing::subscriber::set_global_default(deaf);
        });
        let text = watch::Sender::new(String::new());
        let lines = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(move || Lines(lines.clone()))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        self.text.borrow().clone()
    }

    /// What was logged since the last time.
    pub(crate) fn take(&self) -> String {
        self.text.send_replace(String::new())
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.text.borrow().matches(what).count()
    }

    pub(crate) fn contains(&self, what: &str) -> bool {
        self.count(what) > 0
    }

    /// Waits until this was logged so many times.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &'static str, count: usize) -> impl Future<Output = ()> + use<> {
        let mut text = self.text.subscribe();
        let caller = std::panic::Location::caller();
        async move {
            let logged = text.wait_for(|text| text.matches(what).count() >= count);
            let outcome = tokio::time::timeout(Duration::from_secs(20), logged).await.map(|_| ());
            assert!(outcome.is_ok(), "{what:?} was not logged {count} times: {caller}");
        }
    }
}

struct Lines(watch::Sender<String>);

impl io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.send_modify(|text| text.push_str(&String::from_utf8_lossy(octets)));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What is logged, and what never is.

use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use orgate::policy::{resource, within};
use tracing::subscriber::DefaultGuard;

use crate::support::{Act, Api, World};

/// What this thread logs while the value lives, at every level.
pub(crate) struct Log {
    text: Arc<Mutex<String>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn start() -> Self {
        // While nobody listens elsewhere, an event that happens there first would be switched off for all threads.
        static EVERYWHERE: Once = Once::new();
        EVERYWHERE.call_once(|| {
            let deaf = tracing_subscriber::fmt().with_env_filter("orgate=debug").with_writer(io::sink).finish();
            let _ = tracing::subscriber::set_global_default(deaf);
        });
        let text = Arc::<Mutex<String>>::default();
        let lines = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("trace")
            .with_ansi(false)
            .with_writer(move || Lines(lines.clone()))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.text().matches(what).count()
    }
}

struct Lines(Arc<Mutex<String>>);

impl io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SUBJECT: &str = "subject-4711";

#[tokio::test]
async fn no_subject_no_scope_list_and_no_token() {
    let log = Log::start();
    let world = World::start().await;
    let fresh = || resource().scope("a").fresh(within(Duration::from_secs(30)));
    let routes = [
        ("/", resource().scope("a").live()),
        ("/fresh", fresh()),
        ("/stale", fresh().stale_if_error(Duration::from_secs(300))),
        ("/alone", fresh().dangerous_token_only_on_error()),
    ];
    let api = Api::of(&world.server, &routes);
    let mut tokens = Vec::new();
    for (held, act) in [
        (&["only:live"][..], Act::Answer),
        (&["a", "only:live"], Act::Answer),
        (&["a", "only:live"], Act::Fail(None)),
        (&["a", "only:live"], Act::Panic),
    ] {
        world.script.holds(SUBJECT, held);
        world.script.act(act);
        for scope in ["a only:token", "only:token"] {
            for (path, _) in &routes {
                let token = world.token(SUBJECT, scope);
                api.get_at(path, &token).await;
                // The same difference once more: issuer and source disagree.
                tokens.push(token);
                let later = world.token(SUBJECT, scope);
                api.get_at(path, &later).await;
                tokens.push(later);
                world.pass(31.0);
            }
        }
    }
    let text = log.text();
    for said in
        ["stale permissions serve", "the token alone decides", "live permissions not fetched", "goes on issuing"]
    {
        assert!(text.contains(said), "{said}");
    }
    let secrets = [SUBJECT, "only:live", "only:token"].map(str::to_owned);
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1).map(str::to_owned));
    for secret in secrets.into_iter().chain(parts) {
        assert!(!text.contains(&secret), "{secret} is in the log");
    }
    assert!(text.contains("ERROR orgate"), "who disagrees is told loudly");
}

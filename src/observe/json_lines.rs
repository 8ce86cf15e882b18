//! A log of decisions, a JSON object in each line.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::counts::LogCounts;
use super::line;
use super::lines::Lines;
use super::subject::SubjectForm;
use crate::engine::{Observer, OwnedRecord, Record};

const DEFAULT_QUEUE: usize = 8 * 1024;
const MAX_QUEUE: usize = 1024 * 1024;
/// How long the end of a log may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Writes every decision as a JSON object in a line of its own. An observer for
/// [`Builder::observer`](crate::server::Builder::observer), and a cheap clone: keep one to read the counts.
///
/// A request hands its record to a queue and goes on; a thread of its own writes. When the queue is full, records are
/// dropped and [counted](Self::dropped): a slow disk never holds up a request. What is queued when the last clone is
/// dropped is still written, for two seconds.
///
/// | field | meaning |
/// |---|---|
/// | `time` | when the request arrived, RFC 3339 in UTC |
/// | `duration_us` | how long the decision took, in microseconds |
/// | `outcome` | `allow`, `deny` or `undecided` |
/// | `method`, `route`, `policy` | the request's method, the route's template, the policy as it is printed |
/// | `status`, `kind`, `remediation`, `detail`, `missing_scopes` | of a rejection |
/// | `clause` | the clause of the policy that passed or came nearest |
/// | `issuer`, `client`, `organization`, `subject_kind` | of the token, once it is verified |
/// | `subject` | as [`SubjectForm`] says: absent by default |
/// | `token_cache` | `hit` or `miss` |
/// | `shadow` | what a policy says that is judged and not enforced: `policy`, `agreement` (`same`, `would_allow`, `would_deny`, `would_differ`, `undecided`), `outcome`, and for a rejection `kind`, `remediation`, `detail`, `clause`, `missing_scopes` |
/// | `behind` | `true` if the server was behind its change log: what it judged by may lack revocations |
/// | `waits` | what was waited for, and for how many microseconds: `[{"for": "key", "us": 12000}]` |
///
/// Fields that do not apply are absent. No line holds a token.
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::observe::{JsonLines, SubjectForm};
///
/// # fn main() -> Result<(), orgate::ConfigError> {
/// let log = JsonLines::builder().subject(SubjectForm::keyed_hash("a key of 16 bytes or more")?).stdout();
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .observer(log.clone())
///     .build()?;
/// # _ = (server, log.dropped());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JsonLines(Arc<Inner>);

struct Inner {
    /// `None` once the writer is to end.
    queue: Option<SyncSender<OwnedRecord>>,
    counts: LogCounts,
    /// Disconnected when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

/// The settings of a [`JsonLines`].
///
/// ```
/// use orgate::observe::JsonLines;
///
/// let log = JsonLines::builder().queue(65_536).writer(std::io::stderr());
/// # _ = log;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JsonLinesBuilder {
    subject: SubjectForm,
    queue: usize,
    counts: Option<LogCounts>,
}

impl JsonLines {
    /// Returns the settings, to change before a destination is named.
    pub fn builder() -> JsonLinesBuilder {
        JsonLinesBuilder { subject: SubjectForm::none(), queue: DEFAULT_QUEUE, counts: None }
    }

    /// Returns how many records were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.counts.dropped()
    }

    /// Returns how many records could not be written.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.counts.failed()
    }
}

impl JsonLinesBuilder {
    /// Sets in which form the subject is named. Default: not at all.
    pub fn subject(mut self, form: SubjectForm) -> Self {
        self.subject = form;
        self
    }

    /// Sets how many records may wait for the writer: 1 to 1,048,576, the nearest counts. Default: 8,192.
    pub fn queue(mut self, records: usize) -> Self {
        self.queue = records.clamp(1, MAX_QUEUE);
        self
    }

    /// Counts here, together with every other log that counts here. Default: counts of its own.
    pub fn counts(mut self, counts: &LogCounts) -> Self {
        self.counts = Some(counts.clone());
        self
    }

    /// Writes to the standard output.
    #[must_use]
    pub fn stdout(self) -> JsonLines {
        self.writer(io::stdout())
    }

    /// Writes to anything: a file, a pipe, a buffer. It is flushed whenever no more records wait.
    #[must_use]
    pub fn writer(self, to: impl Write + Send + 'static) -> JsonLines {
        let (queue, records) = sync_channel(self.queue);
        let counts = self.counts.unwrap_or_default();
        let own = counts.clone();
        let (alive, ended) = channel();
        let work = move || {
            write_all(&records, to, &self.subject, &own);
            drop(alive);
        };
        let writer = thread::Builder::new().name("orgate-decisions".to_owned()).spawn(work);
        if let Err(error) = &writer {
            tracing::error!(target: "orgate", %error, "the thread of the decision log did not start: all records are dropped");
        }
        JsonLines(Arc::new(Inner { queue: Some(queue), counts, ended: Mutex::new(ended) }))
    }
}

fn write_all(records: &Receiver<OwnedRecord>, to: impl Write, form: &SubjectForm, counts: &LogCounts) {
    let (mut to, mut is_failing) = (Lines { to, is_broken: false }, false);
    let mut next = records.recv().ok();
    while let Some(record) = next {
        let written = line::write(&record, form).map_err(io::Error::from).and_then(|line| to.write(line));
        next = records.try_recv().ok();
        let flushed = if next.is_none() { to.to.flush() } else { Ok(()) };
        match written.and(flushed) {
            Ok(()) => is_failing = false,
            Err(error) => {
                counts.fail_one();
                // Said once for a time of failures.
                if !is_failing {
                    tracing::error!(target: "orgate", %error, "a decision was not logged");
                }
                is_failing = true;
            }
        }
        if next.is_none() {
            next = records.recv().ok();
        }
    }
}

impl Observer for JsonLines {
    fn decided(&self, record: &Record<'_>) {
        let Some(queue) = &self.0.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(record.to_owned_record()) {
            self.0.counts.drop_one();
        }
    }
}

impl Drop for Inner {
    /// Waits for the writer, a short time: what was decided before is in the log.
    fn drop(&mut self) {
        self.queue = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it ends with the writer, or with the time.
        let _ = ended.recv_timeout(LAST_WORDS);
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("dropped", &self.dropped())
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}

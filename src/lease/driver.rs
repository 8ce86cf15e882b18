//! The one task that looks after the leases of a server: what is due, and what is asked.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::ended::{EndReason, Ended};
use super::groups::next;
use super::leases::{Leases, Task};
use super::queue::{Queue, Rejudged};
use super::table::{Found, LeaseId};
use crate::change::Epoch;
use crate::flight::{End, caught};
use crate::future::BoxFuture;
use crate::lock::lock;
use crate::permissions::{Freshness, SourceId, Waited};
use crate::time::{Now, milliseconds};
use crate::token::IssuerId;

/// How exactly moments are kept, whatever the clock of the server does meanwhile.
const TICK: Duration = Duration::from_millis(200);
/// Between two looks at keys that nothing is known to have changed of: a look has them fetched when that is due.
const KEYS: Duration = Duration::from_secs(30);
/// Questions at a time to one source: most of what it takes is for requests.
const MOST_OF_SOURCE: usize = 8;
/// Leases of one issuer entry that are decided anew at a time.
const MOST_REJUDGED: usize = 32;
/// So many are looked at before others of the runtime have their turn.
const AT_ONCE: usize = 256;
/// A source that did not answer is asked again after this part of the bound, and after this time at most.
const AGAIN: u32 = 10;
const MOST_AGAIN: Duration = Duration::from_secs(10);

/// What has been waited for.
enum Done {
    Asked(u32, Epoch, Box<Waited>, SourceId),
    Rejudged(LeaseId, Option<IssuerId>),
}

type Running = FuturesUnordered<BoxFuture<'static, Done>>;

#[derive(Default)]
struct Driver {
    running: Running,
    sources: HashMap<SourceId, Queue<u32>>,
    /// What is decided anew, for each issuer entry: one whose services do not answer holds no other up.
    entries: HashMap<Option<IssuerId>, Queue<LeaseId>>,
    rejudged: HashMap<LeaseId, Rejudged>,
    generation: Option<u32>,
    keys_at: Duration,
    was_behind: bool,
}

/// Whatever another task has left is asked again.
pub(super) fn begin_anew(leases: &Leases) {
    let mut book = lock(&leases.book);
    let mut due = Vec::new();
    for (number, group) in book.groups.all().filter(|(_, group)| group.is_asked) {
        group.is_asked = false;
        due.push((group.next, number));
    }
    for (at, number) in due {
        book.schedule(at, Task::Ask(number));
    }
    for id in std::mem::take(&mut book.rejudging) {
        book.schedule(0, Task::Rejudge(id));
    }
}

/// Runs until there is no lease, or no server.
pub(super) async fn run(leases: Weak<Leases>, number: u64) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut driver, mut is_tick) = (Driver::default(), true);
    loop {
        let Some(server) = leases.upgrade() else { return };
        if is_tick && is_done(&server, number) {
            return;
        }
        if is_tick {
            driver.check(&server).await;
        }
        driver.turn(&server).await;
        let (done, ticked) = wait(&mut driver.running, &server.sooner, &mut ticks).await;
        is_tick = ticked;
        if let Some(done) = done {
            driver.conclude(&server, done).await;
        }
    }
}

/// Under the lock: a lease that comes now finds that no task looks after it.
fn is_done(server: &Leases, number: u64) -> bool {
    let book = lock(&server.book);
    book.table.len() == 0 && server.stop_driving(number)
}

async fn wait(running: &mut Running, sooner: &Notify, ticks: &mut Interval) -> (Option<Done>, bool) {
    let mut sooner = pin!(sooner.notified());
    poll_fn(|cx| {
        if ticks.poll_tick(cx).is_ready() {
            return Poll::Ready((None, true));
        }
        if let Poll::Ready(Some(done)) = running.poll_next_unpin(cx) {
            return Poll::Ready((Some(done), false));
        }
        sooner.as_mut().poll(cx).map(|()| (None, false))
    })
    .await
}

impl Driver {
    /// Whatever no change tells of: keys, and a log that is not heard of.
    async fn check(&mut self, server: &Leases) {
        let now = server.clock.now();
        let generation = server.generation.current();
        if self.generation != Some(generation) || now.monotonic >= self.keys_at {
            (self.generation, self.keys_at) = (Some(generation), now.monotonic + KEYS);
            let keys = lock(&server.book).table.one_of_each_key();
            for (topic, (_, first)) in keys {
                let is_gone = first.lacks_its_key(&now);
                if first.look(&now) || is_gone {
                    let others = lock(&server.book).table.of(&topic);
                    look_at(server, others).await;
                }
            }
        }
        let any = lock(&server.book).table.any();
        let is_behind = any.is_some_and(|(_, watch)| watch.is_behind(&now));
        if is_behind && !self.was_behind {
            let all = lock(&server.book).table.all();
            look_at(server, all).await;
        }
        self.was_behind = is_behind;
    }

    /// Does what is due.
    async fn turn(&mut self, server: &Leases) {
        loop {
            let now = server.clock.now();
            let found = due_to_look(server, &now);
            if found.is_empty() {
                break;
            }
            look_at(server, found).await;
        }
        self.take_due(server);
        self.start(server);
    }

    fn take_due(&mut self, server: &Leases) {
        let now = milliseconds(server.clock.now().monotonic);
        let mut book = lock(&server.book);
        let mut looks = Vec::new();
        while let Some((at, task)) = book.tasks.pop(now) {
            match task {
                Task::Ask(number) => {
                    let group = book.groups.get_mut(number);
                    if let Some(group) = group.filter(|group| group.next == at && !group.is_asked) {
                        group.is_asked = true;
                        self.sources.entry(group.wanted.source.id).or_default().waiting.push_back(number);
                    }
                }
                Task::Look(id) => looks.extend(book.table.get(id)),
                Task::Rejudge(id) => match self.rejudged.get_mut(&id) {
                    Some(Rejudged::Waits) => {}
                    Some(runs) => *runs = Rejudged::RunsAndWaits,
                    None => {
                        book.rejudging.insert(id);
                        self.rejudge(id, book.table.entry_of(id));
                    }
                },
            }
        }
        drop(book);
        let now = server.clock.now();
        for watch in looks {
            watch.look(&now);
        }
    }

    fn rejudge(&mut self, id: LeaseId, entry: Option<IssuerId>) {
        self.rejudged.insert(id, Rejudged::Waits);
        self.entries.entry(entry).or_default().waiting.push_back(id);
    }

    /// Starts what may be asked now.
    fn start(&mut self, server: &Leases) {
        let mut book = lock(&server.book);
        for queue in self.sources.values_mut() {
            while queue.running < MOST_OF_SOURCE
                && let Some(number) = queue.waiting.pop_front()
            {
                let Some(group) = book.groups.get(number) else { continue };
                queue.running += 1;
                let (source, query) = (group.wanted.source.clone(), group.wanted.query.clone());
                let permissions = server.permissions.clone();
                self.running.push(Box::pin(async move {
                    let arrival = permissions.arrival();
                    let outcome = permissions.resolve(&source, &query, Freshness::After(arrival)).await;
                    Done::Asked(number, arrival, Box::new(Waited { query, outcome }), source.id)
                }));
            }
        }
        self.sources.retain(|_, queue| !queue.is_empty());
        for (entry, queue) in &mut self.entries {
            while queue.running < MOST_REJUDGED
                && let Some(id) = queue.waiting.pop_front()
            {
                let Some(watch) = book.table.get(id) else {
                    self.rejudged.remove(&id);
                    book.rejudging.remove(&id);
                    continue;
                };
                self.rejudged.insert(id, Rejudged::Runs);
                queue.running += 1;
                let entry = *entry;
                self.running.push(Box::pin(async move {
                    if caught(watch.clone().rejudge()).await == End::Panicked {
                        watch.end(Ended::retry(EndReason::Undecided, Duration::from_secs(1)));
                    }
                    Done::Rejudged(id, entry)
                }));
            }
        }
        self.entries.retain(|_, queue| !queue.is_empty());
    }

    async fn conclude(&mut self, server: &Leases, done: Done) {
        match done {
            Done::Rejudged(id, entry) => {
                if let Some(queue) = self.entries.get_mut(&entry) {
                    queue.running = queue.running.saturating_sub(1);
                }
                if self.rejudged.remove(&id) == Some(Rejudged::RunsAndWaits) {
                    self.rejudge(id, entry);
                } else {
                    lock(&server.book).rejudging.remove(&id);
                }
            }
            Done::Asked(number, arrival, waited, source) => {
                if let Some(queue) = self.sources.get_mut(&source) {
                    queue.running = queue.running.saturating_sub(1);
                }
                for (at, (_, watch)) in landed(server, number, &waited, source).into_iter().enumerate() {
                    watch.judge(arrival, &waited, &server.clock.now());
                    if at % AT_ONCE == AT_ONCE - 1 {
                        yield_now().await;
                    }
                }
            }
        }
    }
}

/// Who is concerned by an answer.
fn landed(server: &Leases, number: u32, waited: &Waited, source: SourceId) -> Vec<Found> {
    let now = server.clock.now().monotonic;
    let mut book = lock(&server.book);
    let Some(group) = book.groups.get_mut(number) else { return Vec::new() };
    if group.wanted.query != waited.query || group.wanted.source.id != source {
        return Vec::new();
    }
    group.is_asked = false;
    group.next = if std::mem::take(&mut group.is_stale) {
        milliseconds(now)
    } else if waited.outcome.is_err() {
        milliseconds(now + (group.wanted.bound / AGAIN).clamp(TICK, MOST_AGAIN))
    } else {
        next(now, group.wanted.bound)
    };
    let at = group.next;
    book.schedule(at, Task::Ask(number));
    book.table.of(&super::topic::Topic::Group(number))
}

/// Those whose token ends by now, some at a time.
fn due_to_look(server: &Leases, now: &Now) -> Vec<Found> {
    let mut book = lock(&server.book);
    let unix = milliseconds(now.unix);
    let mut found = Vec::new();
    while found.len() < AT_ONCE
        && let Some((at, id)) = book.ends.pop(unix)
    {
        if book.table.ends_at(id) == Some(at) {
            found.extend(book.table.get(id).map(|watch| (id, watch)));
        }
    }
    found
}

/// One that stands although its token should have ended is looked at again: a clock was set.
async fn look_at(server: &Leases, found: Vec<Found>) {
    for (at, (id, watch)) in found.into_iter().enumerate() {
        let now = server.clock.now();
        if !watch.look(&now) {
            let mut book = lock(&server.book);
            if book.table.ends_at(id).is_some_and(|ends_at| ends_at <= milliseconds(now.unix)) {
                book.schedule(milliseconds(now.monotonic + TICK), Task::Look(id));
            }
        }
        if at % AT_ONCE == AT_ONCE - 1 {
            yield_now().await;
        }
    }
}

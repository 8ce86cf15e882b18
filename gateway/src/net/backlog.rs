use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::requests::Open;

/// What a connection holds of a response, until its client takes it.
#[derive(Debug)]
pub(super) struct Backlog {
    began: Instant,
    bytes: AtomicUsize,
    /// When the last byte was taken, or the first one began to wait, in milliseconds since the response began.
    since: AtomicU64,
    waiting: Mutex<Option<Waker>>,
    _open: Open,
}

/// A part of a response. It knows how much of it was taken, and its request is open for as long as it is there.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Bytes,
    backlog: Arc<Backlog>,
}

impl Backlog {
    pub(super) fn new(open: Open) -> Self {
        Self {
            began: Instant::now(),
            bytes: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            waiting: Mutex::default(),
            _open: open,
        }
    }

    pub(super) fn part(self: &Arc<Self>, bytes: Bytes) -> Part {
        if self.bytes.fetch_add(bytes.len(), Ordering::AcqRel) == 0 {
            self.note();
        }
        Part { bytes, backlog: self.clone() }
    }

    /// Returns since when the client has taken nothing. `None` if there is nothing to take.
    pub(super) fn since(&self) -> Option<Instant> {
        let since = || self.began + Duration::from_millis(self.since.load(Ordering::Relaxed));
        (!self.is_empty()).then(since)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.load(Ordering::Acquire) == 0
    }

    /// Waits until everything was taken.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_empty() {
            return Poll::Ready(());
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // It may have been taken just before.
        if self.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn note(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(millis, Ordering::Relaxed);
    }

    fn release(&self, count: usize) {
        if count > 0 && self.bytes.fetch_sub(count, Ordering::AcqRel) == count {
            let waker = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Part {
    fn taken(&self, count: usize) {
        if count > 0 {
            self.backlog.note();
            self.backlog.release(count);
        }
    }
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.taken(count);
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let bytes = self.bytes.copy_to_bytes(length);
        self.taken(length);
        bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.backlog.release(self.bytes.len());
    }
}

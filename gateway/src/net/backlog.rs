use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::moment::Moment;
use super::requests::Open;

/// What a connection holds of a response, until its client takes it.
#[derive(Debug)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    /// When the last byte was taken, or the first one began to wait.
    since: Moment,
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
        Self { bytes: AtomicUsize::new(0), since: Moment::now(), waiting: Mutex::default(), _open: open }
    }

    pub(super) fn part(self: &Arc<Self>, bytes: Bytes) -> Part {
        if self.bytes.fetch_add(bytes.len(), Ordering::AcqRel) == 0 {
            self.since.note();
        }
        Part { bytes, backlog: self.clone() }
    }

    /// Returns since when the client has taken nothing. `None` if there is nothing to take.
    pub(super) fn since(&self) -> Option<Instant> {
        (!self.is_empty()).then(|| self.since.get())
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
            self.backlog.since.note();
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

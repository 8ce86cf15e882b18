//! Bodies that are read before they are passed on: each is bounded, what one subject holds is, and all together are.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;

use super::answer::Fault;
use crate::lock::lock;

/// Room for the bodies of one endpoint.
#[derive(Clone)]
pub(super) struct Buffer(Arc<Inner>);

struct Inner {
    each: usize,
    of_one: usize,
    all: usize,
    within: Duration,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_holder: HashMap<Arc<str>, usize>,
}

/// Room that somebody has; given back when it is dropped.
pub(super) struct Held {
    buffer: Buffer,
    holder: Arc<str>,
    bytes: usize,
}

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    Fault(Fault),
    /// There is no room now.
    Full,
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Buffer {
    /// `each` body, all of `one` holder, and `all` of them, in bytes.
    pub(super) fn new(each: usize, of_one: usize, all: usize, within: Duration) -> Self {
        Self(Arc::new(Inner { each, of_one, all, within, taken: Mutex::default() }))
    }

    fn hold(&self, holder: &Arc<str>) -> Held {
        Held { buffer: self.clone(), holder: holder.clone(), bytes: 0 }
    }

    /// Reads a body to its end.
    pub(super) async fn read<B: Body>(&self, holder: &Arc<str>, body: B) -> Result<(Bytes, Held), Unread> {
        let reading = self.read_all(self.hold(holder), body);
        // Without a tokio runtime there is no timer.
        if tokio::runtime::Handle::try_current().is_err() {
            return reading.await;
        }
        tokio::time::timeout(self.0.within, reading).await.unwrap_or_else(|_| Err(Fault::TooSlow.into()))
    }

    async fn read_all<B: Body>(&self, mut held: Held, body: B) -> Result<(Bytes, Held), Unread> {
        let each = self.0.each;
        if body.size_hint().lower() > each as u64 {
            return Err(Fault::TooLarge.into());
        }
        let mut body = pin!(body);
        let mut bytes = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.map_err(|_| Fault::Broken)?;
            let Ok(mut data) = frame.into_data() else { continue };
            if data.remaining() > each - bytes.len() {
                return Err(Fault::TooLarge.into());
            }
            if !held.grow(data.remaining()) {
                return Err(Unread::Full);
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                bytes.extend_from_slice(chunk);
                let length = chunk.len();
                data.advance(length);
            }
        }
        Ok((bytes.freeze(), held))
    }
}

impl Held {
    /// Whether there was room for so many more.
    fn grow(&mut self, more: usize) -> bool {
        let Inner { of_one, all, taken, .. } = &*self.buffer.0;
        let mut taken = lock(taken);
        let own = taken.by_holder.get(&self.holder).copied().unwrap_or_default();
        if more > all.saturating_sub(taken.all) || more > of_one.saturating_sub(own) {
            return false;
        }
        taken.all += more;
        taken.by_holder.insert(self.holder.clone(), own + more);
        drop(taken);
        self.bytes += more;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = lock(&self.buffer.0.taken);
        taken.all = taken.all.saturating_sub(self.bytes);
        if let Some(own) = taken.by_holder.get_mut(&self.holder) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                taken.by_holder.remove(&self.holder);
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn read(buffer: &Buffer, holder: &str, length: usize) -> Result<(Bytes, Held), Unread> {
        buffer.read(&holder.into(), Full::new(Bytes::from(vec![b'x'; length]))).await
    }

    #[tokio::test]
    async fn room_is_bounded_for_each_body_each_holder_and_all() {
        let buffer = Buffer::new(10, 15, 25, Duration::from_secs(60));
        assert!(matches!(read(&buffer, "a", 11).await, Err(Unread::Fault(Fault::TooLarge))));
        let first = read(&buffer, "a", 10).await.unwrap();
        assert!(matches!(read(&buffer, "a", 6).await, Err(Unread::Full)), "more than one holder may have");
        let second = read(&buffer, "b", 10).await.unwrap();
        assert!(matches!(read(&buffer, "c", 6).await, Err(Unread::Full)), "more than all may have");
        let third = read(&buffer, "c", 5).await.unwrap();
        drop((first, second, third));
        let taken = lock(&buffer.0.taken);
        assert_eq!((taken.all, taken.by_holder.len()), (0, 0), "everything is given back");
    }

    #[tokio::test]
    async fn what_was_rejected_holds_nothing() {
        let buffer = Buffer::new(10, 10, 10, Duration::from_millis(1));
        let endless =
            http_body_util::StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, ()>>());
        assert!(matches!(buffer.read(&"a".into(), endless).await, Err(Unread::Fault(Fault::TooSlow))));
        assert!(read(&buffer, "a", 10).await.is_ok());
        assert_eq!(lock(&buffer.0.taken).all, 0);
    }
}

//! Those who wait for the end of one lease: one, as a rule.

use std::task::Waker;

/// Those who wait for the end of one lease. Whoever is woken comes again.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    first: Option<(u32, Waker)>,
    /// Rarely anybody: each lease has room for one word.
    #[allow(clippy::box_collection, reason = "a word less than three")]
    others: Option<Box<Vec<(u32, Waker)>>>,
    last: u32,
}

impl Waiters {
    /// `number` is the waiter's own, which it gets when it comes for the first time.
    pub(super) fn add(&mut self, number: &mut Option<u32>, waker: &Waker) {
        let number = *number.get_or_insert_with(|| {
            self.last = self.last.wrapping_add(1);
            self.last
        });
        let mut known = self.first.iter_mut().chain(self.others.iter_mut().flat_map(|others| others.iter_mut()));
        if let Some((_, held)) = known.find(|(known, _)| *known == number) {
            held.clone_from(waker);
        } else if self.first.is_none() {
            self.first = Some((number, waker.clone()));
        } else {
            self.others.get_or_insert_default().push((number, waker.clone()));
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.first.take_if(|(known, _)| *known == number);
        if let Some(others) = &mut self.others {
            others.retain(|(known, _)| *known != number);
        }
    }

    /// To be woken where no lock is held.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let others = self.others.take().map(|others| *others).unwrap_or_default();
        self.first.take().into_iter().chain(others).map(|(_, waker)| waker)
    }
}

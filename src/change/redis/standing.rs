//! Where this replica stands in the feed, and since when it is known to be current.

use std::collections::VecDeque;
use std::time::Duration;

/// A place in the feed of one generation, and the nonce of the entry there: if another one has the place, the feed is another
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) generation: String,
    pub(super) number: u64,
    pub(super) tip: String,
}

/// Beats that are waited for at once. Later ones are left out: the earlier are reached first.
const MOST_WAITING: usize = 32;

/// What the tail and the beats know of each other.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) position: Option<Position>,
    /// When a beat was sent, and how far the feed was then.
    waiting: VecDeque<(Duration, u64)>,
    /// The generation may still be incomplete, until this moment of Redis's clock, in seconds.
    pub(super) hold: Option<u64>,
    /// By when everything was found lost, until that is concluded: tokens of before are rejected, however often it is tried.
    pub(super) lost_at: Option<Duration>,
    /// The table has rows that are signed with a secret that is not known here: they may be true.
    pub(super) is_in_doubt: bool,
    /// The table went back to what it was before it had some of them, and no replica has published one since.
    pub(super) lost_doubted: bool,
    /// An entry of the feed was left out, and the server was not told yet. It is told before this replica is current.
    pub(super) has_missed: bool,
    /// Everything that was in Redis then is known here.
    pub(super) as_of: Option<Duration>,
}

impl Standing {
    /// The position moves by one entry.
    pub(super) fn advance(&mut self, number: u64, tip: String) {
        if let Some(position) = &mut self.position {
            (position.number, position.tip) = (number, tip);
        }
    }

    /// Whether the feed was read up to this number.
    pub(super) fn has_read(&self, number: u64) -> bool {
        self.position.as_ref().is_some_and(|position| position.number >= number)
    }

    /// A beat was answered.
    pub(super) fn expect(&mut self, sent: Duration, number: u64) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back((sent, number));
        }
    }

    /// What beats of another session said is of no use.
    pub(super) fn forget_beats(&mut self) {
        self.waiting.clear();
    }

    /// Whether the feed is known to go on.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// As of when everything is known, if that is news.
    pub(super) fn settle(&mut self) -> Option<Duration> {
        let number = self.position.as_ref()?.number;
        let mut reached = None;
        while let Some((sent, _)) = self.waiting.front().filter(|(_, wanted)| *wanted <= number) {
            reached = Some(*sent);
            self.waiting.pop_front();
        }
        if self.hold.is_some() || self.is_in_doubt {
            return None;
        }
        let reached = reached?;
        self.as_of = self.as_of.max(Some(reached));
        Some(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_is_current_as_of_the_latest_beat_that_it_has_reached() {
        let at = Duration::from_secs;
        let position = Position { generation: "1".to_owned(), number: 4, tip: "a".to_owned() };
        let mut standing = Standing { position: Some(position), ..Standing::default() };
        standing.expect(at(1), 4);
        standing.expect(at(2), 6);
        assert_eq!((standing.settle(), standing.settle(), standing.is_behind()), (Some(at(1)), None, true));
        standing.expect(at(3), 6);
        standing.advance(5, "b".to_owned());
        assert_eq!(standing.settle(), None);
        standing.advance(6, "c".to_owned());
        assert_eq!((standing.settle(), standing.as_of, standing.is_behind()), (Some(at(3)), Some(at(3)), false));
        standing.hold = Some(9);
        standing.expect(at(4), 6);
        assert_eq!((standing.settle(), standing.as_of), (None, Some(at(3))));
        (standing.hold, standing.is_in_doubt) = (None, true);
        standing.expect(at(5), 6);
        assert_eq!((standing.settle(), standing.as_of), (None, Some(at(3))));
    }
}

//! What is kept of a proof that was used.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::signature::{random, sha256};
use crate::time::{Now, milliseconds};
use crate::token::binding::thumbprint::Thumbprint;

/// A proxy that asks twice about one request does so within this time.
const SAME_QUESTION: Duration = Duration::from_secs(5);

/// What stands for a proof: SHA-256 of its key, its normalized target and its id, each with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProofKey([u8; 32]);

impl ProofKey {
    pub(crate) fn new(key: &Thumbprint, target: &str, id: &str) -> Self {
        let mut text = Vec::with_capacity(64 + target.len() + id.len());
        for part in [key.as_bytes(), target.as_bytes(), id.as_bytes()] {
            text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend_from_slice(part);
        }
        Self(sha256(&text))
    }
}

/// Which request used a proof, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    asker: Asker,
    unix_milliseconds: u64,
}

/// What tells one request from all others: a digest of the id that a proxy gave it, else a value that occurs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker([u8; 16]);

impl Asker {
    /// The request that a proxy gave this id. `None` for an empty one, which says nothing.
    pub(crate) fn of(request_id: &[u8]) -> Option<Self> {
        let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = sha256(request_id);
        (!request_id.is_empty()).then_some(Self(digest))
    }

    /// A request like no other, of this process or of another one.
    pub(crate) fn unknown() -> Self {
        static PROCESS: LazyLock<[u8; 32]> = LazyLock::new(|| random().unwrap_or_default());
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = sha256(&[&PROCESS[..], &count].concat());
        Self(digest)
    }
}

impl Mark {
    pub(crate) fn new(asker: Asker, now: &Now) -> Self {
        Self { asker, unix_milliseconds: milliseconds(now.unix) }
    }

    /// Whether both are one request, about which a proxy has asked again.
    pub(crate) fn is_same_question(&self, earlier: &Self) -> bool {
        let apart = self.unix_milliseconds.abs_diff(earlier.unix_milliseconds);
        self.asker == earlier.asker && u128::from(apart) <= SAME_QUESTION.as_millis()
    }

    /// `None` for what no mark is written as.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (asker, time) = text.split_once('.')?;
        let unix_milliseconds = time.parse().ok()?;
        let asker = u128::from_str_radix(asker, 16).ok()?.to_be_bytes();
        let mark = Self { asker: Asker(asker), unix_milliseconds };
        (mark.to_string() == text).then_some(mark)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asker(asker) = self.asker;
        write!(f, "{:032x}.{}", u128::from_be_bytes(asker), self.unix_milliseconds)
    }
}

/// The use of one proof, as a [`ReplayStore`](super::ReplayStore) records it.
#[derive(Clone)]
pub struct ProofUse {
    key: String,
    mark: String,
    time_to_live: Duration,
}

impl ProofUse {
    pub(crate) fn new(proof: &ProofKey, mark: &Mark, expires_at: Duration, now: &Now) -> Self {
        let mut key = String::with_capacity(64);
        for octet in proof.0 {
            // Writing to a string does not fail.
            let _ = write!(key, "{octet:02x}");
        }
        Self { key, mark: mark.to_string(), time_to_live: expires_at.saturating_sub(now.unix) }
    }

    /// Returns a key that is unique to the proof: 64 hexadecimal digits.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the value to record under the key: ASCII, 60 characters at most, without secrets or personal data.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Returns how long the record must be kept.
    #[must_use]
    pub fn time_to_live(&self) -> Duration {
        self.time_to_live
    }
}

impl fmt::Debug for ProofUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofUse").field("time_to_live", &self.time_to_live).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Now {
        Now::new(Duration::from_millis(1_800_000_000_000 + milliseconds), Duration::ZERO)
    }

    #[test]
    fn parts_of_a_proof_key_are_kept_apart() {
        let (one, other) = (Thumbprint::of(b"1"), Thumbprint::of(b"2"));
        let key = ProofKey::new(&one, "https://a.example/b", "c");
        assert_eq!(key, ProofKey::new(&one, "https://a.example/b", "c"));
        for different in [
            ProofKey::new(&other, "https://a.example/b", "c"),
            ProofKey::new(&one, "https://a.example/bc", ""),
            ProofKey::new(&one, "https://a.example/", "bc"),
            ProofKey::new(&one, "https://a.example/b", "C"),
        ] {
            assert_ne!(key, different);
        }
    }

    #[test]
    fn one_request_is_the_same_question_for_five_seconds() {
        let asker = Asker::of(b"id-1").unwrap();
        let first = Mark::new(asker, &at(0));
        assert!(Mark::new(asker, &at(0)).is_same_question(&first));
        assert!(Mark::new(asker, &at(5000)).is_same_question(&first));
        assert!(!Mark::new(asker, &at(5001)).is_same_question(&first));
        assert!(!Mark::new(Asker::of(b"id-2").unwrap(), &at(0)).is_same_question(&first));
    }

    #[test]
    fn a_request_without_an_id_is_like_no_other() {
        assert_eq!(Asker::of(b""), None);
        let mark = || Mark::new(Asker::unknown(), &at(0));
        let first = mark();
        assert!((0..100).all(|_| !mark().is_same_question(&first)));
    }

    #[test]
    fn a_mark_has_one_written_form() {
        let mark = Mark::new(Asker::of(b"id").unwrap(), &at(7));
        let text = mark.to_string();
        assert_eq!(Mark::parse(&text), Some(mark));
        assert!(text.len() <= 60 && text.is_ascii());
        let longest = Mark { asker: Asker([255; 16]), unix_milliseconds: u64::MAX };
        assert_eq!(Mark::parse(&longest.to_string()), Some(longest));
        for bad in
            ["", ".", "1.1", &text[1..], &format!("{text}0"), &format!("+{}", &text[1..]), &text.replace('.', ".+")]
        {
            assert_ne!(Mark::parse(bad), Some(mark), "{bad}");
        }
    }

    #[test]
    fn a_use_lives_until_the_proof_has_expired() {
        let key = ProofKey::new(&Thumbprint::of(b"1"), "t", "i");
        let mark = Mark::new(Asker::unknown(), &at(0));
        let used = ProofUse::new(&key, &mark, at(180_000).unix, &at(500));
        assert_eq!((used.key().len(), used.time_to_live()), (64, Duration::from_millis(179_500)));
        assert_eq!(Mark::parse(used.mark()), Some(mark));
        assert_eq!(ProofUse::new(&key, &mark, at(0).unix, &at(500)).time_to_live(), Duration::ZERO);
    }
}

//! What the file says, whatever happened to it.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};
use std::time::Duration;

use super::line::{self, HEADER, MAX_LINE, OPENED};
use crate::change::row::parse_key;
use crate::change::{FactKey, Facts, Rank};

/// How long the end of a suspension is kept against older reports of its beginning.
const LIFTED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What counts longer than a token lives: the largest leeway there is, twice.
const MARGIN: Duration = Duration::from_secs(10 * 60);

/// Facts by what they are about, and the largest rank of each.
#[derive(Debug, Default)]
pub(super) struct Rows(pub(super) HashMap<Box<str>, u64>);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) rows: Rows,
    /// When the log was open last, in milliseconds since the Unix epoch.
    pub(super) opened: Option<u64>,
    /// Where the last line ends that is as it was written.
    pub(super) end: u64,
    /// The bytes behind it.
    pub(super) tail: u64,
    /// Lines before it that are not as they were written.
    pub(super) damaged: u64,
    pub(super) lines: u64,
}

/// By when a fact has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    pub(super) now: Duration,
    pub(super) token_life: Duration,
}

impl Horizon {
    /// For a server.
    pub(super) fn of(held: &dyn Facts) -> Self {
        Self { now: held.now().unix, token_life: held.token_life() }
    }
}

impl Reading {
    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be read, or if it is another file: nothing of that is touched.
    pub(super) fn of(mut file: impl BufRead) -> io::Result<Self> {
        let mut reading = Self::default();
        let mut line = Vec::new();
        let length = next_line(&mut file, &mut line)?;
        if line != HEADER.as_bytes() {
            if length == line.len() as u64 && HEADER.as_bytes().starts_with(&line) {
                reading.tail = length;
                return Ok(reading);
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file of changes, or one of a later version"));
        }
        (reading.end, reading.lines) = (length, 1);
        let (mut at, mut suspect) = (length, 0);
        loop {
            let length = next_line(&mut file, &mut line)?;
            if length == 0 {
                break;
            }
            at += length;
            let whole = line.strip_suffix(b"\n").and_then(line::read);
            let Some((rank, key)) = whole else {
                suspect += 1;
                continue;
            };
            reading.damaged += std::mem::take(&mut suspect);
            reading.end = at;
            reading.lines += 1;
            if key == OPENED {
                reading.opened = reading.opened.max(Some(rank));
            } else {
                reading.rows.join(key, rank);
            }
        }
        reading.tail = at - reading.end;
        Ok(reading)
    }
}

/// Reads up to the end of a line. How long it was; what is too long for one is not kept.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut length = file.take(MAX_LINE as u64).read_until(b'\n', line)? as u64;
    let is_too_long = length == MAX_LINE as u64 && !line.ends_with(b"\n");
    let mut goes_on = is_too_long;
    while goes_on {
        line.clear();
        let more = file.take(MAX_LINE as u64).read_until(b'\n', line)? as u64;
        length += more;
        goes_on = more > 0 && !line.ends_with(b"\n");
    }
    if is_too_long {
        line.clear();
    }
    Ok(length)
}

impl Rows {
    fn join(&mut self, key: &str, rank: u64) {
        match self.0.get_mut(key) {
            Some(known) => *known = rank.max(*known),
            None => drop(self.0.insert(key.into(), rank)),
        }
    }

    /// Lets go of what rejects no token any more.
    pub(super) fn let_go(&mut self, horizon: Horizon) {
        self.0.retain(|key, rank| {
            let rank = Rank::from(*rank);
            // A kind that a later version wrote is for that one.
            let lasting = match parse_key(key) {
                None => return true,
                Some((_, FactKey::Suspension { .. })) if rank.is_strict() => return true,
                Some((_, FactKey::Suspension { .. })) => LIFTED_KEPT,
                Some(_) => horizon.token_life.saturating_add(MARGIN),
            };
            horizon.now < rank.since_epoch().saturating_add(lasting)
        });
    }

    /// Lets go of the suspensions that hold. How many there were.
    pub(super) fn let_go_of_suspensions(&mut self) -> usize {
        let before = self.0.len();
        self.0.retain(|key, rank| {
            !(Rank::from(*rank).is_strict() && matches!(parse_key(key), Some((_, FactKey::Suspension { .. }))))
        });
        before - self.0.len()
    }
}

#[cfg(test)]
mod tests;

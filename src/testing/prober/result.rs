//! What came of it.

use std::fmt;

use super::subject::ProbeSubject;
use crate::audit::Verdict;

/// The responses of an API compared with a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// How many cells the answers agree with.
    pub agreed: usize,
    /// The cells that they contradict.
    pub disagreements: Vec<ProbedCell>,
    /// The cells whose answers tell nothing: an error of the API, a 404 that its handler may have sent.
    pub unclear: Vec<ProbedCell>,
    /// How many cells rest on conditions of which it is not known whether they hold.
    pub undetermined: usize,
    /// The routes that were not asked: for their methods, or because they have no address.
    pub skipped: Vec<String>,
}

/// A cell of the report, and how the API responded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbedCell {
    /// The route.
    pub route: String,
    /// Who asked.
    pub subject: ProbeSubject,
    /// What the report says.
    pub verdict: Verdict,
    /// The status of the answer to each of its tokens.
    pub statuses: Vec<u16>,
}

impl Probe {
    /// Returns whether no answer contradicts the report and none is unclear.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.disagreements.is_empty() && self.unclear.is_empty()
    }
}

impl fmt::Display for ProbedCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}: the report says {}, the API answered {:?}",
            self.route, self.subject, self.verdict, self.statuses
        )
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cells agree, {} disagree, {} are unclear, {} undetermined; {} routes skipped",
            self.agreed,
            self.disagreements.len(),
            self.unclear.len(),
            self.undetermined,
            self.skipped.len()
        )?;
        self.disagreements.iter().try_for_each(|cell| writeln!(f, "disagrees: {cell}"))?;
        self.unclear.iter().try_for_each(|cell| writeln!(f, "unclear: {cell}"))?;
        self.skipped.iter().try_for_each(|route| writeln!(f, "skipped: {route}"))
    }
}

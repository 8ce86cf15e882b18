//! Takes down the steps of a decision, where somebody wants to see them.

use super::explanation::ClauseExplanation;
use super::step::{Step, StepName, Verdict};
use crate::rejection::Rejection;

/// What the engine reports its steps to. Off by default: then nothing is made of what it is told.
#[derive(Debug, Default)]
pub(crate) struct Steps(Option<Box<Recorded>>);

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) steps: Vec<Step>,
    pub(crate) clauses: Vec<ClauseExplanation>,
    open: Option<Open>,
    is_in_clause: bool,
}

/// The step that is being taken.
#[derive(Debug)]
struct Open {
    name: StepName,
    expected: String,
    found: Option<String>,
}

impl Steps {
    pub(crate) fn on() -> Self {
        Self(Some(Box::default()))
    }

    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The decision is made again.
    pub(crate) fn restart(&mut self) {
        if let Some(recorded) = &mut self.0 {
            **recorded = Recorded::default();
        }
    }

    /// A step begins, and the one before has passed.
    #[inline]
    pub(crate) fn at(&mut self, name: StepName, expected: impl FnOnce() -> String) {
        if let Some(recorded) = &mut self.0 {
            recorded.close();
            recorded.open = Some(Open { name, expected: expected(), found: None });
        }
    }

    /// What the present step has found.
    #[inline]
    pub(crate) fn found(&mut self, found: impl FnOnce() -> String) {
        if let Some(open) = self.0.as_mut().and_then(|recorded| recorded.open.as_mut()) {
            open.found = Some(found());
        }
    }

    /// The steps of a clause begin.
    #[inline]
    pub(crate) fn clause(&mut self, text: &str) {
        if let Some(recorded) = &mut self.0 {
            recorded.close();
            recorded.is_in_clause = true;
            recorded.clauses.push(ClauseExplanation::new(text));
        }
    }

    /// The clause is not met; without a rejection it is not known yet.
    #[inline]
    pub(crate) fn end_clause(&mut self, outcome: Result<(), Option<&Rejection>>) {
        if let Some(recorded) = &mut self.0 {
            match outcome {
                Ok(()) => recorded.close(),
                Err(rejection) => recorded.fail(rejection),
            }
            let failed = outcome.err().map(|rejection| rejection.map_or(Verdict::Undecided, verdict));
            if let Some(clause) = recorded.clauses.last_mut() {
                clause.verdict = failed.unwrap_or(Verdict::Passed);
            }
            recorded.is_in_clause = false;
        }
    }

    /// Every step, the last of which decided. `None` where nothing was taken down.
    pub(crate) fn finish(self, outcome: Result<(), &Rejection>) -> Option<Recorded> {
        let mut recorded = *self.0?;
        match outcome {
            Ok(()) => recorded.close(),
            Err(rejection) => recorded.fail(Some(rejection)),
        }
        Some(recorded)
    }
}

impl Recorded {
    fn close(&mut self) {
        if let Some(Open { name, expected, found }) = self.open.take() {
            let found = found.unwrap_or_else(|| "as expected".to_owned());
            self.push(Step { name, verdict: Verdict::Passed, expected, found, kind: None });
        }
    }

    fn fail(&mut self, rejection: Option<&Rejection>) {
        let Some(Open { name, expected, found }) = self.open.take() else { return };
        let detail = rejection.map_or("not known yet", Rejection::detail);
        let found = match found {
            Some(found) if rejection.is_none() => found,
            Some(found) if !detail.contains(&found) => format!("{found}: {detail}"),
            _ => detail.to_owned(),
        };
        let kind = rejection.map(Rejection::kind);
        self.push(Step { name, verdict: rejection.map_or(Verdict::Undecided, verdict), expected, found, kind });
    }

    fn push(&mut self, step: Step) {
        match self.clauses.last_mut().filter(|_| self.is_in_clause) {
            Some(clause) => clause.steps.push(step),
            None => self.steps.push(step),
        }
    }
}

fn verdict(rejection: &Rejection) -> Verdict {
    if rejection.status().is_server_error() { Verdict::Undecided } else { Verdict::Failed }
}

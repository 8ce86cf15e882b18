//! What the application's own code said about one request.

use http::request::Parts;

use super::code::Reason;
use crate::organization::{PathParams, RememberSources, SourceMemory, path_params};

/// Each written check is run once in a request for each model of its clauses, and each closure of a source once, however
/// often the decision is made. A request that runs no such code allocates nothing for it.
#[derive(Default)]
pub(crate) struct CheckMemory {
    /// One bit for each of the first 64 checks that passed for the first model.
    passed: u64,
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    outcomes: Vec<(Slot, Result<(), Reason>)>,
    sources: SourceMemory,
    path: Option<PathParams>,
}

/// A written check, and the model that it is run for.
pub(super) type Slot = (u8, u8);

impl CheckMemory {
    /// Reads the parameters of the path, as a handler does.
    pub(super) fn read_path(&mut self, request: &mut Parts) {
        if self.path().is_none() {
            let params = path_params(request);
            if !params.is_empty() {
                self.more.get_or_insert_default().path = Some(params);
            }
        }
    }

    /// The parameters of the path, once they were read; `None` if there are none.
    pub(super) fn path(&self) -> Option<&PathParams> {
        self.more.as_ref()?.path.as_ref()
    }

    pub(super) fn outcome(&self, slot: Slot) -> Option<Result<(), Reason>> {
        if bit(slot).is_some_and(|bit| self.passed & bit != 0) {
            return Some(Ok(()));
        }
        let outcomes = &self.more.as_ref()?.outcomes;
        outcomes.iter().find(|(known, _)| *known == slot).map(|(_, outcome)| outcome.clone())
    }

    /// The token is read anew: what checks said of it before does not count.
    pub(crate) fn forget_outcomes(&mut self) {
        self.passed = 0;
        if let Some(more) = &mut self.more {
            more.outcomes.clear();
        }
    }

    pub(super) fn keep(&mut self, slot: Slot, outcome: &Result<(), Reason>) {
        match (bit(slot), outcome) {
            (Some(bit), Ok(())) => self.passed |= bit,
            _ => self.more.get_or_insert_default().outcomes.push((slot, outcome.clone())),
        }
    }
}

/// Asked for only where there are such closures.
impl RememberSources for CheckMemory {
    fn sources(&mut self) -> &mut SourceMemory {
        &mut self.more.get_or_insert_default().sources
    }
}

fn bit((check, model): Slot) -> Option<u64> {
    if model == 0 { 1_u64.checked_shl(check.into()) } else { None }
}

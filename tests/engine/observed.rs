//! What records say of decisions that are to be the same.

use std::sync::{Arc, Mutex};

use orgate::engine::{Observer, Record};

/// The records of one server, as far as they do not depend on how it was asked. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Observed(Arc<Mutex<Vec<Seen>>>);

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    outcome: &'static str,
    kind: Option<&'static str>,
    detail: Option<String>,
    clause: Option<String>,
    organization: Option<String>,
    pub(crate) waits: Vec<&'static str>,
}

impl Observed {
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Observed {
    fn decided(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(Seen {
            outcome: record.outcome().as_str(),
            kind: record.kind().map(orgate::rejection::RejectionKind::as_str),
            detail: record.detail().map(str::to_owned),
            clause: record.clause().map(str::to_owned),
            organization: record.organization().map(|organization| organization.id().to_owned()),
            waits: record.waits().iter().map(|wait| wait.what().as_str()).collect(),
        });
    }
}

use std::sync::Arc;

use super::state::State;
use crate::decision::Decider;
use crate::rejection::Rejection;

/// What a handler needs to ask the decision point of the server that let it be called. In the extensions of its request.
#[derive(Clone, Debug)]
pub(crate) struct Deciding(Arc<State>);

impl Deciding {
    /// `None` if the server has no decision point.
    pub(crate) fn new(state: &Arc<State>) -> Option<Self> {
        state.decider.as_ref().map(|_| Self(state.clone()))
    }

    pub(crate) fn decider(&self) -> Option<&Decider> {
        self.0.decider.as_ref()
    }

    /// A refusal as the server would answer it.
    pub(crate) fn challenge(&self, rejection: Rejection) -> Rejection {
        self.0.answers.challenge.challenge(rejection)
    }
}

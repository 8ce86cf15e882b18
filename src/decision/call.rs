//! What a call that failed means for a decision.

use std::time::Duration;

use super::error::DecisionError;
use crate::http::remote::{CallError, is_passing};
use crate::http::retry_after;

impl DecisionError {
    /// From an answer that is none: its status is not `200`. A credential that is rejected is our mistake, and no denial.
    pub(crate) fn refused(answer: &http::Response<bytes::Bytes>) -> Self {
        let status = answer.status();
        let detail = format_args!("the decision point answered {status}");
        // A point that fails at what it was asked can be reached: who chose the question must not profit.
        let fails = status.as_u16() == 500;
        let error = if is_passing(status) && !fails { Self::unavailable(detail) } else { Self::wrong(detail) };
        match retry_after(answer.headers(), None) {
            Some(after) => error.with_retry_after(after),
            None => error,
        }
    }
}

impl From<CallError> for DecisionError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unusable(_) | CallError::NoRuntime => Self::wrong(error),
            // The limit is ours, and any caller can reach it.
            CallError::Busy => Self::wrong(error).with_retry_after(Duration::from_secs(1)),
            _ => Self::unavailable(error).with_retry_after(Duration::from_secs(1)),
        }
    }
}

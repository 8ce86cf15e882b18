//! Challenges that were written before: most rejections say nothing of their request.

use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::quotable::Quotable;
use crate::rejection::{Rejection, RejectionKind};

/// The values of the `WWW-Authenticate` fields of one response.
pub(super) type Challenges = Arc<[HeaderValue]>;

/// The challenges of one requirement, by the kind of the rejection and by whether the scheme `DPoP` was tried.
#[derive(Debug, Default)]
pub(crate) struct Written([[OnceLock<Box<Text>>; 2]; RejectionKind::COUNT]);

#[derive(Debug)]
struct Text {
    /// The address of the metadata that it names.
    address: Option<Quotable>,
    challenges: Challenges,
}

impl Written {
    /// Returns what was written for a rejection like this one, or writes it.
    pub(super) fn or_write(
        &self,
        rejection: &Rejection,
        resource_metadata: Option<&Quotable>,
        write: impl Fn() -> Challenges,
    ) -> Challenges {
        let row = self.0.get(rejection.kind() as usize).filter(|_| rejection.is_plain());
        let Some(place) = row.and_then(|row| row.get(usize::from(rejection.has_tried_proof()))) else {
            return write();
        };
        let first = || Box::new(Text { address: resource_metadata.cloned(), challenges: write() });
        let text = place.get_or_init(first);
        if text.address.as_ref() == resource_metadata { text.challenges.clone() } else { write() }
    }
}

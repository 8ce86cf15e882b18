//! Challenges that were written before: most rejections say nothing of their request.

use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::quotable::Quotable;
use crate::rejection::{Rejection, RejectionKind};

/// The values of the `WWW-Authenticate` fields of one response.
pub(super) type Challenges = Arc<[HeaderValue]>;

/// The challenges of one requirement, by the kind of the rejection and by whether the scheme `DPoP` was tried, each with the
/// address of the metadata that it names.
#[derive(Debug, Default)]
pub(crate) struct Written([[OnceLock<Box<(Option<Quotable>, Challenges)>>; 2]; RejectionKind::COUNT]);

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
        let (address, written) = &**place.get_or_init(|| Box::new((resource_metadata.cloned(), write())));
        if address.as_ref() == resource_metadata { written.clone() } else { write() }
    }
}

use orgate::change::FileSettings;
use orgate::change::redis::Redis;
use orgate::permit::PermitBridge;

use super::{state, webhooks};
use crate::config::{Fault, File, Source};
use crate::decisions::Decisions;

/// What a process has once, whatever it reloads.
#[derive(Clone)]
pub(crate) struct Lasting {
    pub(crate) decisions: Decisions,
    pub(crate) bridge: Option<PermitBridge>,
    pub(crate) redis: Option<Redis>,
    pub(super) file: Option<FileSettings>,
}

impl Lasting {
    /// # Errors
    ///
    /// Returns the first setting that cannot be right.
    pub(super) fn new(source: &Source, file: &File) -> Result<Self, Fault> {
        Ok(Self {
            decisions: Decisions::default(),
            bridge: webhooks::bridge(source, file)?,
            redis: state::redis(source, file)?,
            file: state::file(source, file)?,
        })
    }
}

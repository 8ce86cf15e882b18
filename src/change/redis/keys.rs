//! What the keys are called.

/// The keys of one fleet. The braces put them into one slot; the number is the format.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) facts: String,
    pub(super) feed: String,
    pub(super) beats: String,
    proof: String,
}

impl Keys {
    pub(super) fn of(fleet: &str) -> Self {
        let key = |name: &str| format!("{{orgate:1:{fleet}}}:{name}");
        Self { facts: key("facts"), feed: key("feed"), beats: key("beats"), proof: key("proof:") }
    }

    pub(super) fn proof(&self, hash: &str) -> String {
        format!("{}{hash}", self.proof)
    }
}

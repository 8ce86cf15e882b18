//! An id, and the issuer entry in which it means something.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an issuer entry is called. A cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct EntryName(Arc<Names>);

#[derive(Debug)]
struct Names {
    name: Arc<str>,
    iss: Arc<str>,
    has_others: Others,
}

/// Whether one server has, or had, several issuer entries. Shared by all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others(Arc<AtomicBool>);

impl Others {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl EntryName {
    pub(crate) fn new(name: &Arc<str>, iss: &Arc<str>, has_others: Others) -> Self {
        Self(Arc::new(Names { name: name.clone(), iss: iss.clone(), has_others }))
    }

    /// Whether an id alone may mean something else in another entry of the server.
    pub(crate) fn has_others(&self) -> bool {
        self.0.has_others.0.load(Ordering::Relaxed)
    }

    /// What policies and settings call it. It may change, and another entry may have it later.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its first `iss` value, which identifies it.
    pub(crate) fn iss(&self) -> &Arc<str> {
        &self.0.iss
    }
}

/// An entry without a name of its own is called by its `iss`.
impl From<&str> for EntryName {
    fn from(iss: &str) -> Self {
        let iss = Arc::from(iss);
        Self::new(&iss, &iss, Others::default())
    }
}

/// Two ids are the same only within one issuer entry: equality and hash are over both. `Display` is the id.
#[derive(Clone, Debug)]
pub(crate) struct ScopedId {
    pub(crate) entry: EntryName,
    pub(crate) id: Arc<str>,
}

impl ScopedId {
    pub(crate) fn new(entry: &EntryName, id: &str) -> Self {
        Self { entry: entry.clone(), id: id.into() }
    }
}

impl PartialEq for ScopedId {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.entry.iss() == other.entry.iss()
    }
}

impl Eq for ScopedId {}

impl Hash for ScopedId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.iss().hash(state);
        self.id.hash(state);
    }
}

impl fmt::Display for ScopedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_an_issuer_whatever_its_entry_is_called() {
        let id = |name: &str, iss: &str| {
            ScopedId::new(&EntryName::new(&name.into(), &iss.into(), Others::default()), "acme")
        };
        assert_eq!(id("customers", "https://a.example.com"), id("renamed", "https://a.example.com"));
        assert_ne!(id("customers", "https://a.example.com"), id("customers", "https://b.example.com"));
    }
}

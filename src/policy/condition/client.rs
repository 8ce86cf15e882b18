//! Which clients may call.

use std::fmt;

use super::rule::{Rule, Stage};
use crate::error::ConfigError;
use crate::explain::shown;
use crate::name::Name;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::{Refusal, denied};
use crate::policy::scene::Scene;

/// The token was issued to one of these clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Clients(Vec<Box<str>>);

impl Clients {
    /// # Errors
    ///
    /// Returns an error if there is none, or one without an id.
    pub(in crate::policy) fn new(ids: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        let mut clients = Self(Vec::new());
        for id in ids {
            let id = id.into();
            if id.is_empty() {
                return Err(ConfigError::new("client([..]): an empty id"));
            }
            if !clients.0.contains(&id) {
                clients.0.push(id);
            }
        }
        if clients.0.is_empty() { Err(ConfigError::new("client([]): an empty list of ids")) } else { Ok(clients) }
    }
}

impl Rule for Clients {
    const STAGE: Stage = Stage::Clients;

    fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        let words = format!("({self}) and ({other})");
        self.0.retain(|id| other.0.contains(id));
        if self.0.is_empty() {
            return Err(ConfigError::new(format_args!("{words}: no client is one of both")));
        }
        Ok(self)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("client") {
            return Ok(None);
        }
        let at = reader.mark();
        let ids = reader.list(|reader| reader.name("the id of a client"))?;
        Self::new(ids).map(Some).map_err(|fault| reader.contradiction(at, fault))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.push(ConditionDescription::Client { any_of: self.0.iter().map(ToString::to_string).collect() });
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        match scene.token.client_id() {
            Some(client) if self.0.iter().any(|id| **id == *client) => Ok(()),
            _ => Err(denied(format!("the token's client is not one of {:?}", self.0)).into()),
        }
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        Some(scene.token.client_id().map_or_else(|| "the token names no client".to_owned(), shown))
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client [")?;
        for (index, id) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { " " }, Name(id))?;
        }
        f.write_str("]")
    }
}

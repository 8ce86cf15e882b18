//! What Permit.io knows about users.

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::sync::{refused, segment};
use super::{Permit, SyncError};
use crate::json::{JsonError, Object};

/// Permit.io gives a hundred at most; with all of their attributes they must fit into an answer.
const PER_PAGE: usize = 50;
/// A million users: a list without end has one here.
const MAX_PAGES: usize = 20_000;

/// Each role, and the tenant that it is for.
pub(super) type Roles = Vec<(String, String)>;

impl Permit {
    /// The roles of a user; `None` if there is no such user.
    pub(super) async fn roles(&self, key: &str) -> Result<Option<Roles>, SyncError> {
        let segment = segment(key)?;
        let url = format!("{}/users/{segment}", self.facts().await?);
        let answer = self.send(Method::GET, &url, None).await?;
        match answer.status() {
            StatusCode::OK => {
                let user = Object::parse(answer.body()).and_then(|user| roles(&user));
                user.map(Some).map_err(|error| unreadable(&error))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&answer)),
        }
    }

    /// All users, by key, with their roles.
    pub(super) async fn all_users(&self) -> Result<Vec<(String, Roles)>, SyncError> {
        let facts = self.facts().await?;
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let answer =
                self.send(Method::GET, &format!("{facts}/users?page={page}&per_page={PER_PAGE}"), None).await?;
            if answer.status() != StatusCode::OK {
                return Err(refused(&answer));
            }
            let users = users(answer.body()).map_err(|error| unreadable(&error))?;
            let is_last = users.len() < PER_PAGE;
            all.extend(users);
            if is_last {
                return Ok(all);
            }
        }
        Err(SyncError::wrong("a list of users without end"))
    }
}

fn users(body: &[u8]) -> Result<Vec<(String, Roles)>, JsonError> {
    let page = Object::parse(body)?;
    let items: Vec<&RawValue> = page.get("data")?.ok_or(JsonError::WrongType("data"))?;
    let user = |item: &&RawValue| {
        let user = Object::parse(item.get().as_bytes())?;
        let key = user.string("key")?.ok_or(JsonError::WrongType("key"))?;
        Ok((key.into_owned(), roles(&user)?))
    };
    items.iter().map(user).collect()
}

fn roles(user: &Object<'_>) -> Result<Roles, JsonError> {
    let items: Vec<&RawValue> = user.get("roles")?.unwrap_or_default();
    let role = |item: &&RawValue| {
        let assigned = Object::parse(item.get().as_bytes())?;
        let text = |name| Ok(assigned.string(name)?.ok_or(JsonError::WrongType(name))?.into_owned());
        Ok((text("role")?, text("tenant")?))
    };
    items.iter().map(role).collect()
}

fn unreadable(error: &JsonError) -> SyncError {
    SyncError::wrong(format_args!("what it says about users: {error}"))
}

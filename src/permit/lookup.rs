//! What Permit.io knows about users.

use std::collections::HashMap;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::value::RawValue;

use super::sync::{refused, says_not_found, segment};
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
            StatusCode::NOT_FOUND => self.confirm_unknown(&answer).await.map(|()| None),
            _ => Err(refused(&answer)),
        }
    }

    /// Whether a 404 says that a user or an assignment is unknown. So do wrong projects, environments and proxies: only one
    /// in Permit.io's own form counts, and only if the same environment lists its users.
    pub(super) async fn confirm_unknown(&self, answer: &Response<Bytes>) -> Result<(), SyncError> {
        if !says_not_found(answer) {
            return Err(refused(answer));
        }
        match self.users(1, 1).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => Err(SyncError::setup(format_args!(
                "404 Not Found, and no list of users: the project, the environment or a proxy is wrong ({error})"
            ))),
        }
    }

    /// All users, by key, with their roles.
    pub(super) async fn all_users(&self) -> Result<HashMap<String, Roles>, SyncError> {
        let mut all = HashMap::new();
        for page in 1..=MAX_PAGES {
            let Page { users, total } = self.users(page, PER_PAGE).await?;
            let is_last = users.len() < PER_PAGE;
            all.extend(users);
            if is_last && total.is_some_and(|total| all.len() < total) {
                return Err(SyncError::passing("the list of users ends early, or changed while it was read"));
            }
            if is_last {
                return Ok(all);
            }
        }
        Err(SyncError::setup("a list of users without end"))
    }

    async fn users(&self, page: usize, per_page: usize) -> Result<Page, SyncError> {
        let url = format!("{}/users?page={page}&per_page={per_page}", self.facts().await?);
        let answer = self.send(Method::GET, &url, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        users(answer.body()).map_err(|error| unreadable(&error))
    }
}

struct Page {
    users: Vec<(String, Roles)>,
    total: Option<usize>,
}

fn users(body: &[u8]) -> Result<Page, JsonError> {
    let page = Object::parse(body)?;
    let total = page.get("total_count")?;
    let items: Vec<&RawValue> = page.get("data")?.ok_or(JsonError::WrongType("data"))?;
    let user = |item: &&RawValue| {
        let user = Object::parse(item.get().as_bytes())?;
        let key = user.string("key")?.ok_or(JsonError::WrongType("key"))?;
        Ok((key.into_owned(), roles(&user)?))
    };
    let users = items.iter().map(user).collect::<Result<_, _>>()?;
    Ok(Page { users, total })
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
    SyncError::setup(format_args!("what it says about users: {error}"))
}

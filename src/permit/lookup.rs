//! What Permit.io knows about users.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::value::RawValue;

use super::Permit;
use super::sync::segment;
use super::sync_error::{SyncError, refused, says_not_found};
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
                let user = Object::document(answer.body()).map_err(unreadable)?;
                roles(&user).map(Some)
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
        users(answer.body())
    }
}

struct Page {
    users: Vec<(String, Roles)>,
    total: Option<usize>,
}

/// What is null is absent there: a user without roles, or a page that does not count them all.
fn users(body: &[u8]) -> Result<Page, SyncError> {
    let page = Object::document(body).map_err(unreadable)?;
    let total = page.get("total_count").map_err(unreadable)?;
    let items: Vec<&RawValue> = page.get("data").map_err(unreadable)?.ok_or_else(|| lacks("data"))?;
    let user = |item: &&RawValue| {
        let user = Object::document(item.get().as_bytes()).map_err(unreadable)?;
        Ok((text(&user, "key")?, roles(&user)?))
    };
    let users = items.iter().map(user).collect::<Result<_, _>>()?;
    Ok(Page { users, total })
}

fn roles(user: &Object<'_>) -> Result<Roles, SyncError> {
    let items: Vec<&RawValue> = user.get("roles").map_err(unreadable)?.unwrap_or_default();
    let role = |item: &&RawValue| {
        let assigned = Object::document(item.get().as_bytes()).map_err(unreadable)?;
        Ok((text(&assigned, "role")?, text(&assigned, "tenant")?))
    };
    items.iter().map(role).collect()
}

fn text(object: &Object<'_>, name: &'static str) -> Result<String, SyncError> {
    let text = object.string(name).map_err(unreadable)?.ok_or_else(|| lacks(name))?;
    Ok(text.into_owned())
}

fn lacks(name: &'static str) -> SyncError {
    unreadable(JsonError::WrongType(name))
}

fn unreadable(error: impl fmt::Display) -> SyncError {
    SyncError::setup(format_args!("what it says about users: {error}"))
}

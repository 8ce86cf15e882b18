//! The Management API, asked by one snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::credential::Token;
use super::limits::Allowance;
use super::question::Question;
use super::records::{self, Malformed};
use super::shared::{Moment, Order, Shared};
use super::token::Tokens;
use super::transport::Transport;
use crate::json::Object;
use crate::permissions::SourceError;

const PAGE_SIZE: usize = 100;
const TOTAL_NUMBER: &str = "total-number";

/// One tenant's Management API.
pub(super) struct Api {
    /// `{base}/api`.
    pub(super) url: String,
    /// The resource indicator of the Management API.
    pub(super) resource: String,
    pub(super) transport: Arc<Transport>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) order: Order,
    pub(super) shared: Shared,
    /// The Management API has answered a question.
    pub(super) has_answered: AtomicBool,
}

/// A snapshot in the making. What it shares with others may be asked for beyond its end.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) api: Arc<Api>,
    /// All that it rests on was asked for after that.
    pub(super) began: Moment,
    pub(super) allowance: Arc<Allowance>,
}

impl Api {
    /// Begins a snapshot that needs about so many calls.
    pub(super) async fn begin(self: &Arc<Self>, calls: usize) -> Result<Asking, SourceError> {
        let began = self.order.next();
        let allowance = Arc::new(self.transport.limits.admit(calls).await?);
        Ok(Asking { api: self.clone(), began, allowance })
    }

    /// Begins one call of a long reading, if it can be made now and leaves enough calls to snapshots.
    pub(super) fn begin_aside(self: &Arc<Self>) -> Result<Asking, SourceError> {
        let began = self.order.next();
        let allowance = Arc::new(self.transport.limits.admit_aside()?);
        Ok(Asking { api: self.clone(), began, allowance })
    }
}

impl Api {
    /// Asks for next to nothing, unless it has answered before: credentials, resource and permission are right.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<(), SourceError> {
        if self.has_answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        let asking = self.begin(2).await?;
        let question = Question::Resources;
        let answer = asking.get(question, "?page=1&page_size=1").await?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            _ => Err(self.transport.unexpected(question.name(), &answer)),
        }
    }
}

impl Asking {
    /// One record; `None` if there is no such thing.
    pub(super) async fn record<T>(
        &self,
        question: Question<'_>,
        read: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, SourceError> {
        let answer = Box::pin(self.get(question, "")).await?;
        if self.is_absent(question, &answer)? {
            return Ok(None);
        }
        read(answer.body()).map(Some).map_err(|why| malformed(question, &why))
    }

    /// A whole list, page by page where it has pages; `None` if that of which it is does not exist, or is not a member.
    pub(super) async fn list<T>(
        &self,
        question: Question<'_>,
        read: fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, SourceError> {
        self.pages(question, |body| records::read_each(body, read)).await
    }

    /// The same, of pages in another form.
    pub(super) async fn pages<T>(
        &self,
        question: Question<'_>,
        read_page: impl Fn(&[u8]) -> Result<Vec<T>, Malformed>,
    ) -> Result<Option<Vec<T>>, SourceError> {
        let mut list = List::default();
        for number in 1.. {
            let Some(page) = self.page(question, number).await? else { return Ok(None) };
            if list.add(question, &page, &read_page)? {
                break;
            }
        }
        Ok(Some(list.found))
    }

    /// One page of a list, or a list without pages; `None` if that of which it is does not exist, or is not a member.
    pub(super) async fn page(&self, question: Question<'_>, number: usize) -> Result<Option<Page>, SourceError> {
        let is_paged = question.is_paged();
        let query = format!("?page={number}&page_size={PAGE_SIZE}{}", question.also());
        let answer = Box::pin(self.get(question, if is_paged { &query } else { "" })).await?;
        if number == 1 && self.is_absent(question, &answer)? {
            return Ok(None);
        }
        match answer.status() {
            StatusCode::OK => Ok(Some(Page { number, answer })),
            _ => Err(self.api.transport.unexpected(question.name(), &answer)),
        }
    }

    /// Whether an answer says that there is no such thing. What is neither that nor 200 is an error.
    fn is_absent(&self, question: Question<'_>, answer: &Response<Bytes>) -> Result<bool, SourceError> {
        if answer.status() == StatusCode::OK {
            return Ok(false);
        }
        // A proxy's 404, or one of another address, says nothing about anybody.
        let code = records::code(answer.body()).unwrap_or_default();
        let is_absent = match answer.status() {
            StatusCode::NOT_FOUND => {
                matches!(&*code, "entity.not_found" | "entity.not_exists" | "entity.not_exists_with_id")
            }
            StatusCode::UNPROCESSABLE_ENTITY => code == "organization.require_membership",
            _ => false,
        };
        if is_absent { Ok(true) } else { Err(self.api.transport.unexpected(question.name(), answer)) }
    }

    /// A token that the API rejects is renewed once. (Boxed by its callers: several of them are under way in one snapshot.)
    async fn get(&self, question: Question<'_>, query: &str) -> Result<Response<Bytes>, SourceError> {
        let tokens = &self.api.tokens;
        let token = tokens.get(&self.allowance).await?;
        let answer = self.send(question, query, &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            tokens.served();
            if answer.status() == StatusCode::OK {
                self.api.has_answered.store(true, Ordering::Relaxed);
            }
            return Ok(answer);
        }
        tokens.refused(&token);
        let token = tokens.get(&self.allowance).await?;
        let answer = self.send(question, query, &token).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let name = question.name();
            let error = SourceError::new(format!(
                "{name}: status 401 for a new token: check management_resource, or self_hosted() for a server of your own"
            ));
            tokens.fail(&token, error.clone());
            return Err(error);
        }
        tokens.served();
        Ok(answer)
    }

    async fn send(&self, question: Question<'_>, query: &str, token: &Token) -> Result<Response<Bytes>, SourceError> {
        let path = question.path().ok_or_else(|| malformed(question, "an id that is none"))?;
        let url = format!("{}{path}{query}", self.api.url);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.parse().map_err(|_| malformed(question, "an id that cannot stand in a URL"))?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, token.header.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        self.api.transport.send(&self.allowance, request, question.name(), question.most_bytes()).await
    }
}

/// A part of a list.
pub(super) struct Page {
    number: usize,
    answer: Response<Bytes>,
}

/// A list in the making.
pub(super) struct List<T> {
    pub(super) found: Vec<T>,
    total: Option<usize>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { found: Vec::new(), total: None }
    }
}

impl<T> List<T> {
    /// Adds the next page, and tells whether it was the last.
    pub(super) fn add(
        &mut self,
        question: Question<'_>,
        page: &Page,
        read: impl Fn(&[u8]) -> Result<Vec<T>, Malformed>,
    ) -> Result<bool, SourceError> {
        let members = read(page.answer.body()).map_err(|why| malformed(question, &why))?;
        let count = members.len();
        self.found.extend(members);
        if !question.is_paged() {
            return Ok(true);
        }
        let stated = total_number(page.answer.headers()).ok_or_else(|| malformed(question, "no Total-Number"))?;
        let most = question.most_members();
        if stated > most {
            return Err(malformed(question, &format!("{stated} members, more than {most}")));
        }
        let total = *self.total.get_or_insert(stated);
        let expected = total.saturating_sub((page.number - 1) * PAGE_SIZE).min(PAGE_SIZE);
        if stated != total || count != expected {
            return Err(malformed(question, "the list changed while it was read, or is not whole"));
        }
        Ok(self.found.len() >= total)
    }
}

fn malformed(question: Question<'_>, why: &str) -> SourceError {
    SourceError::new(format!("{}: {why}", question.name()))
}

fn total_number(headers: &HeaderMap) -> Option<usize> {
    headers.get(TOTAL_NUMBER)?.to_str().ok()?.parse().ok()
}

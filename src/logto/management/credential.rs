//! The Management API's access token, and when to ask for another one: a pure state machine.

use std::time::Duration;

use http::HeaderValue;

use super::records::Malformed;
use crate::json::Object;
use crate::permissions::SourceError;

const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// A token that is said to live longer is renewed all the same.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A token, as it is sent. It prints as nothing but its number.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    number: u64,
}

/// What the token endpoint granted.
pub(super) struct Granted {
    header: HeaderValue,
    life: Duration,
}

/// The token that is held, and what came of asking for one.
#[derive(Default)]
pub(super) struct Credential {
    held: Option<Held>,
    failure: Option<Failure>,
    tokens: u64,
}

struct Held {
    token: Token,
    renew_at: Duration,
    ends_at: Duration,
}

struct Failure {
    error: SourceError,
    until: Duration,
    back_off: Duration,
    /// A token was granted since; whether it is taken is not known yet.
    is_over: bool,
}

/// What somebody should do who needs a token.
pub(super) enum Advice {
    Use(Token),
    /// Ask for one. The one that is held serves meanwhile, if there is one.
    Renew(Option<Token>),
    Failed(SourceError),
}

impl Credential {
    pub(super) fn ask(&self, now: Duration) -> Advice {
        let held = self.held.as_ref().filter(|held| now < held.ends_at);
        let failure = self.failure.as_ref().filter(|failure| now < failure.until);
        match (held, failure) {
            (Some(held), None) if now >= held.renew_at => Advice::Renew(Some(held.token.clone())),
            (Some(held), _) => Advice::Use(held.token.clone()),
            (None, Some(failure)) => {
                Advice::Failed(failure.error.clone().retry_after(failure.until.saturating_sub(now)))
            }
            (None, None) => Advice::Renew(None),
        }
    }

    /// The token endpoint has answered what was asked at `asked`.
    pub(super) fn land(&mut self, outcome: Result<Granted, SourceError>, asked: Duration, now: Duration) {
        match outcome {
            Ok(Granted { header, life }) => {
                self.tokens += 1;
                let token = Token { header, number: self.tokens };
                self.held = Some(Held { token, renew_at: asked + life * 4 / 5, ends_at: asked + life });
                if let Some(failure) = &mut self.failure {
                    (failure.until, failure.is_over) = (now, true);
                }
            }
            Err(error) => self.fail(error, now),
        }
    }

    /// The API took a token. A failure before that is forgotten, unless it goes on.
    pub(super) fn served(&mut self) {
        self.failure.take_if(|failure| failure.is_over);
    }

    /// The API rejected this token: it is not used again.
    pub(super) fn refused(&mut self, token: &Token) {
        self.held.take_if(|held| held.token.number == token.number);
    }

    /// No token for a while, longer each time.
    pub(super) fn fail(&mut self, error: SourceError, now: Duration) {
        let before = self.failure.as_ref().map(|failure| failure.back_off * 2);
        let back_off = before.unwrap_or(FIRST_BACK_OFF).min(LONGEST_BACK_OFF);
        let wait = error.wants_retry_after().map_or(back_off, |wanted| wanted.max(back_off));
        self.failure = Some(Failure { error, until: now + wait, back_off, is_over: false });
    }
}

/// Reads the token endpoint's answer.
pub(super) fn read(body: &[u8]) -> Result<Granted, Malformed> {
    let wrong = |error: crate::json::JsonError| error.to_string();
    let answer = Object::parse(body).map_err(wrong)?;
    let kind = answer.string("token_type").map_err(wrong)?.ok_or("no token_type")?;
    if !kind.eq_ignore_ascii_case("Bearer") {
        return Err("token_type is not Bearer".to_owned());
    }
    let scope = answer.string("scope").map_err(wrong)?;
    if !scope.is_some_and(|scope| scope.split(' ').any(|scope| scope == "all")) {
        return Err("the scope all was not granted: give the application a role with the Management API's permission"
            .to_owned());
    }
    let life = answer.get::<u64>("expires_in").map_err(wrong)?.filter(|life| *life > 0).ok_or("no expires_in")?;
    let token = answer.string("access_token").map_err(wrong)?.ok_or("no access_token")?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("access_token is not a token".to_owned());
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| "access_token is not a token")?;
    header.set_sensitive(true);
    Ok(Granted { header, life: Duration::from_secs(life).min(LONGEST_LIFE) })
}

#[cfg(test)]
mod tests;

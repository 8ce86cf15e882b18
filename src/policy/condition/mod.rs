//! What a clause asks beside its core: one file a condition, each with how it merges, prints, parses, is described and judged.
//!
//! A new condition is a file here with its [`Rule`]; a variant of [`Condition`], with its arms in `each`, `and` and `parse`; a
//! [`Stage`], which is when it is judged; a word in `policy/words`; and a variant of
//! [`ConditionDescription`](super::describe::ConditionDescription). `runs_code` names those that ask the application.

mod acr;
mod bound;
mod check;
mod claim;
mod client;
mod decision;
mod detail;
mod kind;
mod max_auth_age;
mod rule;
mod value;

use std::fmt;

pub(super) use acr::Acr;
pub(super) use bound::Bound;
pub(super) use check::Checks;
pub(super) use claim::{Claims, Test};
pub(super) use client::Clients;
pub(super) use decision::{Decisions, Question, refused};
pub(super) use detail::{Detail, Details};
pub(super) use kind::Kind;
pub(super) use max_auth_age::MaxAuthAge;
use rule::{Rule, Stage};
pub use value::ClaimValue;

use super::describe::ConditionDescription;
use super::parse::{ParseError, Reader};
use super::refusal::Refusal;
use super::scene::Scene;
use crate::error::ConfigError;

/// A condition, in the order of judging: what costs least comes first; what only the application or a decision point knows
/// comes after the scopes.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Kind(Kind),
    Bound(Bound),
    Clients(Clients),
    Claims(Claims),
    Acr(Acr),
    MaxAuthAge(MaxAuthAge),
    Details(Details),
    Checks(Checks),
    Decisions(Decisions),
}

macro_rules! each {
    ($condition:expr, $rule:ident => $body:expr) => {
        match $condition {
            Condition::Kind($rule) => $body,
            Condition::Bound($rule) => $body,
            Condition::Clients($rule) => $body,
            Condition::Claims($rule) => $body,
            Condition::Acr($rule) => $body,
            Condition::MaxAuthAge($rule) => $body,
            Condition::Details($rule) => $body,
            Condition::Checks($rule) => $body,
            Condition::Decisions($rule) => $body,
        }
    };
}

fn stage<R: Rule>(_: &R) -> Stage {
    R::STAGE
}

impl Condition {
    fn stage(&self) -> Stage {
        each!(self, rule => stage(rule))
    }

    pub(super) fn is_before_scopes(&self) -> bool {
        self.stage() < Stage::Scopes
    }

    /// Whether the application's code or a decision point is asked.
    pub(super) fn runs_code(&self) -> bool {
        matches!(self, Self::Details(_) | Self::Checks(_) | Self::Decisions(_))
    }

    pub(super) fn describe(&self, into: &mut Vec<ConditionDescription>) {
        each!(self, rule => rule.describe(into));
    }

    pub(super) fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        if scene.steps.is_on() {
            let found = each!(self, rule => rule.found(scene));
            scene.steps.at(self.stage().step(), || self.to_string());
            if let Some(found) = found {
                scene.steps.found(|| found);
            }
        }
        each!(self, rule => rule.judge(scene))
    }

    /// The conditions of two clauses, in the order of judging, one of each kind.
    pub(super) fn both(one: Box<[Self]>, two: Box<[Self]>) -> Result<Box<[Self]>, ConfigError> {
        let mut all = one.into_vec();
        for condition in two {
            match all.iter().position(|other| other.stage() >= condition.stage()) {
                Some(at) if all.get(at).is_some_and(|other| other.stage() == condition.stage()) => {
                    let merged = all.remove(at).and(condition)?;
                    all.insert(at, merged);
                }
                Some(at) => all.insert(at, condition),
                None => all.push(condition),
            }
        }
        Ok(all.into())
    }

    fn and(self, other: Self) -> Result<Self, ConfigError> {
        Ok(match (self, other) {
            (Self::Kind(one), Self::Kind(two)) => Self::Kind(one.and(two)?),
            (Self::Bound(one), Self::Bound(two)) => Self::Bound(one.and(two)?),
            (Self::Clients(one), Self::Clients(two)) => Self::Clients(one.and(two)?),
            (Self::Claims(one), Self::Claims(two)) => Self::Claims(one.and(two)?),
            (Self::Acr(one), Self::Acr(two)) => Self::Acr(one.and(two)?),
            (Self::MaxAuthAge(one), Self::MaxAuthAge(two)) => Self::MaxAuthAge(one.and(two)?),
            (Self::Details(one), Self::Details(two)) => Self::Details(one.and(two)?),
            (Self::Checks(one), Self::Checks(two)) => Self::Checks(one.and(two)?),
            (Self::Decisions(one), Self::Decisions(two)) => Self::Decisions(one.and(two)?),
            (one, two) => {
                return Err(ConfigError::new(format_args!("({one}) and ({two}) are of different kinds")));
            }
        })
    }

    /// Reads a condition if one begins here.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if let Some(kind) = Kind::parse(reader)? {
            return Ok(Some(Self::Kind(kind)));
        }
        if let Some(bound) = Bound::parse(reader)? {
            return Ok(Some(Self::Bound(bound)));
        }
        if let Some(clients) = Clients::parse(reader)? {
            return Ok(Some(Self::Clients(clients)));
        }
        if let Some(claims) = Claims::parse(reader)? {
            return Ok(Some(Self::Claims(claims)));
        }
        if let Some(acr) = Acr::parse(reader)? {
            return Ok(Some(Self::Acr(acr)));
        }
        if let Some(age) = MaxAuthAge::parse(reader)? {
            return Ok(Some(Self::MaxAuthAge(age)));
        }
        if let Some(details) = Details::parse(reader)? {
            return Ok(Some(Self::Details(details)));
        }
        if let Some(checks) = Checks::parse(reader)? {
            return Ok(Some(Self::Checks(checks)));
        }
        Ok(Decisions::parse(reader)?.map(Self::Decisions))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, rule => rule.fmt(f))
    }
}

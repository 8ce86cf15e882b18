//! What an authorization detail of the token must say.

use std::fmt;
use std::sync::Arc;

use super::check::judge;
use super::rule::{Rule, Stage, joined};
use crate::error::ConfigError;
use crate::name::{Name, Quoted};
use crate::policy::code::Check;
use crate::policy::describe::ConditionDescription;
use crate::policy::detail::{count, why_none};
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::{Refusal, denied};
use crate::policy::scene::Scene;

/// A type of details, and code of the application that one of them must pass.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Detail {
    pub(in crate::policy) kind: Arc<str>,
    pub(in crate::policy) check: Check,
}

impl Detail {
    pub(in crate::policy) fn is_called(&self, kind: &str, name: &str) -> bool {
        *self.kind == *kind && self.check.name() == name
    }
}

/// All of these, each once.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Details(pub(in crate::policy) Vec<Detail>);

impl Rule for Details {
    const STAGE: Stage = Stage::Details;

    fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        for detail in other.0 {
            if !self.0.iter().any(|known| known.check.is_same(&detail.check)) {
                self.0.push(detail);
            }
        }
        Ok(self)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("authorization-detail") {
            return Ok(None);
        }
        let kind = reader.name("the type of an authorization detail")?;
        let at = reader.mark();
        let name = reader.string("the name of a check of such a detail, as a string")?;
        match reader.code().detail(&kind, &name) {
            Some((kind, check)) => Ok(Some(Self(vec![Detail { kind, check }]))),
            None => Err(reader.unknown(at, "authorization_detail", &name)),
        }
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.extend(self.0.iter().map(|detail| ConditionDescription::AuthorizationDetail {
            detail_type: detail.kind.to_string(),
            name: detail.check.name().to_owned(),
        }));
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        for detail in &self.0 {
            if let Err(reason) = judge(&detail.check, scene) {
                let denial = denied(format!("{detail}: {}", why_none(scene.token, &detail.kind)));
                return Err(match reason {
                    Some(error) => denial.with_source(error),
                    None => denial,
                }
                .into());
            }
        }
        Ok(())
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        let each = self.0.iter().map(|detail| match count(scene.token, &detail.kind) {
            Ok(count) => format!("{count} of the type {}", Name(&detail.kind)),
            Err(fault) => fault.to_owned(),
        });
        Some(each.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authorization-detail {} {}", Name(&self.kind), Quoted(self.check.name()))
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0)
    }
}

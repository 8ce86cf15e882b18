//! A condition in the application's own code.

use std::fmt;

use super::rule::{Rule, Stage, joined};
use crate::error::ConfigError;
use crate::policy::code::{Check, Facts, Reason};
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::{Refusal, denied};
use crate::policy::scene::Scene;

/// All of these, each once.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Checks(pub(in crate::policy) Vec<Check>);

impl Rule for Checks {
    const STAGE: Stage = Stage::Checks;

    fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        for check in other.0 {
            if !self.0.iter().any(|known| known.is_same(&check)) {
                self.0.push(check);
            }
        }
        Ok(self)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("check") {
            return Ok(None);
        }
        let at = reader.mark();
        let name = reader.string("the name of a check, as a string")?;
        match reader.code().check(&name) {
            Some(check) => Ok(Some(Self(vec![check]))),
            None => Err(reader.unknown(at, "check", &name)),
        }
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.extend(self.0.iter().map(|check| ConditionDescription::Check { name: check.name().to_owned() }));
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        for check in &self.0 {
            if let Err(reason) = judge(check, scene) {
                let denial = denied(format!("check {:?} failed", check.name()));
                return Err(match reason {
                    Some(error) => denial.with_source(error),
                    None => denial,
                }
                .into());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0)
    }
}

/// Runs a check, or remembers what it said.
pub(super) fn judge(check: &Check, scene: &mut Scene<'_, '_>) -> Result<(), Reason> {
    let slot = (check.index, scene.model);
    if let Some(outcome) = scene.memory.outcome(slot) {
        return outcome;
    }
    scene.memory.read_path(scene.request);
    let facts = Facts {
        token: scene.token,
        organization: scene.organization.as_ref(),
        request: scene.request,
        path: scene.memory.path(),
        resources: scene.resources,
    };
    let outcome = check.run(&facts);
    scene.memory.keep(slot, &outcome);
    outcome
}

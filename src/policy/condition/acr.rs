//! How the user must have signed in.

use std::fmt;

use super::rule::{Rule, Stage};
use crate::error::ConfigError;
use crate::explain::shown;
use crate::name::Name;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;
use crate::rejection::AcrValues;

/// The authentication context is one of these.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Acr(AcrValues);

impl Acr {
    /// # Errors
    ///
    /// Returns what is wrong, with the rule as it was written.
    pub(in crate::policy) fn new<S: AsRef<str>>(values: &[S]) -> Result<Self, (String, ConfigError)> {
        AcrValues::new(values).map(Self).map_err(|fault| (written(values.iter().map(AsRef::as_ref)), fault))
    }

    pub(in crate::policy) fn values(&self) -> &AcrValues {
        &self.0
    }
}

impl Rule for Acr {
    const STAGE: Stage = Stage::Acr;

    fn and(self, other: Self) -> Result<Self, ConfigError> {
        let shared = self.0.shared(&other.0);
        shared.map(Self).ok_or_else(|| {
            ConfigError::new(format_args!("({self}) and ({other}): a sign-in has one authentication context"))
        })
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("acr") {
            return Ok(None);
        }
        let at = reader.mark();
        let name = |reader: &mut Reader<'_>| reader.name("an authentication context");
        let values = if reader.take("any") {
            reader.expect("of")?;
            reader.list(name)?
        } else {
            vec![name(reader)?]
        };
        AcrValues::new(&values).map(|values| Some(Self(values))).map_err(|fault| reader.contradiction(at, fault))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.push(ConditionDescription::Acr { any_of: self.0.iter().map(str::to_owned).collect() });
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        let is_one = scene.token.acr().is_some_and(|acr| self.0.contains(acr));
        if is_one { Ok(()) } else { Err(Refusal::sign_in(scene.token, None)) }
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        Some(match scene.token.acr() {
            Some(acr) => format!("the authentication context is {}", shown(acr)),
            None => "the token names no authentication context".to_owned(),
        })
    }
}

fn written<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = values.map(|value| Name(value).to_string()).collect();
    match &*names {
        [only] => format!("acr {only}"),
        _ => format!("acr any of [{}]", names.join(" ")),
    }
}

impl fmt::Display for Acr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0.iter()))
    }
}

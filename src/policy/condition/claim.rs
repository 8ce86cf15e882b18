//! What a claim of the token must say.

use std::fmt;
use std::sync::Arc;

use super::rule::{Rule, Stage, joined};
use super::value::ClaimValue;
use crate::error::ConfigError;
use crate::explain::shown;
use crate::json::Object;
use crate::name::{Name, Quoted};
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::{Refusal, denied};
use crate::policy::scene::Scene;

/// All of these.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Claims(Vec<ClaimRule>);

#[derive(Clone, Debug, PartialEq)]
struct ClaimRule {
    name: Arc<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) enum Test {
    Equals(ClaimValue),
    AnyOf(Vec<ClaimValue>),
    Contains(ClaimValue),
}

impl Claims {
    /// # Errors
    ///
    /// Returns what is wrong, with the rule as it was written.
    pub(in crate::policy) fn new(name: &str, test: Test) -> Result<Self, (String, ConfigError)> {
        let is_empty = matches!(&test, Test::AnyOf(values) if values.is_empty());
        let rule = ClaimRule { name: name.into(), test };
        if name.is_empty() {
            return Err((rule.to_string(), ConfigError::new("claim(\"\"): the name of a claim is missing")));
        }
        if is_empty {
            let fault = ConfigError::new(format_args!("claim_any_of({name:?}, []): an empty list of values"));
            return Err((rule.to_string(), fault));
        }
        Ok(Self(vec![rule]))
    }
}

impl Rule for Claims {
    const STAGE: Stage = Stage::Claims;

    fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        for rule in other.0 {
            if let Some(contrary) = self.0.iter().find(|known| known.excludes(&rule)) {
                return Err(ConfigError::new(format_args!(
                    "({contrary}) and ({rule}): claim {:?} cannot have two values",
                    rule.name
                )));
            }
            if !self.0.contains(&rule) {
                self.0.push(rule);
            }
        }
        Ok(self)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("claim") {
            return Ok(None);
        }
        let at = reader.mark();
        let name = reader.name("the name of a claim")?;
        if name.is_empty() {
            return Err(reader.wrong(at, "the name of a claim"));
        }
        let test = if reader.take_symbol('=') {
            Test::Equals(ClaimValue::parse(reader)?)
        } else if reader.take("any") {
            reader.expect("of")?;
            Test::AnyOf(reader.list(ClaimValue::parse)?)
        } else if reader.take("contains") {
            Test::Contains(ClaimValue::parse(reader)?)
        } else {
            return Err(reader.expected("`=`, `any of [..]` or `contains`"));
        };
        Ok(Some(Self(vec![ClaimRule { name: name.into(), test }])))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.extend(self.0.iter().map(|ClaimRule { name, test }| {
            let name = name.to_string();
            match test {
                Test::Equals(value) => ConditionDescription::Claim { name, equals: value.clone() },
                Test::AnyOf(values) => ConditionDescription::ClaimAnyOf { name, any_of: values.clone() },
                Test::Contains(value) => ConditionDescription::ClaimContains { name, contains: value.clone() },
            }
        }));
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        let payload = scene.token.payload();
        let claims = Object::parse(&payload).map_err(|error| denied(error.to_string()))?;
        match self.0.iter().find(|rule| !rule.holds(&claims)) {
            None => Ok(()),
            Some(rule) => Err(denied(format!("claim {:?} does not have a required value", rule.name)).into()),
        }
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        let payload = scene.token.payload();
        let claims = Object::parse(&payload).ok()?;
        let subject = Quoted(scene.token.subject().id()).to_string();
        let each = self.0.iter().map(|rule| {
            let value = match claims.raw(&rule.name) {
                None => "absent".to_owned(),
                // A policy may compare anything with the subject; an explanation does not name it.
                Some(value) if value.contains(&subject) => "a value with the subject".to_owned(),
                Some(value) => shown(value),
            };
            format!("{} is {value}", Name(&rule.name))
        });
        Some(each.collect::<Vec<_>>().join(", "))
    }
}

impl ClaimRule {
    /// Whether no claim can meet both.
    fn excludes(&self, other: &Self) -> bool {
        let values = |rule: &Self| match &rule.test {
            Test::Equals(value) => Some(vec![value.clone()]),
            Test::AnyOf(values) => Some(values.clone()),
            Test::Contains(_) => None,
        };
        if self.name != other.name {
            return false;
        }
        match (values(self), values(other)) {
            (Some(one), Some(two)) => !one.iter().any(|value| two.contains(value)),
            (None, None) => false,
            // One is an array, the other is none.
            _ => true,
        }
    }

    fn holds(&self, claims: &Object<'_>) -> bool {
        match &self.test {
            Test::Equals(value) => value.is(claims, &self.name),
            Test::AnyOf(values) => values.iter().any(|value| value.is(claims, &self.name)),
            Test::Contains(value) => value.is_in(claims, &self.name),
        }
    }
}

impl fmt::Display for ClaimRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "claim {} ", Name(&self.name))?;
        match &self.test {
            Test::Equals(value) => write!(f, "= {value}"),
            Test::AnyOf(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "any of [{}]", values.join(" "))
            }
            Test::Contains(value) => write!(f, "contains {value}"),
        }
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0)
    }
}

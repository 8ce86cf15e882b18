//! What a decision point is asked, after everything else in a clause holds.

use std::fmt;
use std::sync::Arc;

use super::rule::{Rule, Stage, joined};
use crate::decision::{CacheTimes, Decision, DecisionRequest, Resource, Wanted, WantedDecisions, denied_by, undecided};
use crate::engine::Need;
use crate::error::ConfigError;
use crate::name::{Name, Span};
use crate::organization::RequestSource;
use crate::policy::describe::{ConditionDescription, KeepDescription};
use crate::policy::parse::{ParseError, Reader, source};
use crate::policy::refusal::{Refusal, denied};
use crate::policy::scene::Scene;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;

/// One thing to ask.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Question {
    action: Arc<str>,
    resource_type: Arc<str>,
    id: RequestSource,
    allow_on_error: bool,
    keep: Option<CacheTimes>,
}

/// All of these, asked together.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Decisions(Vec<Question>);

impl Rule for Decisions {
    const STAGE: Stage = Stage::Decisions;

    fn and(mut self, other: Self) -> Result<Self, ConfigError> {
        for question in other.0 {
            match self.0.iter_mut().find(|known| known.is_about_the_same(&question)) {
                Some(known) => {
                    known.allow_on_error &= question.allow_on_error;
                    known.keep = question.keep.map_or(known.keep, |times| Some(shorter(known.keep, times)));
                }
                None => self.0.push(question),
            }
        }
        Ok(self)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("decide") {
            return Ok(None);
        }
        let at = reader.mark();
        let action: Arc<str> = reader.name("an action")?.into();
        let resource_type: Arc<str> = reader.name("a type of resource")?.into();
        if action.is_empty() || resource_type.is_empty() {
            return Err(reader.wrong(at, "names that are not empty"));
        }
        reader.expect("from")?;
        let mut question = Question { action, resource_type, id: source(reader)?, allow_on_error: false, keep: None };
        while reader.take_symbol('[') {
            if !question.allow_on_error && question.keep.is_none() && reader.take("allow") {
                reader.expect("on")?;
                reader.expect("error")?;
                question.allow_on_error = true;
            } else if question.keep.is_none() && reader.take("keep") {
                let at = reader.mark();
                let times = CacheTimes::new(reader.duration()?, reader.duration()?);
                if times.allow().max(times.deny()) > CacheTimes::LONGEST {
                    return Err(reader.wrong(at, format_args!("times of at most {}", Span(CacheTimes::LONGEST))));
                }
                question.keep = Some(times);
            } else {
                return Err(reader.expected("`allow on error` or `keep`, in this order and each once"));
            }
            reader.expect_symbol(']')?;
        }
        Ok(Some(Self(vec![question])))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.extend(self.0.iter().map(|question| ConditionDescription::Decision {
            action: question.action.to_string(),
            resource_type: question.resource_type.to_string(),
            id: (&question.id).into(),
            allow_on_error: question.allow_on_error,
            keep: question.keep.map(KeepDescription::from),
        }));
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        let Some(decider) = scene.decisions.decider else {
            return Err(Rejection::misconfigured("`decide`, and the server has no decision point").into());
        };
        let mut wanted = Vec::new();
        let mut undecided_by = None;
        let mut without = None;
        for question in &self.0 {
            let request = question.of(scene)?;
            let asked = Wanted { request, times: question.keep, allow_on_error: question.allow_on_error };
            let decision = match scene.decisions.waited(decider, &asked) {
                Some(Ok(decision)) => Some(decision.clone()),
                Some(Err(error)) if question.allow_on_error && error.is_unavailable() => {
                    without = Some(error);
                    continue;
                }
                Some(Err(error)) => {
                    undecided_by.get_or_insert(error);
                    continue;
                }
                None => decider.known(&asked.request, asked.times),
            };
            match decision {
                Some(decision) if !decision.is_allowed() => return Err(refused(&decision, scene.token, scene.now)),
                Some(_) => {}
                None => wanted.push(asked),
            }
        }
        if let Some(error) = undecided_by {
            return Err(undecided(error).into());
        }
        if !wanted.is_empty() {
            let wanted = WantedDecisions::new(decider.clone(), wanted);
            return Err(Refusal::Said(Need::Decisions(Box::new(wanted)).into()));
        }
        if let Some(error) = without.filter(|_| !scene.is_dry) {
            tracing::warn!(target: "orgate", %error, "allowed without a decision");
            scene.without_decision = true;
        }
        Ok(())
    }
}

impl Decisions {
    /// # Errors
    ///
    /// Returns what is wrong, with the question as it was written.
    pub(in crate::policy) fn new(
        action: &str,
        resource_type: &str,
        id: RequestSource,
    ) -> Result<Self, (String, ConfigError)> {
        let fault = if action.is_empty() || resource_type.is_empty() {
            let fault = format_args!("decide {action:?} {resource_type:?}: the action or the type has no name");
            Some(ConfigError::new(fault))
        } else if id.is_any() {
            let fault =
                format_args!("decide {action:?} {resource_type:?} from any organization: the token names no resource");
            Some(ConfigError::new(fault))
        } else {
            id.fault().cloned()
        };
        let (action, resource_type) = (action.into(), resource_type.into());
        let question = Question { action, resource_type, id, allow_on_error: false, keep: None };
        match fault {
            Some(fault) => Err((question.to_string(), fault)),
            None => Ok(Self(vec![question])),
        }
    }

    pub(in crate::policy) fn questions_mut(&mut self) -> impl Iterator<Item = &mut Question> {
        self.0.iter_mut()
    }

    pub(in crate::policy) fn sources(&self) -> impl Iterator<Item = &RequestSource> {
        self.0.iter().map(|question| &question.id)
    }

    /// What is asked, as it is printed: equal only for questions about the same.
    pub(in crate::policy) fn topics(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Question::topic)
    }
}

impl Question {
    pub(in crate::policy) fn allow_on_error(&mut self) {
        self.allow_on_error = true;
    }

    pub(in crate::policy) fn keep_at_most(&mut self, times: CacheTimes) {
        self.keep = Some(shorter(self.keep, times));
    }

    fn topic(&self) -> String {
        format!("{} {} from {}", Name(&self.action), Name(&self.resource_type), self.id)
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        self.topic() == other.topic()
    }

    fn of(&self, scene: &mut Scene<'_, '_>) -> Result<DecisionRequest, Rejection> {
        let Some(id) = self.id.value(scene.request, scene.memory)? else {
            let detail = format!("the request names no {} ({})", self.resource_type, self.id);
            return Err(denied(detail));
        };
        let resource = Resource::new(&*self.resource_type, id);
        let asked = DecisionRequest::new(scene.token, &*self.action, resource).method(&scene.request.method);
        let asked = match &scene.organization {
            Some(organization) => asked.organization(organization),
            None => asked,
        };
        Ok(match &scene.decisions.route {
            Some(route) => asked.route(&**route),
            None => asked,
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decide {}", self.topic())?;
        f.write_str(if self.allow_on_error { " [allow on error]" } else { "" })?;
        self.keep.map_or(Ok(()), |times| write!(f, " [keep {} {}]", Span(times.allow()), Span(times.deny())))
    }
}

impl fmt::Display for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0)
    }
}

/// The point said no. Where it said how the user must sign in instead, and the user has not, that would help.
pub(in crate::policy) fn refused(decision: &Decision, token: &AccessToken, now: Now) -> Refusal {
    let now = now.unix.as_secs_f64();
    match decision.step_up().filter(|step_up| !step_up.is_met(token, now)) {
        Some(step_up) => Refusal::sign_in(token, Some(step_up)),
        None => denied_by(decision).into(),
    }
}

fn shorter(one: Option<CacheTimes>, two: CacheTimes) -> CacheTimes {
    one.map_or(two, |one| one.shorter(two))
}

//! Looks at what a token and its subject hold, as a request on a live route would be judged.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::shown::Shown;
use super::state::{Difference, Known, id};
use super::target::{Asked, What};
use crate::change::Epoch;
use crate::engine::{Grant, Instant, Later, Stop};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::token::AccessToken;

/// When to look again, where nothing says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Somebody who wants to know, and about what.
pub(super) struct Viewer {
    pub(super) shown: Arc<Shown>,
    pub(super) grant: Grant,
    pub(super) token: AccessToken,
    /// The request, as far as policies read it.
    pub(super) request: Parts,
    pub(super) asked: Vec<Asked>,
}

/// What the client knows.
#[derive(Clone, Debug, Default)]
pub(super) enum Last {
    #[default]
    Nothing,
    /// States with these ids: a list of entity tags, or a single id.
    Ids(Box<str>),
    Told(Box<Known>),
    /// That nothing can be said, after it was told this.
    Undecided(Option<Box<Known>>),
}

/// What was found.
pub(super) enum Found {
    /// It is to be told. As JSON, with the id of it.
    State { known: Known, json: String, id: String },
    /// The client knows it.
    Unchanged { known: Known, id: String },
    /// It cannot be known now, and may be after this time.
    Undecided(Duration),
    /// The token passes no more.
    Over(Rejection),
}

impl Last {
    fn known(&self) -> Option<&Known> {
        match self {
            Self::Told(known) | Self::Undecided(Some(known)) => Some(known),
            _ => None,
        }
    }

    fn is(&self, known: &Known, id: &str) -> bool {
        match self {
            Self::Told(told) => **told == *known,
            Self::Ids(ids) => {
                let tags = ids.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
                tags.into_iter().any(|tag| tag == id)
            }
            Self::Nothing | Self::Undecided(_) => false,
        }
    }
}

impl Viewer {
    /// What is to be told is an answer in the conversation with the client: a client acts on it as on a rejection. What it
    /// knows already, and what is only looked at, is none. `tells`: somebody reads it.
    pub(super) async fn look(&mut self, since: Epoch, last: &Last, tells: bool) -> Found {
        let Self { shown, grant, token, request, asked } = self;
        let mut later = Later::new(&shown.requirement, token, since);
        let looked = later.settle(|instant| {
            instant.recheck(grant)?;
            let granted = instant.judge(shown.requirement.rules(), request, true)?;
            let difference = shown.difference(granted.drift.as_deref());
            // What was said about a difference stands as long as the difference does.
            let said = last.known().filter(|known| known.difference == difference);
            let remediation = match said {
                Some(known) => known.remediation,
                None => remediation(instant, shown, &difference, request, true)?,
            };
            Ok((difference, remediation))
        });
        let (difference, remediation) = match looked.await {
            Ok(found) => found,
            Err(rejection) if rejection.kind() == RejectionKind::Unavailable => {
                return Found::Undecided(rejection.retry_after().unwrap_or(RETRY_AFTER));
            }
            Err(rejection) => return Found::Over(rejection),
        };
        let may = foresee(&mut later, asked).await;
        let mut known = Known { difference, remediation, may };
        let written = |known: &Known| {
            let json = known.to_json(token, &shown.names(), asked.iter().map(|asked| &*asked.name));
            let id = id(token, &json);
            (json, id)
        };
        let (json, id) = written(&known);
        if last.is(&known, &id) {
            return Found::Unchanged { known, id };
        }
        let is_new = last.known().is_none_or(|told| told.difference != known.difference);
        if tells && is_new && !known.difference.is_empty() {
            let told = later.at_hand(|instant| remediation_told(instant, shown, &known.difference, request));
            known.remediation = told.unwrap_or(known.remediation);
            let (json, id) = written(&known);
            return Found::State { known, json, id };
        }
        Found::State { known, json, id }
    }
}

fn remediation_told(
    instant: &mut Instant<'_>,
    shown: &Shown,
    difference: &Difference,
    request: &mut Parts,
) -> Result<Remediation, Stop> {
    remediation(instant, shown, difference, request, false)
}

/// What the client should do first: what it can do without a person comes first, as where one of several clauses decides.
fn remediation(
    instant: &mut Instant<'_>,
    shown: &Shown,
    difference: &Difference,
    request: &mut Parts,
    is_dry: bool,
) -> Result<Remediation, Stop> {
    let mut first = Remediation::None;
    for rules in difference.places().filter_map(|place| shown.rules(place)) {
        match instant.judge(rules, request, is_dry) {
            Err(Stop::Reject(rejection)) if rejection.kind() != RejectionKind::Unavailable => {
                let step = rejection.remediation();
                first = if rank(step) > rank(first) { step } else { first };
            }
            Err(stop) => return Err(stop),
            Ok(_) => {}
        }
    }
    Ok(first)
}

const fn rank(step: Remediation) -> u8 {
    match step {
        Remediation::Refresh => 3,
        Remediation::RequestScope => 2,
        Remediation::Reconsent => 1,
        _ => 0,
    }
}

/// Whether the token passes each of the routes.
async fn foresee(later: &mut Later<'_>, asked: &mut [Asked]) -> Vec<Option<bool>> {
    let foreseen = later.settle(|instant| {
        let each = asked.iter_mut().map(|asked| match &mut asked.what {
            What::Said(passes) => Ok(*passes),
            What::Judged(requirement, request) => match instant.foresee(requirement.rules(), request) {
                Ok(passes) => Ok(passes),
                Err(Stop::Reject(_)) => Ok(None),
                Err(need) => Err(need),
            },
        });
        each.collect::<Result<Vec<_>, _>>()
    });
    let foreseen = foreseen.await;
    foreseen.unwrap_or_else(|_| {
        let each = asked.iter().map(|asked| match asked.what {
            What::Said(passes) => passes,
            What::Judged(..) => None,
        });
        each.collect()
    })
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }

    fn places(&self) -> impl Iterator<Item = u8> {
        self.lost.iter().chain(&self.gained).copied()
    }
}

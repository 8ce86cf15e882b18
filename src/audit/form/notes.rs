//! What cells say beside their word, each sentence once with a number.

use std::collections::HashMap;

use crate::audit::report::{Combination, Report, RoleSummary, RouteSummary};
use crate::audit::verdict::Verdict;
use crate::name::Visible;

/// The numbered sentences of a report.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) all: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Notes {
    /// The word of a cell, with the number of its sentence.
    pub(super) fn cell(&mut self, verdict: &Verdict) -> String {
        let word = match verdict {
            Verdict::OnlyIf { .. } => "if",
            other => other.as_str(),
        };
        let Some(detail) = verdict.detail() else { return word.to_owned() };
        let number = *self.numbers.entry(detail).or_insert_with_key(|detail| {
            self.all.push(detail.clone());
            self.all.len()
        });
        format!("{word} [{number}]")
    }

    /// The cells of a row: without a role, then by role.
    pub(super) fn row(&mut self, route: &RouteSummary) -> Vec<String> {
        let numbers = [route.user, route.machine].into_iter().chain(route.cells.iter().copied());
        let verdicts = numbers.filter_map(|number| route.verdicts.get(number));
        verdicts.map(|verdict| self.cell(verdict)).collect()
    }
}

/// The headings of the columns beside the route.
pub(super) fn columns(report: &Report) -> Vec<String> {
    let roles = report.roles.iter().map(RoleSummary::label);
    ["any user".to_owned(), "any machine".to_owned()].into_iter().chain(roles).collect()
}

/// What the scopes of a route permit, as one line each.
pub(super) fn permitted(report: &Report, route: &RouteSummary) -> Vec<String> {
    let text = |scope: &String| Some(format!("{}: {}", Visible(scope), Visible(report.scopes.get(scope)?)));
    route.scopes.iter().filter_map(text).collect()
}

/// The sets of roles of a route, as one line each.
pub(super) fn combinations(report: &Report, route: &RouteSummary) -> Vec<String> {
    let line = |combination: &Combination| {
        let roles = combination.roles.iter().filter_map(|role| report.roles.get(*role));
        let roles: Vec<String> = roles.map(RoleSummary::label).collect();
        format!("{}: {}", roles.join(" + "), combination.verdict)
    };
    let more = route.more_combinations.then(|| "and more".to_owned());
    route.combinations.iter().map(line).chain(more).collect()
}

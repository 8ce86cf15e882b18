//! Two reports beside each other: which rows and cells differ.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::{Change, Diff};
use super::findings::Finding;
use super::report::{Report, RoleSummary, RouteAccess, RouteSummary};
use super::tenant::{RoleLevel, SubjectType};
use super::verdict::Verdict;

impl Report {
    /// Returns what is different in a later report.
    ///
    /// A row that one report does not have is compared with the one that answers there in the other report: the row of the
    /// remaining methods, one with a parameter or a catch-all in its path, or the fallback.
    #[must_use]
    pub fn diff(&self, later: &Self) -> Diff {
        let (before, after) = (self.by_label(), later.by_label());
        let labels: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut changes = Vec::new();
        for label in labels {
            let pairs = match (before.get(label), after.get(label)) {
                (None, Some(new)) => self.answering(new).into_iter().map(|old| (old, Some(*new))).collect(),
                (Some(old), None) => later.answering(old).into_iter().map(|new| (Some(*old), new)).collect(),
                (old, new) => vec![(old.copied(), new.copied())],
            };
            let mut of_row: Vec<Change> = Vec::new();
            for (old, new) in pairs {
                let (old, new) = (old.map(|old| Row::of(self, old)), new.map(|new| Row::of(later, new)));
                for change in compare(label, old.as_ref(), new.as_ref()) {
                    if !of_row.contains(&change) {
                        of_row.push(change);
                    }
                }
            }
            changes.extend(of_row);
        }
        let missing = |of: &Self, in_: &Self| -> Vec<Finding> {
            of.findings.iter().filter(|finding| !in_.findings.contains(finding)).cloned().collect()
        };
        changes.extend(missing(later, self).into_iter().map(|finding| Change::NewFinding { finding }));
        changes.extend(missing(self, later).into_iter().map(|finding| Change::GoneFinding { finding }));
        Diff { changes }
    }

    fn by_label(&self) -> BTreeMap<String, &RouteSummary> {
        self.routes.iter().map(|route| (route.label(), route)).collect()
    }

    /// The rows that answer the requests of a row that this report does not have, each once; `None` where nothing does.
    fn answering(&self, route: &RouteSummary) -> Vec<Option<&RouteSummary>> {
        let Some(path) = route.path.as_deref().filter(|_| route.operation.is_none()) else { return vec![None] };
        let known = self.routes.iter().filter(|known| known.operation.is_none());
        let ranked = known.filter_map(|known| Some((closeness(known, path)?, known)));
        let Some((_, nearest)) = ranked.max_by(|(one, _), (other, _)| one.cmp(other)) else { return vec![None] };
        let answers = |method: &str| match &nearest.path {
            Some(path) => self.route(method, path).and_then(|number| self.routes.get(number)),
            None => Some(nearest),
        };
        let mut rows: Vec<Option<&RouteSummary>> = Vec::new();
        let methods: &[String] = if route.methods.is_empty() { &["*".to_owned()] } else { &route.methods };
        for row in methods.iter().map(|method| answers(method)) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }
}

/// How closely a row answers what is asked of another path: a number for each segment, the higher the closer. `None` if it
/// does not.
fn closeness(known: &RouteSummary, path: &str) -> Option<Vec<u8>> {
    const REST: u8 = 0;
    const PARAMETER: u8 = 1;
    const AFFIXED: u8 = 2;
    const LITERAL: u8 = 3;
    let Some(own) = known.path.as_deref() else { return Some(Vec::new()) };
    let is_router = known.access == RouteAccess::PublicRouter;
    let own = if is_router { own.trim_end_matches('/') } else { own };
    let mut segments = path.split('/');
    let mut closeness = Vec::new();
    for own in own.split('/') {
        let asked = segments.next()?;
        let is_rest = |segment: &str| segment.starts_with("{*");
        if is_rest(own) {
            // It takes something, and not nothing.
            let takes = !asked.is_empty() || segments.next().is_some();
            closeness.push(REST);
            return takes.then_some(closeness);
        }
        closeness.push(match parameter(own) {
            _ if own == asked => LITERAL,
            Some(("", "")) if !asked.is_empty() && !is_rest(asked) => PARAMETER,
            Some((before, behind)) if takes(before, behind, asked) => AFFIXED,
            _ => return None,
        });
    }
    match segments.next() {
        None => Some(closeness),
        Some(_) if is_router => Some(closeness),
        Some(_) => None,
    }
}

/// What stands before and behind the parameter of a segment; `None` if it has none. Two braces are one that is meant literally.
fn parameter(segment: &str) -> Option<(&str, &str)> {
    let (before, rest) = segment.split_once('{').filter(|(_, rest)| !rest.starts_with('{'))?;
    rest.split_once('}').map(|(_, behind)| (before, behind))
}

fn takes(before: &str, behind: &str, asked: &str) -> bool {
    asked.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)).is_some_and(|rest| !rest.is_empty())
}

/// A role, or a subject without a role. Two roles may have one label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    level: Option<RoleLevel>,
    label: String,
    subjects: Option<SubjectType>,
}

impl Column {
    fn of(role: &RoleSummary) -> Self {
        Self { level: Some(role.level), label: role.label(), subjects: Some(role.subjects) }
    }

    fn without_role(label: &str) -> Self {
        Self { level: None, label: label.to_owned(), subjects: None }
    }
}

struct Row<'a> {
    access: RouteAccess,
    verdicts: BTreeMap<Column, &'a Verdict>,
    /// Roles that suffice together.
    combinations: BTreeMap<BTreeSet<Column>, &'a Verdict>,
}

impl<'a> Row<'a> {
    fn of(report: &'a Report, route: &'a RouteSummary) -> Self {
        let roles = report.roles.iter().zip(&route.cells);
        let roles = roles.filter_map(|(role, cell)| Some((Column::of(role), route.verdicts.get(*cell)?)));
        let without = [("any user", route.any_user()), ("any machine", route.any_machine())];
        let without = without.into_iter().filter_map(|(name, verdict)| Some((Column::without_role(name), verdict?)));
        let combinations = route.combinations.iter().map(|combination| {
            let roles = combination.roles.iter().filter_map(|role| report.roles.get(*role));
            (roles.map(Column::of).collect(), &combination.verdict)
        });
        Self { access: route.access, verdicts: without.chain(roles).collect(), combinations: combinations.collect() }
    }

    /// What roles open together, or some of them.
    fn of_roles(&self, roles: &BTreeSet<Column>) -> Verdict {
        let alone = roles.iter().filter_map(|role| self.verdicts.get(role));
        let together = self.combinations.iter().filter(|(part, _)| part.is_subset(roles)).map(|(_, verdict)| verdict);
        let mut verdict = Verdict::any(alone.chain(together).map(|verdict| (*verdict).clone()));
        if let Verdict::OnlyIf { any_of } = &mut verdict {
            any_of.sort_unstable();
        }
        verdict
    }
}

fn compare(route: &str, old: Option<&Row<'_>>, new: Option<&Row<'_>>) -> Vec<Change> {
    let mut changes = Vec::new();
    let access = |row: Option<&Row<'_>>| row.map(|row| row.access);
    if access(old) != access(new) {
        changes.push(Change::Access { route: route.to_owned(), before: access(old), after: access(new) });
    }
    let rows = || old.into_iter().chain(new);
    let columns: BTreeSet<&Column> = rows().flat_map(|row| row.verdicts.keys()).collect();
    for column in columns {
        let verdict = |row: Option<&Row<'_>>| row.and_then(|row| row.verdicts.get(column)).map(|it| (*it).clone());
        changes.extend(change(route, &column.label, verdict(old), verdict(new)));
    }
    let combinations: BTreeSet<&BTreeSet<Column>> = rows().flat_map(|row| row.combinations.keys()).collect();
    for roles in combinations {
        let label = roles.iter().map(|role| &*role.label).collect::<Vec<_>>().join(" + ");
        let verdict = |row: Option<&Row<'_>>| row.map(|row| row.of_roles(roles));
        changes.extend(change(route, &label, verdict(old), verdict(new)));
    }
    changes
}

/// What is different in a cell.
fn change(route: &str, role: &str, before: Option<Verdict>, after: Option<Verdict>) -> Option<Change> {
    if before == after {
        return None;
    }
    let reach = |verdict: &Option<Verdict>| match verdict {
        Some(Verdict::Yes) => 2,
        Some(verdict) if verdict.reaches() => 1,
        _ => 0,
    };
    let (route, role) = (route.to_owned(), role.to_owned());
    match (reach(&before), reach(&after), before, after) {
        (0, 0, ..) => None,
        (old, new, before, Some(after)) if new > old => Some(Change::Gained { route, role, before, after }),
        (old, new, Some(before), after) if new < old => Some(Change::Lost { route, role, before, after }),
        (_, _, Some(before), Some(after)) => Some(Change::Conditions { route, role, before, after }),
        _ => None,
    }
}

//! The report as text, for a terminal or a log.

use std::fmt;

use super::notes::{Notes, columns, combinations};
use crate::audit::report::{Report, RouteSummary};
use crate::name::Visible;

/// With more roles than that a table does not fit into a terminal: then each route lists the roles that open it.
const MOST_COLUMNS: usize = 12;

impl fmt::Display for Report {
    /// A table with a row for each route, or with many roles a list; what the cells say beside their word; sets of roles;
    /// findings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Notes::default();
        if self.roles.len() > MOST_COLUMNS {
            list(f, self, &mut notes)?;
        } else {
            table(f, self, &mut notes)?;
        }
        if !notes.all.is_empty() {
            writeln!(f)?;
        }
        for (number, note) in notes.all.iter().enumerate() {
            writeln!(f, "[{}] {}", number + 1, Visible(note))?;
        }
        if !self.scopes.is_empty() {
            writeln!(f, "\nscopes:")?;
        }
        for (scope, text) in &self.scopes {
            writeln!(f, "  {}: {}", Visible(scope), Visible(text))?;
        }
        for route in self.routes.iter().filter(|route| !route.combinations.is_empty()) {
            writeln!(f, "\nroles that open {} together:", route.label())?;
            combinations(self, route).iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\n{} findings", self.findings.len())?;
        }
        for finding in &self.findings {
            writeln!(f, "{:7}  {:34}  {}", finding.severity, finding.kind, Visible(&finding.message))?;
        }
        Ok(())
    }
}

fn table(f: &mut fmt::Formatter<'_>, report: &Report, notes: &mut Notes) -> fmt::Result {
    let headings = [vec!["route".to_owned()], columns(report)].concat();
    let rows = report.routes.iter().map(|route| [vec![route.label()], notes.row(route)].concat());
    let rows: Vec<Vec<String>> = [headings].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn list(f: &mut fmt::Formatter<'_>, report: &Report, notes: &mut Notes) -> fmt::Result {
    let headings = columns(report);
    let opens = |route: &RouteSummary, column: usize| {
        let cell = match column {
            0 => Some(route.user),
            1 => Some(route.machine),
            role => route.cells.get(role - 2).copied(),
        };
        cell.and_then(|cell| route.verdicts.get(cell)).filter(|verdict| verdict.reaches()).cloned()
    };
    for route in &report.routes {
        writeln!(f, "{}  {}", route.label(), route.policy)?;
        for (column, heading) in headings.iter().enumerate() {
            if let Some(verdict) = opens(route, column) {
                writeln!(f, "  {heading}: {}", notes.cell(&verdict))?;
            }
        }
    }
    Ok(())
}

//! The report as Markdown, for a pull request or a wiki.

use std::fmt::Write as _;

use super::escape::Markdown;
use super::notes::{Notes, columns, combinations};
use crate::audit::report::Report;

impl Report {
    /// Returns the report as Markdown: the matrix, what its cells say, sets of roles, findings. Every name is escaped.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        let mut notes = Notes::default();
        let headings = columns(self);
        let heads: Vec<String> = headings.iter().map(|heading| Markdown(heading).to_string()).collect();
        _ = writeln!(out, "| route | policy | {} |", heads.join(" | "));
        _ = writeln!(out, "|---|---|{}", "---|".repeat(headings.len()));
        for route in &self.routes {
            let cells: Vec<String> = notes.row(route).iter().map(|cell| Markdown(cell).to_string()).collect();
            let (label, policy) = (route.label(), Markdown(&route.policy));
            _ = writeln!(out, "| {} | {policy} | {} |", Markdown(&label), cells.join(" | "));
        }
        if !notes.all.is_empty() {
            out.push('\n');
        }
        for (number, note) in notes.all.iter().enumerate() {
            _ = writeln!(out, "- \\[{}\\] {}", number + 1, Markdown(note));
        }
        if !self.scopes.is_empty() {
            out.push_str("\n| scope | permits |\n|---|---|\n");
        }
        for (scope, text) in &self.scopes {
            _ = writeln!(out, "| {} | {} |", Markdown(scope), Markdown(text));
        }
        for route in self.routes.iter().filter(|route| !route.combinations.is_empty()) {
            _ = writeln!(out, "\nRoles that open {} together:\n", Markdown(&route.label()));
            for line in combinations(self, route) {
                _ = writeln!(out, "- {}", Markdown(&line));
            }
        }
        if !self.findings.is_empty() {
            out.push_str("\n| severity | finding | what | code | tenant |\n|---|---|---|---|---|\n");
        }
        for finding in &self.findings {
            let places = |places: &[String]| {
                places.iter().map(|place| Markdown(place).to_string()).collect::<Vec<_>>().join("<br>")
            };
            let (kind, message) = (finding.kind.to_string(), Markdown(&finding.message));
            let (code, tenant) = (places(&finding.code), places(&finding.tenant));
            _ = writeln!(out, "| {} | {} | {message} | {code} | {tenant} |", finding.severity, Markdown(&kind));
        }
        out
    }
}

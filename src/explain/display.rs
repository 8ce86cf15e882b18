//! An explanation for a terminal.

use std::fmt;

use super::explanation::{Explanation, Response};
use super::step::{Step, Verdict};

/// The longest name of a step.
const NAMES: usize = 13;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request      {} {}", self.method, self.route.as_deref().unwrap_or("(no route)"))?;
        writeln!(f, "policy       {}", self.policy)?;
        write!(f, "outcome      {}", self.outcome)?;
        match (self.kind, self.remediation) {
            (Some(kind), Some(remediation)) => writeln!(f, ": {kind}, the client can: {remediation}")?,
            _ => writeln!(f)?,
        }
        if let Some(detail) = &self.detail {
            writeln!(f, "because      {detail}")?;
        }
        writeln!(f, "\ntoken")?;
        self.steps.iter().try_for_each(|step| write_step(f, step))?;
        for clause in &self.clauses {
            let nearest =
                if self.kind.is_some() && self.clause.as_ref() == Some(&clause.text) { " (nearest)" } else { "" };
            writeln!(f, "\nclause       {}: {}{nearest}", clause.text, clause.verdict)?;
            clause.steps.iter().try_for_each(|step| write_step(f, step))?;
        }
        for asked in &self.asked {
            writeln!(f, "\nasked        {}, for {} us", asked.what, asked.us)?;
        }
        if let Some(shadow) = &self.shadow {
            write!(f, "\nshadow       {}: {}", shadow.policy, shadow.agreement)?;
            if let (Some(kind), Some(detail)) = (shadow.kind, &shadow.detail) {
                write!(f, " ({kind}: {detail})")?;
            }
            writeln!(f)?;
        }
        match &self.response {
            Some(response) => write_response(f, response),
            None => writeln!(f, "\nresponse     the handler's"),
        }
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    let mark = match step.verdict {
        Verdict::Passed => "ok  ",
        Verdict::Failed => "FAIL",
        Verdict::Undecided => "??  ",
    };
    writeln!(f, "  {mark}  {:NAMES$}  expected {}", step.name, step.expected)?;
    writeln!(f, "        {:NAMES$}  found    {}", "", step.found)
}

fn write_response(f: &mut fmt::Formatter<'_>, response: &Response) -> fmt::Result {
    writeln!(f, "\nresponse     {}", response.status)?;
    for (name, value) in &response.headers {
        writeln!(f, "  {name}: {value}")?;
    }
    if response.body.is_empty() { Ok(()) } else { writeln!(f, "\n  {}", response.body.replace('\n', "\n  ")) }
}

//! Writes mutants into a copy of the sources, each behind a switch that is chosen at run time.
//!
//! `switches SOURCES TREE <mutants.json >report.json`: the mutants are those of `cargo mutants --list --json`, each with an
//! `id`. The report tells where each stands in what was written, and which cannot be switched.

mod edits;
mod sites;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::edits::Edits;
use crate::sites::Sites;

#[derive(Deserialize)]
struct Mutant {
    id: usize,
    file: String,
    genre: String,
    replacement: String,
    span: Span,
}

#[derive(Clone, Copy, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

#[derive(Default, Serialize)]
struct Report {
    /// Where each mutant stands in the file that was written, in bytes.
    places: Vec<(String, usize, usize, usize)>,
    /// The mutants in functions that are `const` in the sources and are not in the tree, by the function's name.
    constant: BTreeMap<String, Vec<usize>>,
    /// The mutants that have no switch.
    left: Vec<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folders: Vec<String> = env::args().skip(1).collect();
    let [sources, tree] = folders.as_slice() else {
        return Err("usage: switches SOURCES TREE <mutants.json >report.json".into());
    };
    let mut files: BTreeMap<String, Vec<Mutant>> = BTreeMap::new();
    for mutant in serde_json::from_reader::<_, Vec<Mutant>>(io::stdin())? {
        files.entry(mutant.file.clone()).or_default().push(mutant);
    }
    let mut report = Report::default();
    for (file, mutants) in &files {
        let source = fs::read_to_string(Path::new(sources).join(file))?;
        let written = switch(file, &source, mutants, &mut report)?;
        fs::write(Path::new(tree).join(file), written)?;
    }
    serde_json::to_writer(io::stdout(), &report)?;
    Ok(())
}

/// Returns the file with its mutants behind their switches.
fn switch(file: &str, source: &str, mutants: &[Mutant], report: &mut Report) -> Result<String, Box<dyn Error>> {
    let sites = Sites::of(&syn::parse_file(source)?);
    let on = if file.starts_with("gateway/") { "::orgate::mutant::on" } else { "crate::mutant::on" };
    let mut edits = Edits::new(source, on);
    for mutant in mutants {
        let span = offset(source, mutant.span.start)..offset(source, mutant.span.end);
        let switched = match mutant.genre.as_str() {
            "FnValue" => {
                Some(edits.insert(span.start, mutant.id, |on| format!("if {on} {{ return {}; }} ", mutant.replacement)))
            }
            "MatchArm" => {
                sites.arms.get(&span.start).map(|end| edits.insert(*end, mutant.id, |on| format!(" if !{on}")))
            }
            "MatchArmGuard" => Some(edits.wrap(span.clone(), &span, mutant.id, &mutant.replacement)),
            _ => sites
                .expressions
                .get(&span.start)
                .map(|whole| edits.wrap(whole.clone(), &span, mutant.id, &mutant.replacement)),
        };
        if switched.is_none() {
            report.left.push(mutant.id);
            continue;
        }
        for function in sites.constant.iter().filter(|function| function.body.contains(&span.start)) {
            edits.delete(function.word.clone());
            report.constant.entry(function.name.clone()).or_default().push(mutant.id);
        }
    }
    let (written, places) = edits.apply();
    report.places.extend(places.into_iter().map(|(id, place)| (file.to_owned(), id, place.start, place.end)));
    Ok(written)
}

fn offset(source: &str, place: Place) -> usize {
    let line: usize = source.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let column: usize = source[line..].chars().take(place.column - 1).map(char::len_utf8).sum();
    line + column
}

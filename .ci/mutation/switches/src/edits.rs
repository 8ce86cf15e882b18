//! Changes to a text, which may stand within each other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::vec;

pub struct Edits<'a> {
    source: &'a str,
    /// The function that tells whether a mutant is switched on.
    on: &'a str,
    inserted: Vec<Edit>,
    wrapped: BTreeMap<(usize, usize), Vec<(usize, String)>>,
}

struct Edit {
    range: Range<usize>,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Delete,
    Insert(usize, String),
    /// What stands in the range's stead when a mutant is switched on.
    Wrap(Vec<(usize, String)>),
}

/// Where each mutant stands in the text that was written.
type Places = Vec<(usize, Range<usize>)>;

impl<'a> Edits<'a> {
    pub fn new(source: &'a str, on: &'a str) -> Self {
        Self { source, on, inserted: Vec::new(), wrapped: BTreeMap::new() }
    }

    pub fn delete(&mut self, range: Range<usize>) {
        if !self.inserted.iter().any(|edit| edit.range == range) {
            self.inserted.push(Edit { range, what: What::Delete });
        }
    }

    /// Inserts what `text` makes of the question whether this mutant is switched on.
    pub fn insert(&mut self, at: usize, id: usize, text: impl FnOnce(String) -> String) {
        let text = text(format!("{}({id})", self.on));
        self.inserted.push(Edit { range: at..at, what: What::Insert(id, text) });
    }

    /// Has `whole` with `replacement` instead of `part` when this mutant is switched on.
    pub fn wrap(&mut self, whole: Range<usize>, part: &Range<usize>, id: usize, replacement: &str) {
        let mutated = [&self.source[whole.start..part.start], replacement, &self.source[part.end..whole.end]].concat();
        self.wrapped.entry((whole.start, whole.end)).or_default().push((id, mutated));
    }

    pub fn apply(self) -> (String, Places) {
        let wrapped = self
            .wrapped
            .into_iter()
            .map(|((start, end), mutated)| Edit { range: start..end, what: What::Wrap(mutated) });
        let mut edits: Vec<Edit> = self.inserted.into_iter().chain(wrapped).collect();
        // What is inserted before a whole expression comes before it, and the whole before its parts.
        edits.sort_by(|a, b| {
            let key = |edit: &Edit| (edit.range.start, !edit.range.is_empty(), Reverse(edit.range.end));
            key(a).cmp(&key(b)).then_with(|| a.what.cmp(&b.what))
        });
        let mut writer = Writer { source: self.source, on: self.on, out: String::new(), places: Vec::new() };
        writer.write(0..self.source.len(), &mut edits.into_iter().peekable());
        (writer.out, writer.places)
    }
}

struct Writer<'a> {
    source: &'a str,
    on: &'a str,
    out: String,
    places: Places,
}

impl Writer<'_> {
    fn write(&mut self, range: Range<usize>, edits: &mut Peekable<vec::IntoIter<Edit>>) {
        let mut at = range.start;
        while let Some(edit) = edits.next_if(|edit| edit.range.end <= range.end) {
            self.out.push_str(&self.source[at..edit.range.start]);
            at = edit.range.end;
            match edit.what {
                What::Delete => {}
                What::Insert(id, text) => self.place(id, &text),
                What::Wrap(mutated) => {
                    self.out.push('(');
                    for (id, text) in mutated {
                        self.place(id, &format!("if {}({id}) {{ {text} }} else ", self.on));
                    }
                    self.out.push_str("{ ");
                    self.write(edit.range, edits);
                    self.out.push_str(" })");
                }
            }
        }
        self.out.push_str(&self.source[at..range.end]);
    }

    fn place(&mut self, id: usize, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.places.push((id, start..self.out.len()));
    }
}

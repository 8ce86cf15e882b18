//! Which file uses which: every path that begins with `crate`, `super` or `self`, followed through re-exports to the file
//! that defines what it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, Token};

/// A module's path below the crate's root: `["token", "verify"]`.
pub(crate) type Module = Vec<String>;

/// The uses between files, each file under the name of its module: `token/verify/jwt`.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) uses: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let modules: BTreeMap<Module, &Source> =
            sources.iter().map(|source| (module_of(&source.path), source)).collect();
        let exports: BTreeMap<&Module, BTreeMap<String, Module>> =
            modules.iter().map(|(module, source)| (module, exports(module, &source.tokens))).collect();
        let mut uses = BTreeMap::new();
        for (module, source) in modules.iter().filter(|(module, _)| !module.is_empty()) {
            let used = paths(&source.tokens).into_iter().filter_map(|path| resolve(&path, &modules, &exports, 0));
            let used = used.filter(|used| used != module && !used.is_empty()).map(|used| used.join("/"));
            uses.insert(module.join("/"), used.collect());
        }
        Self { uses }
    }

    /// Files that need each other, directly or by others. Each circle once, in order.
    pub(crate) fn circles(&self) -> BTreeSet<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.uses.keys().map(|file| (&**file, self.reach(file))).collect();
        let circle = |file: &&str| -> Vec<&str> {
            reached[file]
                .iter()
                .copied()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(file)))
                .collect()
        };
        reached.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    fn reach(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.uses[file].iter().map(String::as_str).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(self.uses.get(file).into_iter().flatten().map(String::as_str));
            }
        }
        reached
    }
}

pub(crate) fn module_of(path: &str) -> Module {
    let stem = path.strip_suffix(".rs").expect("a Rust file");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// The file in which the path ends.
fn resolve(
    path: &[String],
    modules: &BTreeMap<Module, &Source>,
    exports: &BTreeMap<&Module, BTreeMap<String, Module>>,
    depth: usize,
) -> Option<Module> {
    let mut module = Module::new();
    for (at, name) in path.iter().enumerate() {
        let inner: Module = module.iter().chain([name]).cloned().collect();
        if modules.contains_key(&inner) {
            module = inner;
            continue;
        }
        let exported = exports.get(&module).and_then(|names| names.get(name)).filter(|_| depth < 8);
        return match exported {
            Some(target) => resolve(&[target, &path[at + 1..]].concat(), modules, exports, depth + 1),
            None => Some(module),
        };
    }
    Some(module)
}

/// What a module re-exports: the names, and the whole paths behind them.
fn exports(module: &Module, tokens: &[Token]) -> BTreeMap<String, Module> {
    let mut names = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_public = at > 0 && matches!(&*tokens[at - 1].text, "pub" | ")");
        if token.text != "use" || !is_public {
            continue;
        }
        for (name, path) in tree(tokens, &mut (at + 1)) {
            names.insert(name, absolute(module, &path));
        }
    }
    names
}

/// All paths to the crate's own items, whole.
fn paths(tokens: &[Token]) -> Vec<Module> {
    let mut paths = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins = matches!(&*token.text, "crate" | "super" | "self") && (at == 0 || tokens[at - 1].text != "::");
        if begins && tokens.get(at + 1).is_some_and(|next| next.text == "::") {
            paths.extend(tree(tokens, &mut { at }).into_iter().map(|(_, path)| absolute(&token.module, &path)));
        }
    }
    paths
}

/// The leaves of `a::{b, c as d}`: the name that each gives, and its path as written.
pub(crate) fn tree(tokens: &[Token], at: &mut usize) -> Vec<(String, Module)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| &*token.text);
    let mut path = Module::new();
    loop {
        if text(*at) == "{" {
            let mut leaves = Vec::new();
            *at += 1;
            while !matches!(text(*at), "}" | "") {
                leaves.extend(tree(tokens, at).into_iter().map(|(name, tail)| (name, [&*path, &*tail].concat())));
                *at += usize::from(text(*at) == ",");
            }
            *at += 1;
            return leaves;
        }
        path.push(text(*at).to_owned());
        *at += 1;
        let goes_on = text(*at) == "::" && (text(*at + 1) == "{" || text(*at + 1).starts_with(is_name));
        if !goes_on {
            break;
        }
        *at += 1;
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if text(*at) == "as" {
        text(*at + 1).clone_into(&mut name);
        *at += 2;
    }
    vec![(name, path)]
}

fn is_name(first: char) -> bool {
    first.is_alphabetic() || first == '_'
}

/// The path from the crate's root. `use` may name a child without `self`.
pub(crate) fn absolute(module: &Module, path: &[String]) -> Module {
    let mut whole = if path.first().is_some_and(|first| first == "crate") { Module::new() } else { module.clone() };
    for name in path {
        match &**name {
            "crate" | "self" => {}
            "super" => _ = whole.pop(),
            _ => whole.push(name.clone()),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        Graph::of(&files.iter().map(|(path, text)| Source::read(path, text)).collect::<Vec<_>>())
    }

    fn uses(text: &str) -> Vec<String> {
        let house = [
            ("lib.rs", "mod engine; pub mod token; pub use token::AccessToken;"),
            ("engine/mod.rs", "mod need; mod state; pub(crate) use need::{Need as N, Stop}; use state::State;"),
            ("engine/need.rs", ""),
            ("engine/state.rs", ""),
            ("token/mod.rs", "mod verify; pub(crate) use self::verify::jwt; pub use verify::jwt::{AccessToken, B};"),
            ("token/verify/mod.rs", "pub(crate) mod jwt;"),
            ("token/verify/jwt.rs", text),
        ];
        graph(&house).uses["token/verify/jwt"].iter().cloned().collect()
    }

    #[test]
    fn paths_are_followed_to_the_file_that_defines_the_name() {
        for (text, used) in [
            ("use crate::engine::Stop;", "engine/need"),
            ("use crate::engine::{N, Stop as S};", "engine/need"),
            ("use crate::engine::state::State;", "engine/state"),
            ("fn a() { crate::engine::state::b(); }", "engine/state"),
            ("use crate::{engine::Stop};", "engine/need"),
            ("use super::super::super::engine::Stop;", "engine/need"),
            ("use crate::engine::Elsewhere;", "engine"),
            ("use super::helper;", "token/verify"),
        ] {
            assert_eq!(uses(text), [used], "{text}");
        }
        for text in
            ["use crate::AccessToken;", "use super::jwt::a;", "use std::fmt;", "self.b(); // crate::engine::Stop"]
        {
            assert_eq!(uses(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn circles_are_found() {
        let circle = graph(&[
            ("a/mod.rs", "mod b;"),
            ("a/b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::d::D;"),
            ("d.rs", "use crate::a::b::B; use crate::e;"),
            ("e.rs", ""),
        ]);
        assert_eq!(circle.circles().into_iter().collect::<Vec<_>>(), [["a/b", "c", "d"]]);
        let line = graph(&[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use super::c;")]);
        assert!(line.circles().is_empty());
    }
}

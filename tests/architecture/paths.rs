//! One path a type: what is public has one path, the names at the root aside.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Module, absolute, module_of, tree};
use crate::source::{Source, Token};

/// What stands at the top of one file.
#[derive(Default)]
struct Surface {
    /// The public modules.
    modules: BTreeSet<String>,
    /// The public items that are defined here.
    items: BTreeSet<String>,
    /// Each name that another module defines: where to, and whether that is public.
    uses: Vec<(String, Module, bool)>,
}

const ITEMS: [&str; 8] = ["struct", "enum", "union", "trait", "fn", "type", "const", "static"];

/// What has two public paths. `root`: the names that are at the root as well.
pub(crate) fn path_violations(sources: &[Source], root: &[&str]) -> Vec<String> {
    let surfaces: BTreeMap<Module, Surface> =
        sources.iter().map(|source| (module_of(&source.path), surface(source))).collect();
    let mut paths: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
    for (module, surface) in surfaces.iter().filter(|(module, _)| is_public(module, &surfaces)) {
        let mut add = |name: &String, definition: Module| {
            if !module.is_empty() || !root.contains(&&**name) {
                let path = module.iter().chain([name]).cloned().collect::<Vec<_>>().join("::");
                paths.entry(definition).or_default().insert(path);
            }
        };
        for name in &surface.items {
            add(name, module.iter().chain([name]).cloned().collect());
        }
        for (name, target, _) in surface.uses.iter().filter(|(.., is_public)| *is_public) {
            add(name, definition(target, &surfaces, 0));
        }
    }
    let several = paths.values().filter(|paths| paths.len() > 1);
    several
        .map(|paths| format!("one thing, {} paths: {}", paths.len(), Vec::from_iter(paths.clone()).join(", ")))
        .collect()
}

fn is_public(module: &Module, surfaces: &BTreeMap<Module, Surface>) -> bool {
    let Some((name, outer)) = module.split_last() else { return true };
    let outer = outer.to_vec();
    surfaces.get(&outer).is_some_and(|surface| surface.modules.contains(name)) && is_public(&outer, surfaces)
}

/// The path to where something is defined, behind all re-exports.
fn definition(path: &Module, surfaces: &BTreeMap<Module, Surface>, depth: usize) -> Module {
    let Some((name, module)) = path.split_last() else { return Module::new() };
    let used = surfaces.get(module).and_then(|surface| surface.uses.iter().find(|(used, ..)| used == name));
    match used {
        Some((_, target, _)) if depth < 8 => definition(target, surfaces, depth + 1),
        _ => path.clone(),
    }
}

fn surface(source: &Source) -> Surface {
    let (module, mut surface, mut depth, mut begin) = (module_of(&source.path), Surface::default(), 0, 0);
    let text = |at: usize| source.tokens.get(at).map_or("", |token: &Token| &*token.text);
    // Doors for fuzzing are no part of the interface.
    let is_door = |begin: usize, at: usize| (begin..at).any(|at| text(at) == "orgate_fuzzing");
    for at in 0..source.tokens.len() {
        match text(at) {
            "use" if depth == 0 => {
                let is_public = at > 0 && text(at - 1) == "pub" && !is_door(begin, at);
                for (name, path) in tree(&source.tokens, &mut (at + 1)) {
                    surface.uses.push((name, absolute(&module, &path), is_public));
                }
                // Braces of a tree of paths open and close: the depth stays right.
            }
            "pub" if depth == 0 && text(at + 1) != "(" && !is_door(begin, at) => {
                let words = (at + 1..at + 4).take_while(|&at| !matches!(text(at), "use" | "{" | ";"));
                for at in words {
                    if text(at) == "mod" {
                        surface.modules.insert(text(at + 1).to_owned());
                    } else if ITEMS.contains(&text(at)) && text(at + 1) != "fn" {
                        surface.items.insert(text(at + 1).to_owned());
                        break;
                    }
                }
            }
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(text(at), ";" | "}") {
            begin = at + 1;
        }
    }
    surface
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(lib: &str, inner: &str) -> Vec<String> {
        let files = [
            ("lib.rs", lib),
            ("a/mod.rs", inner),
            ("a/b.rs", "pub struct B { pub c: u8 } impl B { pub fn d() {} } pub(crate) struct E;"),
            ("f.rs", "pub use crate::a::b::B; pub const fn d() {}"),
        ];
        path_violations(&files.map(|(path, text)| Source::read(path, text)), &["B"])
    }

    #[test]
    fn what_has_two_public_paths() {
        for (lib, inner) in [
            ("pub mod a; pub mod f;", "mod b; pub use b::B;"),
            ("pub mod a; pub mod f;", "pub mod b;"),
            ("pub mod a; mod f;", "pub mod b; pub use b::B;"),
            ("pub mod a; mod f;", "mod b; pub use b::{B, B as C};"),
            ("pub mod a; pub use a::B as D;", "mod b; pub use b::B;"),
            ("pub mod a; pub mod f;", "mod b; pub use crate::f::d;"),
        ] {
            assert_eq!(violations(lib, inner).len(), 1, "{lib} {inner}");
        }
    }

    #[test]
    fn what_has_one_public_path() {
        for (lib, inner) in [
            ("pub mod a; mod f;", "mod b; pub use b::B;"),
            ("pub mod a; pub mod f;", "mod b; pub(crate) use b::B;"),
            ("pub mod a; mod f; pub use a::B;", "mod b; pub use b::B;"),
            ("mod a; pub mod f;", "pub mod b; pub use b::B;"),
            ("pub mod a; #[cfg(orgate_fuzzing)] #[doc(hidden)] pub mod f;", "mod b; pub use b::B;"),
            ("pub mod a; pub mod f;", "mod b; pub fn g() {} #[cfg(orgate_fuzzing)] pub use b::B;"),
        ] {
            assert_eq!(violations(lib, inner), [""; 0], "{lib} {inner}");
        }
    }
}

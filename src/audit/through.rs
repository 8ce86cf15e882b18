//! The smallest sets of roles that let a known subject call.

use std::collections::HashMap;

use super::catalog::{Bits, Catalog};
use super::members::{Held, Situation};
use super::requirement::Route;
use super::verdict::Verdict;

/// Larger sets are not looked for.
const MOST_ROLES: usize = 3;
/// So many sets are listed for a subject.
const MOST_SETS: usize = 20;
/// So many sets are looked at for a subject.
const MOST_STEPS: usize = 20_000;

/// The sets, and whether there may be more than are listed.
pub(super) struct Through<'a> {
    pub(super) sets: Vec<Vec<Held<'a>>>,
    pub(super) more: bool,
}

/// Roles that meet the same rules are exchangeable: the rules, and the numbers of the roles among those that are held.
type Class = (Bits, Vec<usize>);

impl Route {
    /// The smallest sets of the subject's roles with which it may call under no more conditions than with all of them.
    pub(super) fn through<'a>(&self, situation: &Situation<'a>, verdict: &Verdict, catalog: &Catalog) -> Through<'a> {
        let classes = self.classes(situation, catalog);
        let wanted = verdict.clone().ways();
        let suffices = |chosen: &[usize]| {
            let roles: Vec<Held<'_>> =
                chosen.iter().filter_map(|class| representative(&classes, *class, situation)).collect();
            let ways = situation.with(&roles, |holder| self.judge(holder, catalog)).ways();
            wanted.iter().all(|wanted| ways.iter().any(|way| way.iter().all(|words| wanted.contains(words))))
        };
        let mut search = Search { classes: &classes, suffices, known: HashMap::new(), steps: 0, found: Vec::new() };
        let mut more = classes.len() > MOST_ROLES;
        for size in 0..=MOST_ROLES.min(classes.len()) {
            search.extend(size, 0, &mut Vec::new(), &Bits::default());
            if !search.found.is_empty() {
                more = false;
                break;
            }
        }
        more |= search.steps >= MOST_STEPS || search.found.len() >= MOST_SETS;
        if search.found.is_empty() {
            let smallest = search.reduced();
            search.found.push(smallest);
        }
        let mut sets = Vec::new();
        for chosen in &search.found {
            let roles: Vec<&Vec<usize>> = chosen.iter().filter_map(|class| Some(&classes.get(*class)?.1)).collect();
            more |= !expand(&roles, &mut Vec::new(), &mut sets);
        }
        sets.sort_unstable();
        let held =
            |set: Vec<usize>| set.into_iter().filter_map(|number| situation.held().get(number).copied()).collect();
        Through { sets: sets.into_iter().map(held).collect(), more }
    }

    /// Without the roles that meet no rule.
    fn classes(&self, situation: &Situation<'_>, catalog: &Catalog) -> Vec<Class> {
        let mut met: HashMap<(usize, bool), Bits> = HashMap::new();
        let mut numbers: HashMap<Bits, usize> = HashMap::new();
        let mut classes: Vec<Class> = Vec::new();
        for (index, held) in situation.held().iter().enumerate() {
            let key = (held.0, situation.is_here(held));
            let met = met.entry(key).or_insert_with(|| situation.with(&[*held], |holder| self.met(holder, catalog)));
            if met.is_empty() {
                continue;
            }
            let number = *numbers.entry(met.clone()).or_insert(classes.len());
            match classes.get_mut(number) {
                Some((_, roles)) => roles.push(index),
                None => classes.push((met.clone(), vec![index])),
            }
        }
        classes
    }
}

fn representative<'a>(classes: &[Class], class: usize, situation: &Situation<'a>) -> Option<Held<'a>> {
    situation.held().get(*classes.get(class)?.1.first()?).copied()
}

struct Search<'c, F> {
    classes: &'c [Class],
    suffices: F,
    /// By the rules that are met, on which alone it depends.
    known: HashMap<Bits, bool>,
    steps: usize,
    found: Vec<Vec<usize>>,
}

impl<F: Fn(&[usize]) -> bool> Search<'_, F> {
    /// Every set of so many more classes, of which each meets a rule that those before it do not.
    fn extend(&mut self, more: usize, from: usize, chosen: &mut Vec<usize>, met: &Bits) {
        self.steps += 1;
        let Some(more) = more.checked_sub(1) else {
            if self.is_enough(chosen, met) {
                self.found.push(chosen.clone());
            }
            return;
        };
        let classes = self.classes;
        for (number, (own, _)) in classes.iter().enumerate().skip(from) {
            if self.steps >= MOST_STEPS || self.found.len() >= MOST_SETS {
                return;
            }
            let together = met.with(own);
            if together != *met {
                chosen.push(number);
                self.extend(more, number + 1, chosen, &together);
                chosen.pop();
            }
        }
    }

    fn is_enough(&mut self, chosen: &[usize], met: &Bits) -> bool {
        if let Some(known) = self.known.get(met) {
            return *known;
        }
        let enough = (self.suffices)(chosen);
        self.known.insert(met.clone(), enough);
        enough
    }

    /// All classes, without those that are not needed.
    fn reduced(&self) -> Vec<usize> {
        let mut chosen: Vec<usize> = (0..self.classes.len()).collect();
        for class in 0..self.classes.len() {
            let rest: Vec<usize> = chosen.iter().copied().filter(|other| *other != class).collect();
            if (self.suffices)(&rest) {
                chosen = rest;
            }
        }
        chosen
    }
}

/// Every choice of one role of each class, as long as there is room; whether there was for all.
fn expand(classes: &[&Vec<usize>], chosen: &mut Vec<usize>, sets: &mut Vec<Vec<usize>>) -> bool {
    let Some((first, rest)) = classes.split_first() else {
        let has_room = sets.len() < MOST_SETS;
        if has_room {
            let mut set = chosen.clone();
            set.sort_unstable();
            sets.push(set);
        }
        return has_room;
    };
    first.iter().all(|role| {
        chosen.push(*role);
        let has_room = expand(rest, chosen, sets);
        chosen.pop();
        has_room
    })
}
